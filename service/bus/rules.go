package bus

import (
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/internal/iso8601"
	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/filter"
	wire "weir/wire/amqp"
)

// The values of filterType. ARM has the first two; the others are what the AMQP and
// ATOM doors tell apart.
const (
	sqlFilterType         = "SqlFilter"
	correlationFilterType = "CorrelationFilter"
	trueFilterType        = "TrueFilter"
	falseFilterType       = "FalseFilter"
)

func ruleType() *resource.Type {
	expression := func(name, what string) resource.Field {
		return resource.Field{Name: name, Kind: resource.Object, Description: what, Fields: []resource.Field{
			{Name: "sqlExpression", Kind: resource.String, Range: &resource.Range{Min: 1, Max: 1024}, Description: "The text."},
			{Name: "parameters", Kind: resource.Map, Description: "Values of the @parameters in the text."},
			{Name: "compatibilityLevel", Kind: resource.Int, Description: "Kept for templates."},
			{Name: "requiresPreprocessing", Kind: resource.Bool, Description: "Kept for templates."},
		}}
	}
	return &resource.Type{
		Name: typeRule, APIVersions: apiVersions, AnswersOK: true, Description: "A rule of a subscription: a filter that chooses messages, and an action that changes the copy.",
		NamePattern: `[A-Za-z0-9$_](?:[A-Za-z0-9$._+~ -]*[A-Za-z0-9_])?`, NameRange: resource.Range{Min: 1, Max: 50},
		NameHint:    "letters, digits, '$', '.', '-', '_', '+' and spaces, none of '.', '-', '+' or a space first or last",
		SiblingsMax: correlationsMax,
		Fields: []resource.Field{
			{Name: "filterType", Kind: resource.Enum, Values: []string{sqlFilterType, correlationFilterType, trueFilterType, falseFilterType}, Description: "Which filter it is; SqlFilter, or the one that is given."},
			expression("sqlFilter", "A condition in the SQL filter language."),
			{Name: "correlationFilter", Kind: resource.Object, Description: "Values that all must be equal.", Fields: correlationFields()},
			expression("action", "SET and REMOVE statements in the SQL action language."),
			formerFilter(expression),
		},
		Prepare: prepareRule, Check: checkRule,
	}
}

// formerFilter is what sqlFilter was called before 2017.
func formerFilter(expression func(name, what string) resource.Field) resource.Field {
	f := expression("filter", "Of api-versions before 2017: it becomes sqlFilter.")
	f.ReadOnly = true
	return f
}

// correlationNames are the properties a correlation filter compares.
var correlationNames = []string{"correlationId", "messageId", "to", "replyTo", "label", "sessionId", "replyToSessionId", "contentType"}

func correlationFields() []resource.Field {
	var fields []resource.Field
	for _, name := range correlationNames {
		fields = append(fields, resource.Field{Name: name, Kind: resource.String, Description: "The value of that property of the message."})
	}
	return append(fields,
		resource.Field{Name: "properties", Kind: resource.Map, Description: "Values of application properties."},
		resource.Field{Name: "requiresPreprocessing", Kind: resource.Bool, Description: "Kept for templates."})
}

// prepareRule finds out the kind of filter where it is not said.
func prepareRule(d *resource.Document, _ *resource.Document, _ resource.PrepareContext) error {
	has := func(name string) bool {
		for given, v := range d.Properties {
			if strings.EqualFold(given, name) && v != nil {
				return true
			}
		}
		return false
	}
	if former, ok := d.Properties["filter"]; ok && !has("sqlFilter") && !has("correlationFilter") {
		d.Properties["sqlFilter"] = former
		delete(d.Properties, "filter")
	}
	switch {
	case has("filterType"):
	case has("correlationFilter"):
		d.Properties["filterType"] = correlationFilterType
	case has("sqlFilter"):
		d.Properties["filterType"] = sqlFilterType
	default:
		d.Properties["filterType"] = trueFilterType
	}
	return nil
}

// checkRule parses what is written in a rule, so that no rule fails for its text.
func checkRule(d resource.Document, v resource.View) (p resource.Problems) {
	r, err := ruleOf(d)
	if err != nil {
		return problem(p, d, "properties", "%s.", err)
	}
	at, params := "properties.sqlFilter.sqlExpression", parameters(r.Filter.Parameters)
	switch {
	case r.Filter.Kind == broker.CorrelationFilter && emptyCorrelation(r.Filter.Correlation):
		p = problem(p, d, "properties.correlationFilter", "A correlation filter needs at least one property to compare.")
	case r.Filter.Kind == broker.SQLFilter && r.Filter.Expression == "":
		p = problem(p, d, at, "The filter has no expression: write one, such as color = 'red'.")
	case r.Filter.Kind == broker.SQLFilter:
		if _, err := filter.ParseFilter(r.Filter.Expression, params); err != nil {
			p = problem(p, d, at, "The filter cannot be read, at %s.", err)
		}
	}
	if r.Action != "" {
		if _, err := filter.ParseAction(r.Action, parameters(r.ActionParameters)); err != nil {
			p = problem(p, d, "properties.action.sqlExpression", "The action cannot be read, at %s.", err)
		}
	}
	return slices.Concat(p, checkRuleCount(d, r, v))
}

// checkRuleCount counts the SQL filters of a topic; rules of all kinds are counted
// first, which is cheap.
func checkRuleCount(d resource.Document, r broker.Rule, v resource.View) resource.Problems {
	if r.Filter.Kind == broker.CorrelationFilter {
		return nil
	}
	topic := d.ID.Parent().Parent()
	subscriptions := v.IDs(topic, typeSubscription)
	total := 0
	for _, s := range subscriptions {
		total += v.Count(s, typeRule)
	}
	if total <= sqlRulesMax {
		return nil
	}
	total = 0
	for _, s := range subscriptions {
		for _, rule := range v.Children(s, typeRule) {
			if rule.String("filterType") != correlationFilterType {
				total++
			}
		}
	}
	if total <= sqlRulesMax {
		return nil
	}
	return resource.Problems{{Line: d.Line(""), Kind: fault.QuotaExceeded, Sentence: fmt.Sprintf("There would be %d SQL filters on the topic, and there may be %d at most.", total, sqlRulesMax)}}
}

// parameters gives values to a parser, which needs their kinds alone.
func parameters(list []broker.Property) map[string]any {
	m := map[string]any{}
	for _, p := range list {
		m[p.Name] = p.Value
	}
	return m
}

// ruleOf reads a rule document.
func ruleOf(d resource.Document) (broker.Rule, error) {
	r := broker.Rule{Name: d.Name(), Created: d.Created}
	var err1, err2 error
	if action, ok := d.Properties["action"].(map[string]any); ok {
		r.Action, _ = action["sqlExpression"].(string)
		r.ActionParameters, err1 = properties(action["parameters"])
	}
	r.Filter, err2 = filterOf(d)
	return r, errors.Join(err1, err2)
}

func filterOf(d resource.Document) (f broker.Filter, err error) {
	sql, _ := d.Properties["sqlFilter"].(map[string]any)
	switch d.String("filterType") {
	case trueFilterType:
		f.Kind = broker.TrueFilter
	case falseFilterType:
		f.Kind = broker.FalseFilter
	case correlationFilterType:
		f.Kind = broker.CorrelationFilter
		f.Correlation, err = correlationOf(d)
	default:
		f.Kind = broker.SQLFilter
		f.Expression, _ = sql["sqlExpression"].(string)
		f.Parameters, err = properties(sql["parameters"])
	}
	return f, err
}

func correlationOf(d resource.Document) (*broker.Correlation, error) {
	given, _ := d.Properties["correlationFilter"].(map[string]any)
	c := &broker.Correlation{}
	for i, field := range correlationPlaces(c) {
		*field, _ = given[correlationNames[i]].(string)
	}
	var err error
	c.Properties, err = properties(given["properties"])
	return c, err
}

// correlationPlaces are the fields in the order of correlationNames.
func correlationPlaces(c *broker.Correlation) []*string {
	return []*string{&c.CorrelationID, &c.MessageID, &c.To, &c.ReplyTo, &c.Label, &c.SessionID, &c.ReplyToSessionID, &c.ContentType}
}

func emptyCorrelation(c *broker.Correlation) bool {
	for _, field := range correlationPlaces(c) {
		if *field != "" {
			return false
		}
	}
	return len(c.Properties) == 0
}

// ruleDocument is the document of a rule in a subscription.
func ruleDocument(subscription resource.ID, r broker.Rule) (resource.Document, error) {
	id, err := subscription.Child("rules", r.Name)
	if err != nil {
		return resource.Document{}, fault.Wrap(fault.Invalid, err, "The rule name %q is not allowed.", r.Name)
	}
	d := resource.Document{ID: id, Properties: map[string]any{}}
	expression := func(text string, parameters []broker.Property) map[string]any {
		m := map[string]any{"sqlExpression": text}
		values, valuesErr := documentValues(parameters)
		if err = errors.Join(err, valuesErr); len(values) > 0 {
			m["parameters"] = values
		}
		return m
	}
	switch f := r.Filter; f.Kind {
	case broker.TrueFilter:
		d.Properties["filterType"] = trueFilterType
	case broker.FalseFilter:
		d.Properties["filterType"] = falseFilterType
	case broker.SQLFilter:
		d.Properties["filterType"] = sqlFilterType
		d.Properties["sqlFilter"] = expression(f.Expression, f.Parameters)
	case broker.CorrelationFilter:
		d.Properties["filterType"] = correlationFilterType
		correlation := map[string]any{}
		for i, field := range correlationPlaces(f.Correlation) {
			if *field != "" {
				correlation[correlationNames[i]] = *field
			}
		}
		values, valuesErr := documentValues(f.Correlation.Properties)
		if err = errors.Join(err, valuesErr); len(values) > 0 {
			correlation["properties"] = values
		}
		d.Properties["correlationFilter"] = correlation
	}
	if r.Action != "" {
		d.Properties["action"] = expression(r.Action, r.ActionParameters)
	}
	return d, err
}

// properties reads named values of a document, by name.
func properties(given any) ([]broker.Property, error) {
	m, _ := given.(map[string]any)
	var list []broker.Property
	for _, name := range slices.Sorted(maps.Keys(m)) {
		v, err := propertyValue(m[name])
		if err != nil {
			return nil, fmt.Errorf("the value of %q %w", name, err)
		}
		list = append(list, broker.Property{Name: name, Value: v})
	}
	return list, nil
}

// propertyValue reads one value: as JSON has it, or {type, value} for the types JSON
// has no form for.
func propertyValue(v any) (any, error) {
	typed, ok := v.(map[string]any)
	if !ok {
		return v, nil
	}
	kind, _ := typed["type"].(string)
	text, _ := typed["value"].(string)
	switch strings.ToLower(kind) {
	case "datetime":
		t, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return nil, fmt.Errorf("is no time such as 2026-01-31T12:00:00Z: %q", text)
		}
		return t.UTC(), nil
	case "duration":
		d, err := iso8601.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("is wrong: %w", err)
		}
		return d.Std(), nil
	case "guid":
		return parseGUID(text)
	case "int", "long":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("is no whole number of 64 bits: %q", text)
		}
		return n, nil
	case "double":
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("is no number: %q", text)
		}
		return n, nil
	}
	return nil, fmt.Errorf("has the type %q: known are dateTime, duration, guid, int, long and double", kind)
}

func parseGUID(text string) (wire.UUID, error) {
	var id wire.UUID
	raw, err := hex.DecodeString(strings.ReplaceAll(strings.Trim(text, "{}"), "-", ""))
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("is no guid: %q", text)
	}
	return wire.UUID(raw), nil
}

// documentValues writes named values into a document.
func documentValues(list []broker.Property) (map[string]any, error) {
	m := map[string]any{}
	for _, p := range list {
		v, err := documentValue(p.Value)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "The property %q has a type that rules cannot hold.", p.Name)
		}
		m[p.Name] = v
	}
	return m, nil
}

func documentValue(v any) (any, error) {
	switch v := v.(type) {
	case float64:
		if v == math.Trunc(v) { // JSON would make it a whole number
			return typedValue("double", strconv.FormatFloat(v, 'g', -1, 64)), nil
		}
		return v, nil
	case nil, string, bool, int64:
		return v, nil
	case wire.Symbol:
		return string(v), nil
	case float32:
		return documentValue(float64(v))
	case time.Time:
		return typedValue("dateTime", v.UTC().Format(time.RFC3339Nano)), nil
	case wire.Timestamp:
		return typedValue("dateTime", v.Time().UTC().Format(time.RFC3339Nano)), nil
	case time.Duration:
		return typedValue("duration", iso8601.Of(v).String()), nil
	case wire.UUID:
		return typedValue("guid", v.String()), nil
	}
	if n, ok := smallInteger(v); ok {
		return n, nil
	}
	return nil, fmt.Errorf("a value of type %T", v)
}

func typedValue(kind, text string) map[string]any { return map[string]any{"type": kind, "value": text} }

func smallInteger(v any) (int64, bool) {
	switch n := v.(type) {
	case int:
		return int64(n), true
	case int8:
		return int64(n), true
	case int16:
		return int64(n), true
	case int32:
		return int64(n), true
	case uint8:
		return int64(n), true
	case uint16:
		return int64(n), true
	case uint32:
		return int64(n), true
	case uint64:
		return int64(n), n <= 1<<63-1
	}
	return 0, false
}
