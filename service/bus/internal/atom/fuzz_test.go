package atom

import (
	"reflect"
	"strings"
	"testing"

	"weir/kernel/resource"
)

var namespaceID = resource.MustID("/subscriptions/s/resourceGroups/g/providers/Microsoft.ServiceBus/namespaces/plenty")

// Whatever is understood of a body is written in a form that is understood the same;
// nothing else happens to what is not.
func FuzzBodies(f *testing.F) {
	const entry = `<entry xmlns="http://www.w3.org/2005/Atom"><content type="application/xml">`
	for _, seed := range []string{
		entry + `<QueueDescription><LockDuration>PT30S</LockDuration><MaxSizeInMegabytes>1024</MaxSizeInMegabytes><EnablePartitioning>true</EnablePartitioning><UserMetadata> a&amp;b </UserMetadata><ForwardTo>sb://h/q</ForwardTo></QueueDescription></content></entry>`,
		entry + `<TopicDescription><SupportOrdering>true</SupportOrdering><AuthorizationRules><AuthorizationRule><Rights><AccessRights>Send</AccessRights></Rights><KeyName>k</KeyName><PrimaryKey>p</PrimaryKey></AuthorizationRule></AuthorizationRules></TopicDescription></content></entry>`,
		entry + `<SubscriptionDescription><DefaultRuleDescription><Filter type="i:CorrelationFilter"><Label>l</Label><Properties><KeyValueOfstringanyType><Key>a</Key><Value type="x:double">5</Value></KeyValueOfstringanyType></Properties></Filter><Name>n</Name></DefaultRuleDescription></SubscriptionDescription></content></entry>`,
		entry + `<RuleDescription><Filter type="SqlFilter"><SqlExpression>a=@a</SqlExpression><Parameters><KeyValueOfstringanyType><Key>@a</Key><Value type="x:dateTime">2020-01-01T00:00:00</Value></KeyValueOfstringanyType></Parameters></Filter><Action type="SqlRuleAction"><SqlExpression>SET a=1</SqlExpression></Action></RuleDescription></content></entry>`,
		`<a><b><c/></b></a>`, `<entry/>`, ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := description(body)
		if err != nil {
			return
		}
		if d.name == ruleNoun.element {
			sameRule(t, d)
			return
		}
		for _, n := range []noun{queueNoun, topicNoun, subscriptionNoun} {
			if d.name == n.element {
				sameEntity(t, n, d)
			}
		}
	})
}

func sameRule(t *testing.T, d *element) {
	_, p, err := ruleProperties(d)
	if err != nil {
		return
	}
	id, err := namespaceID.Child("topics", "t")
	if err != nil {
		t.Fatal(err)
	}
	var w writer
	writeRule(&w, resource.Document{ID: id, Properties: p})
	written, err := parseXML(w.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, w.Bytes())
	}
	_, again, err := ruleProperties(written)
	if err != nil || !reflect.DeepEqual(plain(p), plain(again)) {
		t.Fatalf("%v\n%v\n%v\n%s", err, p, again, w.Bytes())
	}
}

// plain takes out what says nothing: an empty action is none, an empty filter of
// parameters is the same without.
func plain(p map[string]any) map[string]any {
	if a, ok := p["action"].(map[string]any); ok {
		if text, _ := a["sqlExpression"].(string); text == "" {
			delete(p, "action")
		}
	}
	if f, ok := p["sqlFilter"].(map[string]any); ok && f["sqlExpression"] == nil {
		f["sqlExpression"] = ""
	}
	return p
}

func sameEntity(t *testing.T, n noun, d *element) {
	p, err := n.properties(d)
	if err != nil {
		return
	}
	id, err := namespaceID.Child("queues", "q")
	if err != nil {
		t.Fatal(err)
	}
	if e := d.find("AuthorizationRules"); e != nil {
		_, _ = accessDocuments(id, e)
	}
	if size, ok := p["maxSizeInMegabytes"].(int64); ok && size < 1024 {
		return // too small for any entity, and for telling a partition from all of them
	}
	for _, property := range []string{"forwardTo", "forwardDeadLetteredMessagesTo"} {
		if to, ok := p[property].(string); ok && !strings.Contains(to, "://") {
			return // it comes back as an address
		}
	}
	s := shown{noun: n, doc: resource.Document{ID: id, Properties: p}, host: "h"}
	var w writer
	s.write(&w)
	written, err := parseXML(w.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, w.Bytes())
	}
	again, err := n.properties(written)
	if err != nil || !reflect.DeepEqual(p, again) {
		t.Fatalf("%v\n%v\n%v\n%s", err, p, again, w.Bytes())
	}
}
