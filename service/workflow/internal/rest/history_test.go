package rest

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

func names(o map[string]any) (all []string) {
	rows, _ := o["value"].([]any)
	for _, r := range rows {
		name, _ := at(r, "name").(string)
		all = append(all, name)
	}
	return all
}

// Runs come newest first, in pages, and by what is asked of them.
func TestRunsAreListed(t *testing.T) {
	s := newStage(t)
	s.put("orders", manual+`"actions": {"May fail": {"type": "Http", "inputs": {"method": "POST", "uri": "@concat('http://there', triggerBody()?['to'])", "retryPolicy": {"type": "none"}}}}`)
	var started []string
	for n := range 7 {
		to := ""
		if n%3 == 0 {
			to = "/fail"
		}
		g := s.gets(202, "", "POST", s.callURL("orders", "manual"), fmt.Sprintf(`{"to": %q}`, to), "x-ms-client-tracking-id", fmt.Sprint("t", n))
		name := g.header.Get("x-ms-workflow-run-id")
		started = append([]string{name}, started...)
		s.ended("orders", name)
	}
	base := prefix + "orders/runs?api-version=2016-06-01"
	if got := names(s.json("GET", base, "")); strings.Join(got, " ") != strings.Join(started, " ") {
		t.Errorf("listed %v, want %v", got, started)
	}
	var paged []string
	pages := 0
	for next := base + "&$top=3"; next != ""; pages++ {
		page := s.json("GET", next, "")
		paged = append(paged, names(page)...)
		next, _ = page["nextLink"].(string)
	}
	if pages != 3 || strings.Join(paged, " ") != strings.Join(started, " ") {
		t.Errorf("%d pages: %v", pages, paged)
	}
	for _, c := range []struct {
		filter string
		want   int
	}{
		{"status eq 'Failed'", 3}, {"Status eq 'succeeded'", 4}, {"(status eq 'Failed' or status eq 'Succeeded')", 7}, {"clientTrackingId eq 't3'", 1},
		{"status eq 'Failed' and clientTrackingId eq 't1'", 0}, {"startTime ge 2099-01-01T00:00:00Z", 0}, {"startTime lt 2099-01-01T00:00:00Z and trigger eq 'manual'", 7}, {"status eq 'Running'", 0},
	} {
		if got := names(s.json("GET", base+"&$filter="+strings.ReplaceAll(c.filter, " ", "%20"), "")); len(got) != c.want {
			t.Errorf("%s: %d runs, want %d", c.filter, len(got), c.want)
		}
	}
	for _, filter := range []string{"status eq 'Nothing'", "status ne 'Failed'", "colour eq 'red'", "status eq 'Failed", "status eq", "startTime ge yesterday", "status eq 'Failed' nor x eq 'y'", "(status eq 'Failed'", "trigger eq 'a' or trigger eq 'b'"} {
		s.gets(400, "InvalidFilterInQueryString", "GET", base+"&$filter="+strings.NewReplacer(" ", "%20", "'", "%27").Replace(filter), "")
	}
	s.gets(400, "InvalidQueryParameterValue", "GET", base+"&$top=none", "")
	failed := s.json("GET", base+"&$filter=status%20eq%20%27Failed%27", "")
	if at(failed, "value", 0, "properties", "code") == nil {
		t.Errorf("a failed run has no code: %s", indented(at(failed, "value", 0)))
	}
	one := s.ended("orders", started[0])
	if at(one, "properties", "error", "code") == nil || at(one, "properties", "error", "message") == nil {
		t.Errorf("a failed run has no error: %s", indented(one))
	}
	history := s.json("GET", prefix+"orders/runs/"+started[0]+"/actions/May_fail/requestHistories", "")
	if at(history, "value", 0, "properties", "request", "uri") != "http://there/fail" || at(history, "value", 0, "properties", "response", "statusCode") != 400.0 {
		t.Errorf("the requests are %s", indented(history))
	}
	s.gets(404, "WorkflowRunNotFound", "GET", prefix+"orders/runs/0858", "")
	s.gets(404, "WorkflowRunActionNotFound", "GET", prefix+"orders/runs/"+started[0]+"/actions/none", "")
	s.gets(404, "WorkflowNotFound", "GET", prefix+"none/runs", "")
	s.gets(404, "WorkflowTriggerNotFound", "GET", prefix+"orders/triggers/none", "")
	s.gets(404, "WorkflowVersionNotFound", "GET", prefix+"orders/versions/none", "")
	s.gets(405, "", "GET", prefix+"orders/runs/"+started[0]+"/cancel", "")
}

// Each time that an action in a loop was carried out has a name made of where that was.
func TestRepetitions(t *testing.T) {
	s := newStage(t)
	s.put("loops", manual+`"actions": {
		"Outer": {"type": "Foreach", "foreach": "@createArray('a', 'b', 'c')", "runtimeConfiguration": {"concurrency": {"repetitions": 1}}, "actions": {
			"Say": {"type": "Compose", "inputs": "@items('Outer')"},
			"Inner": {"type": "Foreach", "foreach": "@range(0, 2)", "actions": {"Deep": {"type": "Compose", "inputs": "@concat(items('Outer'), string(items('Inner')))"}}, "runAfter": {"Say": ["Succeeded"]}},
			"Maybe": {"type": "If", "expression": "@equals(items('Outer'), 'b')", "actions": {"Fail": {"type": "Http", "inputs": {"method": "GET", "uri": "http://there/fail", "retryPolicy": {"type": "none"}}}}, "runAfter": {"Inner": ["Succeeded"]}}}}}`)
	name := s.start("loops", `{}`)
	if o := s.ended("loops", name); at(o, "properties", "status") != "Failed" {
		t.Errorf("%s", indented(o))
	}
	actions := prefix + "loops/runs/" + name + "/actions/"
	if outer := s.json("GET", actions+"Outer", ""); at(outer, "properties", "iterationCount") != 3.0 || at(outer, "properties", "canResubmit") != false {
		t.Errorf("%s", indented(outer))
	}
	if say := s.json("GET", actions+"Say", ""); at(say, "properties", "repetitionCount") != 3.0 || at(say, "properties", "inputsLink") != nil {
		t.Errorf("%s", indented(say))
	}
	deep := s.json("GET", actions+"Deep/repetitions", "")
	if got := strings.Join(names(deep), " "); got != "000000-000000 000000-000001 000001-000000 000001-000001 000002-000000 000002-000001" {
		t.Errorf("repetitions %s", got)
	}
	one := s.json("GET", actions+"Deep/repetitions/000002-000001", "")
	if at(one, "type") != "Microsoft.Logic/workflows/runs/actions/repetitions" || at(one, "properties", "repetitionIndexes", 0, "scopeName") != "Outer" || at(one, "properties", "repetitionIndexes", 1, "itemIndex") != 1.0 ||
		s.fetch(at(one, "properties", "outputsLink")) != `"c1"` {
		t.Errorf("%s", indented(one))
	}
	traces := s.json("POST", actions+"Deep/repetitions/000001-000000/listExpressionTraces", "")
	if at(traces, "inputs", 0, "value") != "b0" {
		t.Errorf("%s", indented(traces))
	}
	scopes := s.json("GET", actions+"Outer/scopeRepetitions", "")
	var statuses []string
	for _, row := range scopes["value"].([]any) {
		statuses = append(statuses, at(row, "properties", "status").(string))
	}
	if strings.Join(statuses, " ") != "Succeeded Failed Succeeded" {
		t.Errorf("the iterations were %v: %s", statuses, indented(scopes))
	}
	if one := s.json("GET", actions+"Outer/scopeRepetitions/000001", ""); at(one, "properties", "repetitionIndexes", 0, "itemIndex") != 1.0 || at(one, "properties", "endTime") == nil {
		t.Errorf("%s", indented(one))
	}
	if ifs := s.json("GET", actions+"Maybe/scopeRepetitions", ""); len(names(ifs)) != 3 {
		t.Errorf("%s", indented(ifs))
	}
	s.gets(404, "WorkflowRunActionRepetitionNotFound", "GET", actions+"Deep/repetitions/000009-000000", "")
	page := s.json("GET", actions+"Deep/repetitions?$top=4", "")
	next, _ := page["nextLink"].(string)
	if got := names(s.json("GET", next, "")); len(names(page)) != 4 || len(got) != 2 {
		t.Errorf("pages of %v and %v", names(page), got)
	}
}

// What is secure has no link, and no content under any name.
func TestSecureContents(t *testing.T) {
	s := newStage(t)
	s.put("quiet", `"triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {}, "runtimeConfiguration": {"secureData": {"properties": ["outputs"]}}}}, "actions": {
		"Hide": {"type": "Compose", "inputs": "hush", "runtimeConfiguration": {"secureData": {"properties": ["inputs", "outputs"]}}}}`)
	name := s.start("quiet", `{"key": "hush"}`)
	o := s.ended("quiet", name)
	a := s.json("GET", prefix+"quiet/runs/"+name+"/actions/Hide", "")
	if at(a, "properties", "inputsLink") != nil || at(a, "properties", "outputsLink") != nil || at(o, "properties", "trigger", "outputsLink") != nil {
		t.Errorf("%s\n%s", indented(a), indented(o))
	}
	s.gets(403, "secure", "POST", prefix+"quiet/runs/"+name+"/actions/Hide/listExpressionTraces", "")
	f, err := s.flow("quiet", mustID(prefix+"quiet"))
	s.must(err)
	r := mustRequest(s.server.URL)
	for _, content := range []string{"1-trigger", "1-trigger-outputs", "1-0-0-inputs", "1-0-0-outputs"} {
		link := s.door.caller(r, f).Content(name, content, s.door.linksUntil()).String()
		if g := s.ask("GET", link, ""); g.status != 404 || strings.Contains(g.body, "hush") {
			t.Errorf("%s: %d %s", content, g.status, g.body)
		}
	}
}

// Runs are cancelled one by one or many at once.
func TestCancel(t *testing.T) {
	s := newStage(t)
	s.put("waits", manual+`"actions": {"Wait": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Hour"}}}}`)
	first := s.start("waits", `{}`)
	s.gets(200, "", "POST", prefix+"waits/runs/"+first+"/cancel", "")
	if o := s.ended("waits", first); at(o, "properties", "status") != "Cancelled" {
		t.Errorf("%s", indented(o))
	}
	s.gets(409, "WorkflowRunAlreadyCompleted", "POST", prefix+"waits/runs/"+first+"/cancel", "")
	for range 3 {
		s.start("waits", `{}`)
	}
	s.gets(400, "Say which runs", "POST", prefix+"waits/runs/cancel", `{}`)
	done := s.json("POST", prefix+"waits/runs/cancel", `{"filter": "trigger eq 'manual'", "most": 2}`)
	if rows := done["value"].([]any); len(rows) != 2 || done["more"] != true || at(rows, 0, "status") != "Cancelled" {
		t.Errorf("%s", indented(done))
	}
	done = s.json("POST", prefix+"waits/runs/cancel", fmt.Sprintf(`{"runs": [%q, "none"]}`, first))
	if rows := done["value"].([]any); len(rows) != 2 || at(rows, 0, "error", "code") == nil || at(rows, 1, "status") != "Failed" {
		t.Errorf("%s", indented(done))
	}
	if left := names(s.json("GET", prefix+"waits/runs?$filter=status%20eq%20'Running'", "")); len(left) != 1 {
		t.Errorf("%d runs go on", len(left))
	}
}

// Triggers and versions are told of.
func TestTriggersAndVersions(t *testing.T) {
	s := newStage(t)
	s.put("orders", echo)
	s.put("ticks", `"triggers": {"often": {"type": "Recurrence", "recurrence": {"frequency": "Hour", "interval": 1, "startTime": "2099-01-01T00:00:00Z"}}}, "actions": {"Now": {"type": "Compose", "inputs": "@utcNow()"}}`)
	list := s.json("GET", prefix+"orders/triggers", "")
	if at(list, "value", 0, "name") != "manual" || at(list, "value", 0, "properties", "state") != "Enabled" || at(list, "value", 0, "properties", "workflow", "name") == nil {
		t.Errorf("%s", indented(list))
	}
	often := s.json("GET", prefix+"ticks/triggers/often", "")
	if at(often, "properties", "recurrence", "frequency") != "Hour" {
		t.Errorf("%s", indented(often))
	}
	if schema := s.json("GET", prefix+"orders/triggers/manual/schemas/json", ""); !strings.Contains(schema["content"].(string), `"integer"`) {
		t.Errorf("%v", schema)
	}
	g := s.gets(202, "", "POST", prefix+"ticks/triggers/often/run", "")
	name := g.header.Get("x-ms-workflow-run-id")
	s.ended("ticks", name)
	histories := s.json("GET", prefix+"ticks/triggers/often/histories", "")
	if at(histories, "value", 0, "properties", "fired") != true || at(histories, "value", 0, "properties", "run", "name") != name || at(histories, "value", 0, "properties", "status") != "Succeeded" {
		t.Errorf("%s", indented(histories))
	}
	if one := s.json("GET", prefix+"ticks/triggers/often/histories/"+name, ""); at(one, "type") != "Microsoft.Logic/workflows/triggers/histories" {
		t.Errorf("%s", indented(one))
	}
	s.gets(404, "WorkflowTriggerHistoryNotFound", "GET", prefix+"ticks/triggers/often/histories/none", "")
	s.gets(200, "", "POST", prefix+"ticks/triggers/often/reset", "")
	s.gets(400, "nobody calls", "POST", prefix+"ticks/triggers/often/listCallbackUrl", "")
	s.gets(400, "", "POST", prefix+"ticks/triggers/often/setState", `{}`)

	versions := s.json("GET", prefix+"orders/versions", "")
	version, _ := at(versions, "value", 0, "name").(string)
	v := s.json("GET", prefix+"orders/versions/"+version, "")
	if at(v, "properties", "definition", "actions", "Take", "type") != "Compose" || at(v, "properties", "version") != version || at(v, "properties", "accessEndpoint") == nil {
		t.Errorf("%s", indented(v))
	}
	u, _ := s.json("POST", prefix+"orders/versions/"+version+"/triggers/manual/listCallbackUrl", "")["value"].(string)
	s.gets(201, `{"n":2}`, "POST", u, `{"n": 1}`)
	s.put("orders", strings.Replace(echo, "201", "203", 1))
	s.gets(404, "WorkflowVersionNotFound", "POST", u, `{"n": 1}`)
	s.gets(203, `{"n":2}`, "POST", s.callURL("orders", "manual"), `{"n": 1}`)

	swagger := s.json("POST", prefix+"orders/listSwagger", "")
	if paths, _ := swagger["paths"].(map[string]any); swagger["swagger"] != "2.0" || len(paths) != 1 {
		t.Errorf("%s", indented(swagger))
	}
	s.gets(200, `"Take"`, "POST", prefix+"orders/generateUpgradedDefinition", `{"targetSchemaVersion": "2016-06-01"}`)
	s.gets(501, "", "POST", prefix+"orders/generateUpgradedDefinition", `{"targetSchemaVersion": "2030-01-01"}`)
	s.gets(501, "do not move", "POST", prefix+"orders/move", `{"id": "x"}`)
	s.gets(400, "InvalidTemplate", "POST", prefix+"other/validate", `{"properties": {}}`)
	s.gets(200, "", "POST", prefix+"other/validate", `{"properties": {"definition": {}}}`)
	s.gets(200, "", "POST", group+"/providers/Microsoft.Logic/locations/west/workflows/other/validate", `{"properties": {"definition": {}}}`)
}

// A Standard project's management asks the same of other paths, and gives short ids.
func TestStandard(t *testing.T) {
	s := newStage(t)
	s.put("orders", echo)
	base := siteID + "/hostruntime" + management + "workflows"
	var list []any
	g := s.gets(200, `"name":"orders"`, "GET", base+"?api-version=2018-11-01", "")
	if !strings.HasPrefix(g.body, "[") {
		t.Errorf("listed %s %v", g.body, list)
	}
	if one := s.json("GET", base+"/orders", ""); at(one, "kind") != "Stateful" || at(one, "properties", "flowState") != "Enabled" || at(one, "properties", "triggers", "manual", "type") != "Request" {
		t.Errorf("%s", indented(one))
	}
	u, _ := s.json("POST", base+"/orders/triggers/manual/listCallbackUrl?api-version=2018-11-01", "")["value"].(string)
	if !strings.Contains(u, "/api/orders/triggers/manual/invoke?api-version=2022-05-01&app=shop&sp=") {
		t.Errorf("called at %s", u)
	}
	g = s.gets(201, `{"n":8}`, "POST", u, `{"n": 7}`)
	name := g.header.Get("x-ms-workflow-run-id")
	o := s.json("GET", base+"/orders/runs/"+name+"?$expand=properties/actions", "")
	if at(o, "id") != "/workflows/orders/runs/"+name || at(o, "type") != "workflows/runs" || at(o, "properties", "actions", "Take", "status") != "Succeeded" {
		t.Errorf("%s", indented(o))
	}
	if s.fetch(at(o, "properties", "actions", "Take", "outputsLink")) != "8" {
		t.Error("the content is another")
	}
	for _, c := range []struct{ method, path, want string }{
		{"GET", "workflows/orders/runs", "Microsoft.Web/sites/hostruntime/webhooks/api/workflows/runs/read"},
		{"POST", "workflows/orders/runs/x/cancel", "Microsoft.Web/sites/hostruntime/webhooks/api/workflows/runs/cancel/action"},
		{"POST", "workflows/orders/triggers/t/listCallbackUrl", "Microsoft.Web/sites/hostruntime/webhooks/api/workflows/triggers/listCallbackUrl/action"},
	} {
		if got := Operation(c.method, mustID(siteID), strings.Split("hostruntime"+management+c.path, "/")); got != c.want {
			t.Errorf("%s %s is %s, want %s", c.method, c.path, got, c.want)
		}
	}
	for _, c := range []struct{ method, path, want string }{
		{"GET", "runs/x/actions/y", "Microsoft.Logic/workflows/runs/actions/read"}, {"POST", "runs/x/cancel", "Microsoft.Logic/workflows/runs/cancel/action"},
		{"POST", "triggers/t/run", "Microsoft.Logic/workflows/triggers/run/action"}, {"POST", "listCallbackUrl", "Microsoft.Logic/workflows/listCallbackUrl/action"},
		{"POST", "triggers/t/histories/h/resubmit", "Microsoft.Logic/workflows/triggers/histories/resubmit/action"}, {"POST", "runs/cancel", "Microsoft.Logic/workflows/runs/cancel/action"},
		{"POST", "enable", ""}, {"GET", "providers/Microsoft.Authorization/locks", ""},
	} {
		if got := Operation(c.method, mustID(prefix+"orders"), strings.Split(c.path, "/")); got != c.want {
			t.Errorf("%s %s is %s, want %s", c.method, c.path, got, c.want)
		}
	}
}

// Where it is restricted who may call, others are turned away before anything is read.
func TestAccessControl(t *testing.T) {
	s := newStage(t)
	s.put("orders", echo)
	u := s.callURL("orders", "manual")
	s.allows = func(part string, from netip.Addr) bool { return part != "triggers" || !from.IsLoopback() }
	s.gets(403, "not in the allowed caller IP address ranges", "POST", u, `{"n": 1}`)
	s.allows = nil
	s.gets(201, "", "POST", u, `{"n": 1}`)
}

// A run is repeated with what began it, whole or from some of its actions on; many at once.
func TestResubmit(t *testing.T) {
	s := newStage(t)
	definition := func(uri string) string {
		return manual + `"actions": {
			"Before": {"type": "Compose", "inputs": "@concat('before ', triggerBody()?['n'])"},
			"Call": {"type": "Http", "inputs": {"method": "POST", "uri": "http://there/` + uri + `", "body": "@outputs('Before')", "retryPolicy": {"type": "none"}}, "runAfter": {"Before": ["Succeeded"]}},
			"After": {"type": "Compose", "inputs": "@body('Call')", "runAfter": {"Call": ["Succeeded"]}}}`
	}
	s.put("orders", definition("fail"))
	g := s.gets(202, "", "POST", s.callURL("orders", "manual"), `{"n": 7}`, "x-ms-client-tracking-id", "mine")
	first := g.header.Get("x-ms-workflow-run-id")
	if o := s.ended("orders", first); at(o, "properties", "status") != "Failed" {
		t.Fatalf("%s", indented(o))
	}
	s.gets(404, "no action", "POST", prefix+"orders/runs/"+first+"/resubmit", `{"actionsToResubmit": [{"name": "none"}]}`)
	g = s.gets(202, "", "POST", prefix+"orders/runs/"+first+"/resubmit", `{"actionsToResubmit": [{"name": "Call"}]}`)
	from := g.header.Get("x-ms-workflow-run-id")
	if o := s.ended("orders", from); from == first || at(o, "properties", "status") != "Failed" || at(o, "properties", "trigger", "originHistoryName") != first || at(o, "properties", "correlation", "clientTrackingId") != "mine" {
		t.Errorf("from the action: %s", indented(o))
	}
	before := s.json("GET", prefix+"orders/runs/"+from+"/actions/Before", "")
	if s.fetch(at(before, "properties", "outputsLink")) != `"before 7"` {
		t.Errorf("what came before was done again: %s", indented(before))
	}
	s.put("orders", definition("well"))
	s.gets(202, "", "POST", prefix+"orders/triggers/manual/histories/"+first+"/resubmit", "")
	g = s.gets(202, "", "POST", prefix+"orders/runs/"+first+"/resubmit", "")
	whole := g.header.Get("x-ms-workflow-run-id")
	if o := s.ended("orders", whole); at(o, "properties", "status") != "Succeeded" || at(o, "properties", "trigger", "originHistoryName") != first {
		t.Errorf("as a whole: %s", indented(o))
	}
	done := s.json("POST", prefix+"orders/runs/resubmit", `{"filter": "status eq 'Failed'"}`)
	rows := done["value"].([]any)
	if len(rows) != 2 || at(rows, 0, "run") == nil || at(rows, 1, "run") == nil {
		t.Errorf("many: %s", indented(done))
	}
	if got := names(s.json("GET", prefix+"orders/runs?$filter=originHistoryName%20eq%20'"+first+"'", "")); len(got) != 5 {
		t.Errorf("%d runs go back to the first", len(got))
	}
}

// What an action shows of itself has no password in it: neither its inputs nor what the
// expressions in them gave.
func TestPasswordsAreNotShown(t *testing.T) {
	s := newStage(t)
	s.put("calls", manual+`"actions": {"Call": {"type": "Http", "inputs": {"method": "POST", "uri": "http://there", "body": "@triggerBody()?['n']", "headers": {"Authorization": "@concat('Bearer ', triggerBody()?['p'])", "x-own": "@string(1)"}, "authentication": {"type": "Basic", "username": "u", "password": "@triggerBody()?['p']"}}}}`)
	name := s.start("calls", `{"n": 1, "p": "hush"}`)
	s.ended("calls", name)
	a := s.json("GET", prefix+"calls/runs/"+name+"/actions/Call", "")
	if in := s.fetch(at(a, "properties", "inputsLink")); strings.Contains(in, "hush") || !strings.Contains(in, `"body":1`) {
		t.Errorf("the inputs are %s", in)
	}
	traces := s.json("POST", prefix+"calls/runs/"+name+"/actions/Call/listExpressionTraces", "")
	if text := indented(traces); strings.Contains(text, "hush") || !strings.Contains(text, `"path": "body"`) || !strings.Contains(text, "sanitized") {
		t.Errorf("the traces are %s", text)
	}
}
