package rest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
)

// What is sent comes out: bytes, content type, broker properties and custom ones.
func TestRoundTrip(t *testing.T) {
	r := newRig(t)
	r.queue("orders")
	r.spelling = map[string]string{"Region": "region"}
	body := "bytes \x00\xff as they are"
	r.is(r.ask("POST", "orders/messages?timeout=60&api-version=2015-01", body, map[string]string{
		"Content-Type":     "image/png",
		"BrokerProperties": `{"Label":"M1","TimeToLive":90,"CorrelationId":"c","MessageId":"m","PartitionKey":"p","To":"t","ReplyTo":"r","ReplyToSessionId":"rs","ForcePersistence":true,"Unheard":1}`,
		"region":           `"EU \"west\" \u00e9"`, "Customer": "12345,ABC", "Count": "42", "Large": "4200000000", "Ratio": "1.5", "Open": "true", "X-Ms-Retrypolicy": "NoRetry",
	}), 201)
	got := r.is(r.ask("POST", "orders/messages/head?timeout=5", "", nil), 201)
	if got.body != body || got.header.Get("Content-Type") != "image/png" {
		t.Errorf("body %q of type %s", got.body, got.header.Get("Content-Type"))
	}
	for name, want := range map[string]string{"Region": `"EU \"west\" \u00e9"`, "Customer": `"12345,ABC"`, "Count": "42", "Large": "4200000000", "Ratio": "1.5", "Open": "true", "X-Ms-Retrypolicy": ""} {
		if have := got.header.Get(name); have != want {
			t.Errorf("%s: %s, want %s", name, have, want)
		}
	}
	var p received
	if err := json.Unmarshal([]byte(got.header.Get("BrokerProperties")), &p); err != nil {
		t.Fatal(err)
	}
	if p.Label != "M1" || p.TimeToLive != 90 || p.CorrelationID != "c" || p.MessageID != "m" || p.PartitionKey != "p" || p.To != "t" || p.ReplyTo != "r" ||
		p.ReplyToSessionID != "rs" || p.SequenceNumber != 1 || p.DeliveryCount != 1 || p.State != "Active" || p.EnqueuedTime == "" || p.LockedUntil == "" {
		t.Errorf("broker properties %+v", p)
	}
	if want := r.url + "/orders/messages/1/" + p.LockToken; got.header.Get("Location") != want {
		t.Errorf("location %s, want %s", got.header.Get("Location"), want)
	}
	renewed := r.is(r.ask("POST", "orders/messages/1/"+p.LockToken, "", nil), 200)
	if !strings.Contains(renewed.header.Get("BrokerProperties"), "LockedUntilUtc") {
		t.Errorf("renewed until %q", renewed.header.Get("BrokerProperties"))
	}
	r.is(r.ask("DELETE", "orders/messages/m/"+p.LockToken, "", nil), 200)
	r.is(r.ask("DELETE", "orders/messages/m/"+p.LockToken, "", nil), 404) // the lock is gone
	r.is(r.ask("POST", "orders/messages/head?timeout=0", "", nil), 204)
}

// The same names are spelled as their sender did, for those who read them over AMQP.
func TestSpelling(t *testing.T) {
	all := customProperties(http.Header{"Region": {"eu"}, "Othername": {"1"}, "Content-Type": {"x"}, "Traceparent": {"x"}, "X-Forwarded-For": {"x"}}, map[string]string{"Othername": "otherName"})
	if len(all) != 2 || all[0] != (named{"Region", "eu"}) || all[1] != (named{"otherName", int32(1)}) {
		t.Errorf("got %+v", all)
	}
}

func TestOwnHeadersAreSorted(t *testing.T) {
	if !slices.IsSorted(ownHeaders) {
		t.Error("ownHeaders are searched by halves and must be sorted")
	}
	for _, name := range ownHeaders {
		if http.CanonicalHeaderKey(name) != name {
			t.Errorf("%s is not in canonical form", name)
		}
	}
}

func TestHeaderValues(t *testing.T) {
	for text, want := range map[string]any{
		`"quoted"`: "quoted", `"12"`: "12", `"a\"b"`: `a"b`, `"not \json"`: `not \json`, `plain`: "plain", "": "", `"`: `"`,
		"7": int32(7), "-7": int32(-7), "5000000000": int64(5000000000), "1e3": 1000.0, "1.25": 1.25, "1.2.3": "1.2.3", "-": "-",
		"TRUE": true, "false": false, "99999999999999999999": 1e20,
	} {
		if got := headerValue(text); got != want {
			t.Errorf("%q: %#v, want %#v", text, got, want)
		}
	}
}

func TestTimesToLive(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`10`: 10 * time.Second, `0.5`: time.Second / 2, `"00:00:40"`: 40 * time.Second, `"1.02:03:04.5"`: 26*time.Hour + 3*time.Minute + 4500*time.Millisecond,
		`"PT1M"`: time.Minute, `"P10675199DT2H48M5.4775807S"`: 0, `922337203685.47754`: 0, `"15"`: 15 * time.Second,
	} {
		s, err := parseSent([]byte(`{"TimeToLive":` + text + `}`))
		if err != nil || s.TimeToLive != want {
			t.Errorf("%s: %v, %v, want %v", text, s.TimeToLive, err, want)
		}
	}
	for _, text := range []string{`0`, `-1`, `"soon"`, `true`, `"1:2"`, `"99999999.00:00:00"`, `"-00:00:01"`} {
		if _, err := parseSent([]byte(`{"TimeToLive":` + text + `}`)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

func TestScheduled(t *testing.T) {
	want := time.Date(2094, 11, 6, 8, 49, 37, 0, time.UTC)
	for _, text := range []string{"Sat, 06 Nov 2094 08:49:37 GMT", "2094-11-06T08:49:37Z", "2094-11-06T08:49:37", "11/06/2094 08:49:37"} {
		s, err := parseSent([]byte(`{"ScheduledEnqueueTimeUtc":"` + text + `"}`))
		if err != nil || !s.Scheduled.Equal(want) {
			t.Errorf("%s: %v, %v", text, s.Scheduled, err)
		}
	}
}

// Refusals are the documented ones.
func TestRefusals(t *testing.T) {
	r := newRig(t)
	r.queue("orders")
	r.queue("closed", func(d *broker.Definition) { d.Status = broker.Disabled })
	r.queue("sessions", func(d *broker.Definition) { d.RequiresSession = true })
	r.queue("small", func(d *broker.Definition) { d.MaxMessageBytes = 2000 })
	r.declare(broker.Definition{Name: "topic", Kind: broker.Topic, MaxSizeBytes: 1 << 30, MaxMessageBytes: 1 << 18},
		broker.Definition{Name: "topic/Subscriptions/s", Kind: broker.Subscription, LockDuration: time.Minute, MaxDeliveryCount: 3})
	const lock = "/00000000-0000-0001-0000-00000a000004"
	batch := map[string]string{"Content-Type": batchType}
	as := func(path, name, key string) map[string]string {
		return map[string]string{"Authorization": sign(path, name, key)}
	}
	for _, c := range []struct {
		what, method, path, body string
		header                   map[string]string
		status                   int
		says                     string
	}{
		{"no token", "POST", "orders/messages", "x", map[string]string{"Authorization": ""}, 401, "MissingToken"},
		{"a wrong key", "POST", "orders/messages", "x", as("orders", "SendOnly", "wrong"), 401, "InvalidSignature"},
		{"another queue's token", "POST", "orders/messages", "x", as("other", "SendOnly", "k"), 401, "InvalidAudience"},
		{"another queue's rule", "POST", "small/messages", "x", as("", "OfQueue", "k"), 401, "InvalidAudience"},
		{"Send for Listen", "POST", "orders/messages/head", "", as("orders", "SendOnly", "k"), 401, "'Listen' claim(s) are required"},
		{"Listen for Send", "POST", "orders/messages", "x", as("orders", "ListenOnly", "k"), 401, "'Send' claim(s) are required"},
		{"a queue that is not", "POST", "nowhere/messages", "x", nil, 410, "could not be found"},
		{"receiving from nothing", "DELETE", "nowhere/messages/head", "", nil, 410, "could not be found"},
		{"a closed queue", "POST", "closed/messages", "x", nil, 403, "SubCode=40301"},
		{"a session's queue", "POST", "sessions/messages/head", "", nil, 400, "sessions"},
		{"no session", "POST", "sessions/messages", "x", nil, 400, "SessionId"},
		{"a topic", "POST", "topic/messages/head", "", nil, 400, "subscriptions"},
		{"sending to a subscription", "POST", "topic/Subscriptions/s/messages", "x", nil, 400, "send to its topic"},
		{"sending to dead letters", "POST", "orders/$DeadLetterQueue/messages", "x", nil, 400, "sub-queue"},
		{"too large", "POST", "small/messages", strings.Repeat("x", 2001), nil, 403, "larger than the 2000 bytes"},
		{"too large with what is around", "POST", "small/messages", strings.Repeat("x", 2000), nil, 403, "exceeds the limit"},
		{"broken properties", "POST", "orders/messages", "x", map[string]string{"BrokerProperties": "{"}, 400, "one JSON object"},
		{"a label that is none", "POST", "orders/messages", "x", map[string]string{"BrokerProperties": `{"Label":1}`}, 400, "'Label' is no text"},
		{"a long id", "POST", "orders/messages", "x", map[string]string{"BrokerProperties": `{"MessageId":"` + strings.Repeat("x", 129) + `"}`}, 400, "128"},
		{"a timeout that is none", "POST", "orders/messages/head?timeout=soon", "", nil, 400, "no number"},
		{"a lock that is none", "PUT", "orders/messages/1" + lock, "", nil, 404, "SubCode=40402"},
		{"a broken batch", "POST", "orders/messages", "[{", batch, 400, "ends too early"},
		{"an empty batch", "POST", "orders/messages", "[]", batch, 400, "1 to 10000"},
		{"an unknown name in a batch", "POST", "orders/messages", `[{"Bodi":"x"}]`, batch, 400, "Bodi"},
		{"a bad value in a batch", "POST", "orders/messages", `[{"Body":"x"},{"Body":"x","UserProperties":{"a":[1]}}]`, batch, 400, "Message 2"},
		{"bad base64 in a batch", "POST", "orders/messages", `[{"Body":"?","IsBodyBase64":true}]`, batch, 400, "base64"},
	} {
		got := r.ask(c.method, c.path, c.body, c.header)
		if got.status != c.status || !strings.Contains(got.body, c.says) || !strings.HasPrefix(got.body, "<Error><Code>") {
			t.Errorf("%s: %d %s, want %d and %q", c.what, got.status, got.body, c.status, c.says)
		}
	}
	if got := r.ask("POST", "orders/messages/head?timeout=0", "", nil); got.status != 204 {
		t.Errorf("something was taken after all: %d %s", got.status, got.body)
	}
	// A token for the whole address is as good as one for the entity.
	r.is(r.ask("POST", "orders/messages", "x", as("orders/messages", "SendOnly", "k")), 201)
	r.is(r.ask("POST", "orders/messages", "x", as("orders", "OfQueue", "k")), 201)
	r.is(r.ask("POST", "orders/messages", "x", as("orders/messages", "OfQueue", "k")), 401)
}

// A batch is taken whole, with all that its messages say.
func TestBatch(t *testing.T) {
	r := newRig(t)
	r.queue("orders")
	r.is(r.ask("POST", "orders/messages", `[
		{"Body":"one","BrokerProperties":{"Label":"M1","TimeToLiveTimeSpan":"0.00:00:40"}},
		{"Body":"two","UserProperties":{"Priority":"Medium","n":7,"d":1.5,"yes":true,"none":null}},
		{"Body":"AP8=","IsBodyBase64":true,"BrokerProperties":{"ContentType":"image/gif"}}]`, map[string]string{"Content-Type": batchType}), 201)
	one := r.is(r.ask("DELETE", "orders/messages/head", "", nil), 200)
	if one.body != "one" || !strings.Contains(one.header.Get("BrokerProperties"), `"TimeToLive":40`) || one.header.Get("Location") != "" {
		t.Errorf("got %+v", one)
	}
	two := r.is(r.ask("DELETE", "orders/messages/head", "", nil), 200)
	if two.body != "two" || two.header.Get("Priority") != `"Medium"` || two.header.Get("N") != "7" || two.header.Get("D") != "1.5" || two.header.Get("Yes") != "true" {
		t.Errorf("got %+v", two)
	}
	three := r.is(r.ask("DELETE", "orders/messages/head", "", nil), 200)
	if three.body != "\x00\xff" || three.header.Get("Content-Type") != "image/gif" {
		t.Errorf("got %+v", three)
	}
}

// A request that waits gets a message that comes meanwhile.
func TestWaiting(t *testing.T) {
	r := newRig(t)
	r.queue("orders")
	got := make(chan reply, 1)
	go func() { got <- r.ask("DELETE", "orders/messages/head?timeout=50", "", nil) }()
	r.awaitWaiting(1)
	r.is(r.ask("POST", "orders/messages", "late", nil), 201)
	if a := <-got; a.status != 200 || a.body != "late" {
		t.Errorf("got %+v", a)
	}
}

// awaitWaiting waits until so many requests wait.
func (r *rig) awaitWaiting(n int64) {
	r.t.Helper()
	for ctx := within(r.t); r.service.waiting.Load() != n; runtime.Gosched() {
		if ctx.Err() != nil {
			r.t.Fatalf("%d requests wait, not %d", r.service.waiting.Load(), n)
		}
	}
}

// A client that goes away while it waits leaves nothing behind: the next one gets the
// message, which was not delivered.
func TestClientGone(t *testing.T) {
	r := newRig(t)
	r.queue("orders")
	ctx, cancel := context.WithCancel(context.Background())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		q, _ := http.NewRequestWithContext(ctx, "POST", r.url+"/orders/messages/head", nil)
		q.Header.Set("Authorization", sign("", "RootManageSharedAccessKey", "SAS_KEY_VALUE"))
		if a, err := http.DefaultClient.Do(q); err == nil {
			a.Body.Close()
		}
	}()
	r.awaitWaiting(1)
	cancel()
	<-gone
	r.awaitWaiting(0)
	r.is(r.ask("POST", "orders/messages", "x", nil), 201)
	got := r.is(r.ask("POST", "orders/messages/head", "", nil), 201)
	if !strings.Contains(got.header.Get("BrokerProperties"), `"DeliveryCount":1`) {
		t.Errorf("delivered before: %s", got.header.Get("BrokerProperties"))
	}
}

// When the ownership ends, requests that wait are asked to come again.
func TestOwnershipLost(t *testing.T) {
	r := newRig(t)
	r.queue("orders")
	got := make(chan reply, 1)
	go func() { got <- r.ask("POST", "orders/messages/head?timeout=50", "", nil) }()
	r.awaitWaiting(1)
	r.unit.Abort()
	if a := <-got; a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("got %+v", a)
	}
}

// So they are when the server stops.
func TestLeaving(t *testing.T) {
	r := newRig(t)
	r.queue("orders")
	got := make(chan reply, 1)
	go func() { got <- r.ask("POST", "orders/messages/head?timeout=50", "", nil) }()
	r.awaitWaiting(1)
	r.service.Leave()
	r.service.Leave()
	if a := <-got; a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("got %+v", a)
	}
	r.is(r.ask("POST", "orders/messages", "x", nil), 201)
	r.is(r.ask("DELETE", "orders/messages/head?timeout=50", "", nil), 200) // what is there is given
}

// Messages that came over AMQP are shown as far as HTTP can.
func TestFromAMQP(t *testing.T) {
	r := newRig(t)
	r.queue("orders")
	p := wire.Properties{MessageID: uint64(7), CorrelationID: wire.UUID{15: 1}}
	b := p.Append(nil)
	b = wire.AppendSectionMap(b, wire.DescApplicationProperties, wire.Map{
		{Key: "fine", Value: "x"}, {Key: "with space", Value: "x"}, {Key: "Transfer-Encoding", Value: "chunked"}, {Key: "list", Value: wire.List{}},
		{Key: "at", Value: wire.Timestamp(784111777000)}, {Key: "evil", Value: "a\r\nb: c"}, {Key: "id", Value: wire.UUID{15: 2}},
	})
	b = wire.AppendValueBody(b, "text")
	err := r.ns.Call(within(t), func(turn *namespace.Turn) {
		if err := turn.Broker.Send(turn, "orders", []broker.Message{{Encoded: b, MessageID: "7"}}, 0); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	got := r.is(r.ask("DELETE", "orders/messages/head", "", nil), 200)
	if got.body != "text" || got.header.Get("Fine") != `"x"` || got.header.Get("At") != `"Sun, 06 Nov 1994 08:49:37 GMT"` || got.header.Get("Evil") != `"a\r\nb: c"` ||
		got.header.Get("Id") != `"00000000-0000-0000-0000-000000000002"` || got.header.Get("Weir-Properties-Left-Out") != `["with space","Transfer-Encoding","list"]` {
		t.Errorf("got %+v", got)
	}
	if told := got.header.Get("BrokerProperties"); !strings.Contains(told, `"MessageId":"7"`) || !strings.Contains(told, `"CorrelationId":"00000000-0000-0000-0000-000000000001"`) {
		t.Errorf("told %s", told)
	}
}

func TestMine(t *testing.T) {
	const lock = "/0a000000-0000-0001-0000-00000a000004"
	for request, want := range map[string]bool{
		"POST /a/messages": true, "POST /a/b/Messages/": true, "POST /a/messages/head": true, "DELETE /a/messages/HEAD": true,
		"PUT /a/messages/7" + lock: true, "DELETE /a/subscriptions/s/messages/7" + lock: true, "POST /a/messages/7" + lock: true,
		"GET /a/messages/head": false, "PUT /a/messages": false, "DELETE /a/messages": false, "POST /messages": false, "PUT /a/messages/head": false,
		"GET /a/messages/7" + lock: false, "PUT /a/messages/7/8": false, "POST /a": false,
	} {
		method, path, _ := strings.Cut(request, " ")
		if got := Mine(httptest.NewRequest(method, path, nil)); got != want {
			t.Errorf("%s: %v", request, got)
		}
	}
}
