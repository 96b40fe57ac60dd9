package workflow

import (
	"strings"
	"testing"
)

// What starts a workflow decides where it may be active; what it does to what it finds, and
// what must not be done twice, decides what a lost location costs.
func TestDescribe(t *testing.T) {
	const head = `{"$schema":"https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#","contentVersion":"1.0.0.0","triggers":{"t":`
	definition := func(trigger, actions string) string { return head + trigger + `},"actions":{` + actions + `}}` }
	const remove = `"gone":{"type":"ServiceProvider","inputs":{"parameters":{},"serviceProviderConfiguration":{"connectionName":"f","operationId":"deleteFile","serviceProviderId":"/serviceProviders/FileSystem"}},"runAfter":{}}`
	provider := func(id, operation string) string {
		return `{"type":"ServiceProvider","inputs":{"parameters":{},"serviceProviderConfiguration":{"connectionName":"c","operationId":"` + operation + `","serviceProviderId":"/serviceProviders/` + id + `"}},"recurrence":{"frequency":"Second","interval":5}}`
	}
	for name, c := range map[string]struct {
		text string
		want DescribedTrigger
	}{
		"recurrence":     {definition(`{"type":"Recurrence","recurrence":{"frequency":"Hour","interval":1}}`, ""), DescribedTrigger{Source: SourceClock}},
		"window":         {definition(`{"type":"SlidingWindow","recurrence":{"frequency":"Hour","interval":1}}`, ""), DescribedTrigger{Source: SourceWindow}},
		"request":        {definition(`{"type":"Request","kind":"Http","inputs":{}}`, ""), DescribedTrigger{Source: SourceCall}},
		"webhook":        {definition(`{"type":"HttpWebhook","inputs":{"subscribe":{"method":"POST","uri":"https://a.example","body":"@listCallbackUrl()"}}}`, ""), DescribedTrigger{Source: SourceHook}},
		"http polling":   {definition(`{"type":"Http","inputs":{"method":"GET","uri":"https://a.example"},"recurrence":{"frequency":"Minute","interval":1}}`, ""), DescribedTrigger{Source: SourceCursor}},
		"files":          {definition(provider("FileSystem", "whenFilesAreAdded"), ""), DescribedTrigger{Source: SourceCursor}},
		"files, removed": {definition(provider("FileSystem", "whenFilesAreAdded"), remove), DescribedTrigger{Source: SourceCursor, Takes: true}},
		"queue":          {definition(provider("serviceBus", "peekLockQueueMessages"), remove), DescribedTrigger{Source: SourceQueue}},
		"queue, taken":   {definition(provider("serviceBus", "receiveQueueMessages"), ""), DescribedTrigger{Source: SourceQueue, Takes: true}},
		"sessions":       {definition(provider("serviceBus", "peekLockQueueSessionMessages"), ""), DescribedTrigger{Source: SourceQueue, Sessions: true}},
	} {
		d := Describe([]byte(c.text), "Stateful")
		if d.Problem != "" || len(d.Triggers) != 1 || d.Stateless {
			t.Errorf("%s: %+v", name, d)
			continue
		}
		got := d.Triggers[0]
		if got.Source != c.want.Source || got.Sessions != c.want.Sessions || got.Takes != c.want.Takes || got.Name != "t" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	held := Describe([]byte(definition(`{"type":"Request","inputs":{}}`, `"pay":{"type":"Http","inputs":{"method":"POST","uri":"https://a.example"},"metadata":{"weir.idempotent":false},"runAfter":{}},
		"hooked":{"type":"HttpWebhook","inputs":{"subscribe":{"method":"POST","uri":"https://a.example","body":"@listCallbackUrl()"}},"runAfter":{}}`)), "")
	if strings.Join(held.Held, " ") != "pay" || !held.Calls {
		t.Errorf("held back: %+v", held)
	}
	if d := Describe([]byte(`{"triggers": 5}`), "Stateless"); d.Problem == "" || !d.Stateless {
		t.Errorf("of no definition: %+v", d)
	}
	same, other := Describe([]byte(definition(`{ "type": "Recurrence", "recurrence": {"frequency":"Hour", "interval": 1} }`, "")), ""), Describe([]byte(definition(`{"type":"Recurrence","recurrence":{"frequency":"Day","interval":1}}`, "")), "")
	if hour := Describe([]byte(definition(`{"type":"Recurrence","recurrence":{"interval":1,"frequency":"Hour"}}`, "")), ""); hour.Triggers[0].What != same.Triggers[0].What || hour.Triggers[0].What == other.Triggers[0].What {
		t.Errorf("the same schedule written otherwise: %q, %q, %q", hour.Triggers[0].What, same.Triggers[0].What, other.Triggers[0].What)
	}
}
