package atom

import (
	"strconv"
	"strings"

	"weir/internal/iso8601"
	"weir/kernel/fault"
	"weir/kernel/resource"
)

// form is how a field is written.
type form uint8

const (
	asText form = iota
	asBool
	asInt
	asDuration
	asForward // the URL of an entity
	asRules   // authorization rules
	asSize    // megabytes, which a partitioned entity has in each of its partitions
	asCounts
	asTime
	asFixed   // always the same value, which is all that a client may give
	asOmitted // taken in and never written
)

// field is one element of a description. The tables below are in the order of the data
// contract: clients of old read elements that come out of order as missing.
type field struct {
	element  string
	form     form
	property string // of the resource, or of what is counted
	said     bool   // the service says it: passed over in what is put
	fixed    string // of asFixed
	since    string // first api-version that has it
}

// partitions are how many a partitioned entity has.
const partitions = 16

// What is said of things that are the same for every entity here.
const (
	never  = "false"
	always = "true"
)

var queueFields = []field{
	{element: "LockDuration", form: asDuration, property: "lockDuration"},
	{element: "MaxSizeInMegabytes", form: asSize, property: "maxSizeInMegabytes"},
	{element: "RequiresDuplicateDetection", form: asBool, property: "requiresDuplicateDetection"},
	{element: "RequiresSession", form: asBool, property: "requiresSession"},
	{element: "DefaultMessageTimeToLive", form: asDuration, property: "defaultMessageTimeToLive"},
	{element: "DeadLetteringOnMessageExpiration", form: asBool, property: "deadLetteringOnMessageExpiration"},
	{element: "DuplicateDetectionHistoryTimeWindow", form: asDuration, property: "duplicateDetectionHistoryTimeWindow"},
	{element: "MaxDeliveryCount", form: asInt, property: "maxDeliveryCount"},
	{element: "EnableBatchedOperations", form: asBool, property: "enableBatchedOperations"},
	{element: "SizeInBytes", form: asInt, property: "sizeInBytes", said: true},
	{element: "MessageCount", form: asInt, property: "messageCount", said: true},
	{element: "IsAnonymousAccessible", form: asFixed, fixed: never},
	{element: "AuthorizationRules", form: asRules},
	{element: "Status", form: asText, property: "status"},
	{element: "ForwardTo", form: asForward, property: "forwardTo"},
	{element: "UserMetadata", form: asText, property: "userMetadata"},
	{element: "CreatedAt", form: asTime, property: "createdAt", said: true},
	{element: "UpdatedAt", form: asTime, property: "updatedAt", said: true},
	{element: "AccessedAt", form: asTime, property: "accessedAt", said: true},
	{element: "SupportOrdering", form: asFixed, fixed: always},
	{element: "CountDetails", form: asCounts, property: "countDetails", said: true},
	{element: "AutoDeleteOnIdle", form: asDuration, property: "autoDeleteOnIdle"},
	{element: "EnablePartitioning", form: asBool, property: "enablePartitioning"},
	{element: "EntityAvailabilityStatus", form: asFixed, fixed: "Available", said: true},
	{element: "ForwardDeadLetteredMessagesTo", form: asForward, property: "forwardDeadLetteredMessagesTo"},
	{element: "EnableExpress", form: asBool, property: "enableExpress"},
	{element: "MaxMessageSizeInKilobytes", form: asInt, property: "maxMessageSizeInKilobytes", since: "2021-05"},
	{element: "SkippedUpdate", form: asOmitted, said: true},
}

var topicFields = []field{
	{element: "DefaultMessageTimeToLive", form: asDuration, property: "defaultMessageTimeToLive"},
	{element: "MaxSizeInMegabytes", form: asSize, property: "maxSizeInMegabytes"},
	{element: "RequiresDuplicateDetection", form: asBool, property: "requiresDuplicateDetection"},
	{element: "DuplicateDetectionHistoryTimeWindow", form: asDuration, property: "duplicateDetectionHistoryTimeWindow"},
	{element: "EnableBatchedOperations", form: asBool, property: "enableBatchedOperations"},
	{element: "SizeInBytes", form: asInt, property: "sizeInBytes", said: true},
	{element: "FilteringMessagesBeforePublishing", form: asFixed, fixed: never},
	{element: "IsAnonymousAccessible", form: asFixed, fixed: never},
	{element: "AuthorizationRules", form: asRules},
	{element: "Status", form: asText, property: "status"},
	{element: "UserMetadata", form: asText, property: "userMetadata"},
	{element: "CreatedAt", form: asTime, property: "createdAt", said: true},
	{element: "UpdatedAt", form: asTime, property: "updatedAt", said: true},
	{element: "AccessedAt", form: asTime, property: "accessedAt", said: true},
	{element: "SupportOrdering", form: asBool, property: "supportOrdering"},
	{element: "CountDetails", form: asCounts, property: "countDetails", said: true},
	{element: "SubscriptionCount", form: asInt, property: "subscriptionCount", said: true},
	{element: "AutoDeleteOnIdle", form: asDuration, property: "autoDeleteOnIdle"},
	{element: "EnablePartitioning", form: asBool, property: "enablePartitioning"},
	{element: "EntityAvailabilityStatus", form: asFixed, fixed: "Available", said: true},
	{element: "EnableSubscriptionPartitioning", form: asFixed, fixed: never},
	{element: "EnableExpress", form: asBool, property: "enableExpress"},
	{element: "MaxMessageSizeInKilobytes", form: asInt, property: "maxMessageSizeInKilobytes", since: "2021-05"},
	{element: "SqlFilterCount", form: asInt, property: "sqlFilterCount", said: true, since: "2024-05"},
	{element: "CorrelationFilterCount", form: asInt, property: "correlationFilterCount", said: true, since: "2024-05"},
	{element: "MessageCount", form: asOmitted, said: true},
	{element: "SkippedUpdate", form: asOmitted, said: true},
}

var subscriptionFields = []field{
	{element: "LockDuration", form: asDuration, property: "lockDuration"},
	{element: "RequiresSession", form: asBool, property: "requiresSession"},
	{element: "DefaultMessageTimeToLive", form: asDuration, property: "defaultMessageTimeToLive"},
	{element: "DeadLetteringOnMessageExpiration", form: asBool, property: "deadLetteringOnMessageExpiration"},
	{element: "DeadLetteringOnFilterEvaluationExceptions", form: asBool, property: "deadLetteringOnFilterEvaluationExceptions"},
	{element: "DefaultRuleDescription", form: asOmitted}, // read by put, which makes it a rule
	{element: "MessageCount", form: asInt, property: "messageCount", said: true},
	{element: "MaxDeliveryCount", form: asInt, property: "maxDeliveryCount"},
	{element: "EnableBatchedOperations", form: asBool, property: "enableBatchedOperations"},
	{element: "Status", form: asText, property: "status"},
	{element: "ForwardTo", form: asForward, property: "forwardTo"},
	{element: "CreatedAt", form: asTime, property: "createdAt", said: true},
	{element: "UpdatedAt", form: asTime, property: "updatedAt", said: true},
	{element: "AccessedAt", form: asTime, property: "accessedAt", said: true},
	{element: "UserMetadata", form: asText, property: "userMetadata"},
	{element: "CountDetails", form: asCounts, property: "countDetails", said: true},
	{element: "ForwardDeadLetteredMessagesTo", form: asForward, property: "forwardDeadLetteredMessagesTo"},
	{element: "AutoDeleteOnIdle", form: asDuration, property: "autoDeleteOnIdle"},
	{element: "EntityAvailabilityStatus", form: asFixed, fixed: "Available", said: true},
	{element: "SizeInBytes", form: asOmitted, said: true},
	{element: "SkippedUpdate", form: asOmitted, said: true},
}

// noun is one sort of entity: its description and how clients call it.
type noun struct {
	word    string // in texts
	element string
	typ     string
	fields  []field
}

var (
	queueNoun        = noun{"Queue", "QueueDescription", typeQueue, queueFields}
	topicNoun        = noun{"Topic", "TopicDescription", typeTopic, topicFields}
	subscriptionNoun = noun{"Subscription", "SubscriptionDescription", typeSubscription, subscriptionFields}
	ruleNoun         = noun{"Rule", "RuleDescription", typeRule, nil}
)

// nounOf finds the sort of a resource.
func nounOf(typ string) noun {
	for _, n := range []noun{queueNoun, topicNoun, subscriptionNoun} {
		if strings.EqualFold(n.typ, typ) {
			return n
		}
	}
	return ruleNoun
}

func (n noun) field(element string) *field {
	for i := range n.fields {
		if n.fields[i].element == element {
			return &n.fields[i]
		}
	}
	return nil
}

// properties reads the fields of a description.
func (n noun) properties(d *element) (map[string]any, error) {
	p := map[string]any{}
	seen := map[string]bool{}
	for _, e := range d.sub {
		f := n.field(e.name)
		switch {
		case f == nil:
			return nil, fault.New(fault.Invalid, "The element '%s' of a %s is not known here.", e.name, n.element)
		case seen[e.name]:
			return nil, fault.New(fault.Invalid, "The element '%s' of the %s comes twice.", e.name, n.element)
		}
		seen[e.name] = true
		if f.said || e.null {
			continue
		}
		if err := f.read(p, e); err != nil {
			return nil, err
		}
	}
	if partitioned, _ := p["enablePartitioning"].(bool); partitioned {
		if size, ok := p["maxSizeInMegabytes"].(int64); ok && size > partitionMegabytesMax {
			p["maxSizeInMegabytes"] = size / partitions
		}
	}
	return p, nil
}

// partitionMegabytesMax is the largest a partition may be; more is the size of all
// of them, as a client reads it.
const partitionMegabytesMax = 5120

func (f *field) read(p map[string]any, e *element) error {
	text := strings.TrimSpace(e.text)
	wrong := func(want string) error {
		return fault.New(fault.Invalid, "The value '%s' of the element '%s' is not %s.", text, f.element, want)
	}
	switch f.form {
	case asText:
		p[f.property] = e.text
	case asForward:
		if text != "" {
			p[f.property] = text
		}
	case asBool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return wrong("true or false")
		}
		p[f.property] = b
	case asInt, asSize:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return wrong("a whole number")
		}
		p[f.property] = n
	case asDuration:
		d, err := iso8601.Parse(text)
		if err != nil {
			return wrong("a duration such as PT1M")
		}
		p[f.property] = d.String()
	case asFixed:
		if !strings.EqualFold(text, f.fixed) {
			return fault.New(fault.Invalid, "The element '%s' can only be %s here.", f.element, f.fixed)
		}
	}
	return nil
}

// shown is an entity as a description tells it.
type shown struct {
	noun
	doc     resource.Document
	counts  map[string]any
	rules   []resource.Document // authorization rules
	host    string
	version query
	premium bool
}

// write writes the description.
func (s *shown) write(w *writer) {
	w.open(s.element, "xmlns", nsContract, "xmlns:i", nsInstance)
	for i := range s.fields {
		if f := &s.fields[i]; s.version.since(f.since) {
			s.writeField(w, f)
		}
	}
	w.close(s.element)
}

func (s *shown) writeField(w *writer, f *field) {
	switch f.form {
	case asOmitted:
		return
	case asFixed:
		w.text(f.element, f.fixed)
		return
	case asRules:
		writeAccess(w, s.rules)
		return
	case asCounts:
		s.writeCounts(w, f)
		return
	case asTime:
		w.text(f.element, s.time(f))
		return
	}
	v := s.doc.Properties[f.property]
	if f.said {
		v = s.counts[f.property]
	}
	switch x := v.(type) {
	case bool:
		w.text(f.element, strconv.FormatBool(x))
	case int64:
		if f.form == asSize && s.doc.Bool("enablePartitioning") && !s.premium {
			x *= partitions
		}
		w.text(f.element, strconv.FormatInt(x, 10))
	case string:
		if f.form == asForward && x != "" && !strings.Contains(x, "://") {
			x = "https://" + s.host + "/" + x
		}
		if x != "" || f.form == asText {
			w.text(f.element, x)
		}
	case nil:
		if f.said {
			w.text(f.element, "0") // not known yet
		}
	}
}

var countNames = []struct{ element, property string }{
	{"ActiveMessageCount", "activeMessageCount"}, {"DeadLetterMessageCount", "deadLetterMessageCount"}, {"ScheduledMessageCount", "scheduledMessageCount"},
	{"TransferMessageCount", "transferMessageCount"}, {"TransferDeadLetterMessageCount", "transferDeadLetterMessageCount"},
}

func (s *shown) writeCounts(w *writer, f *field) {
	counts, _ := s.counts[f.property].(map[string]any)
	w.open(f.element, "xmlns:d2p1", nsCounts)
	for _, c := range countNames {
		n, _ := counts[c.property].(int64)
		w.text("d2p1:"+c.element, strconv.FormatInt(n, 10))
	}
	w.close(f.element)
}

// noTime is how the service writes a time that has not come.
const noTime = "0001-01-01T00:00:00"

// time is a time the service says. What is counted as accessed when it was changed last
// was not used since: that is told of subscriptions alone, as the service does.
func (s *shown) time(f *field) string {
	text, _ := s.counts[f.property].(string)
	switch {
	case f.property == "accessedAt" && s.typ != typeSubscription && text == s.counts["updatedAt"]:
		return noTime
	case text != "" && !strings.HasPrefix(text, "0001-"):
		return text
	case f.property == "createdAt" || f.property == "accessedAt" && s.typ == typeSubscription:
		return stamp(s.doc.Created)
	case f.property == "updatedAt":
		return stamp(s.doc.Updated)
	}
	return noTime
}
