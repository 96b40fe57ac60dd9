package bus

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

func request(t *testing.T, method, path, queries, body string) connection.Request {
	r := connection.Request{Method: method, Path: path, Parts: strings.Split(strings.TrimPrefix(path, "/"), "/"), Queries: parse(t, queries)}
	if body != "" {
		v, err := expression.ParseJSON(body)
		if err != nil {
			t.Fatal(err)
		}
		r.Body = v
	}
	return r
}

func managedOnes(s stage) {
	conn, _ := s.c.o.Connections.Find(s.Context(), "", connection.Reference{})
	must := func(method, path, queries, body string) any {
		s.Helper()
		a := s.c.Serve(s.Context(), &connector.Call{Who: connector.Who{Key: "k", Attempt: 1}}, conn, request(s.T, method, path, queries, body))
		if a.Code != "" {
			s.Fatalf("%s %s: %s", method, path, a.Message)
		}
		return a.Body
	}
	look := func(path, queries string) connector.Item {
		s.Helper()
		f := s.c.Watch(s.Context(), &connector.Watch{Wait: 20 * time.Second}, conn, request(s.T, "GET", path, queries, ""))
		if f.Code != "" || len(f.Items) == 0 {
			s.Fatalf("%s: %s %d", path, f.Message, len(f.Items))
		}
		return f.Items[0]
	}
	hello := base64.StdEncoding.EncodeToString([]byte(`{"hello": 1}`))
	send := `{"ContentData": "` + hello + `", "ContentType": "application/json", "Properties": {"Source": "test"}, "Label": "L", "SessionId": null}`
	must("POST", "/managed/messages", `{"systemProperties": "None"}`, send)
	item := look("/managed/messages/head/peek", `{"queueType": "Main"}`)
	m := first(item)
	if text(m, "ContentData") != hello || text(m, "ContentType") != "application/json" || text(objectOf(m, "Properties"), "Source") != "test" || text(m, "Label") != "L" || text(m, "MessageId") != "k" {
		s.Errorf("%s", expression.AppendJSON(nil, m))
	}
	must("POST", "/managed/messages/renewlock", `{"lockToken": "`+text(m, "LockToken")+`"}`, "")
	must("DELETE", "/managed/messages/complete", `{"lockToken": "`+text(m, "LockToken")+`", "queueType": "Main"}`, "")
	if err := item.Settle(s.Context(), true); err != nil {
		s.Error(err)
	}
	must("POST", "/managed/messages/batch", `{}`, "["+send+"]")
	dead := must("GET", "/managed/messages/batch/peek", `{"maxMessageCount": 5}`, "").([]any)
	must("POST", "/managed/messages/deadletter", `{"lockToken": "`+text(dead[0].(*object), "LockToken")+`", "deadLetterReason": "r"}`, "")
	one := must("GET", "/managed/messages/head", `{"queueType": "DeadLetter"}`, "")
	if text(objectOf(one.(*object), "Properties"), "DeadLetterReason") != "r" {
		s.Errorf("%s", expression.AppendJSON(nil, one))
	}
	must("POST", "/news/messages", `{}`, send)
	list := look("/news/subscriptions/all/messages/batch/head", `{"subscriptionType": "Main"}`)
	if v, _ := list.Outputs.Get("body"); len(v.([]any)) != 1 {
		s.Errorf("%s", expression.AppendJSON(nil, v))
	}
	if err := list.Taken(s.Context()); err != nil {
		s.Error(err)
	}
	must("POST", "/convoy/messages", `{}`, strings.Replace(send, `"SessionId": null`, `"SessionId": "s1"`, 1))
	held := look("/convoy/messages/head/peek", `{"sessionId": "Next Available"}`)
	if text(first(held), "SessionId") != "s1" {
		s.Errorf("%s", expression.AppendJSON(nil, first(held)))
	}
	must("POST", "/convoy/sessions/s1/renewlock", `{}`, "")
	must("DELETE", "/convoy/messages/complete", `{"lockToken": "`+text(first(held), "LockToken")+`", "sessionId": "s1"}`, "")
	must("DELETE", "/convoy/sessions/s1/close", `{}`, "")
	s.empty("managed")

	for _, c := range []struct{ method, path, queries, body, want string }{
		{"POST", "/managed/messages", `{}`, `{"ContentData": "not base64!"}`, "is base64"},
		{"POST", "/managed/messages", `{"systemProperties": "Run Details"}`, send, "use None"},
		{"GET", "/managed/other", `{}`, "", "has no path"},
		{"PUT", "/managed/messages", `{}`, "", `has no "put "`},
		{"GET", "//messages/head", `{}`, "", "names no queue"},
	} {
		a := s.c.Serve(s.Context(), &connector.Call{}, conn, request(s.T, c.method, c.path, c.queries, c.body))
		if a.Code == "" || !strings.Contains(a.Message, c.want) {
			s.Errorf("%s %s: %+v", c.method, c.path, a)
		}
	}
}
