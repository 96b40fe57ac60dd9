package go_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/server"
)

// What programs without a client library do: plain HTTP, as net/http and curl have it.
var restScenarios = []scenario{
	{"rest/what is sent over HTTP is received over AMQP", []server.Resource{server.Queue("rest-in", nil)}, restIn},
	{"rest/what is sent over AMQP is received over HTTP", []server.Resource{server.Queue("rest-out", nil)}, restOut},
	{"rest/a lock is good on both sides", []server.Resource{server.Queue("rest-lock", nil)}, restLock},
	{"rest/a batch", []server.Resource{server.Topic("rest-topic", nil), server.Subscription("rest-topic", "s", nil)}, restBatch},
	{"rest/dead letters", []server.Resource{server.Queue("rest-dead", server.Properties{"maxDeliveryCount": 1})}, restDead},
	{"rest/curl", []server.Resource{server.Queue("rest-curl", nil)}, restCurl},
}

// http makes a request at the plain AMQP door, which takes HTTP as well.
func (s *stage) http(method, path string, body []byte, status int, headers ...string) (string, http.Header) {
	s.Helper()
	r, err := http.NewRequestWithContext(s.ctx, method, "http://"+s.server.Addr()+"/"+path, bytes.NewReader(body))
	s.must(err)
	r.Header.Set("Authorization", token("http://"+s.server.Addr()+"/", "All", allKey, time.Now().Add(time.Hour)))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header[headers[i]] = []string{headers[i+1]} // as it is spelled
	}
	answer, err := http.DefaultClient.Do(r)
	s.must(err)
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	s.must(err)
	if answer.StatusCode != status {
		s.Fatalf("%s /%s: %s %s, want %d", method, path, answer.Status, data, status)
	}
	return string(data), answer.Header
}

// brokerProperties reads the header of that name.
func (s *stage) brokerProperties(h http.Header) (p struct {
	MessageID, Label, CorrelationID, LockToken string
	SequenceNumber                             int64
	DeliveryCount                              int
	TimeToLive                                 float64
}) {
	s.Helper()
	s.must(json.Unmarshal([]byte(h.Get("BrokerProperties")), &p))
	return p
}

func restIn(s *stage) {
	s.http("POST", "rest-in/messages", []byte("\x00 body \xff"), 201, "Content-Type", "application/x-thing",
		"BrokerProperties", `{"Label":"M1","MessageId":"m","CorrelationId":"c","TimeToLive":60,"ReplyTo":"r","To":"t"}`,
		"priority", `"High"`, "aCount", "7", "Ratio", "0.5", "isNew", "true")
	r := s.queue("rest-in")
	m := s.receiveOne(r)
	equal(s, "the body", string(m.Body), "\x00 body \xff")
	equal(s, "the id", m.MessageID, "m")
	equal(s, "the content type", *m.ContentType, "application/x-thing")
	equal(s, "the subject", *m.Subject, "M1")
	equal(s, "the correlation id", *m.CorrelationID, "c")
	equal(s, "the time to live", *m.TimeToLive, time.Minute)
	equal(s, "properties, spelled as they were", fmt.Sprint(m.ApplicationProperties), "map[Ratio:0.5 aCount:7 isNew:true priority:High]")
	s.complete(r, m)
}

func restOut(s *stage) {
	s.send("rest-out", &azservicebus.Message{
		Body: []byte("body"), MessageID: to.Ptr("m"), Subject: to.Ptr("Größe"), ContentType: to.Ptr("text/plain"), CorrelationID: to.Ptr("c"),
		ApplicationProperties: map[string]any{"aName": "a \"value\"", "n": int64(5), "yes": true},
	})
	body, h := s.http("DELETE", "rest-out/messages/head?timeout=10", nil, 200)
	p := s.brokerProperties(h)
	equal(s, "the body", body, "body")
	equal(s, "the content type", h.Get("Content-Type"), "text/plain")
	equal(s, "the properties", strings.Join([]string{h.Get("aName"), h.Get("n"), h.Get("yes")}, " "), `"a \"value\"" 5 true`)
	equal(s, "the broker's", fmt.Sprint(p.MessageID, p.Label, p.CorrelationID, p.DeliveryCount), "mGrößec1")
	s.http("DELETE", "rest-out/messages/head?timeout=0", nil, 204)
}

func restLock(s *stage) {
	s.send("rest-lock", texts("a", "b")...)
	_, h := s.http("POST", "rest-lock/messages/head?timeout=10", nil, 201)
	at := strings.TrimPrefix(h.Get("Location"), "http://"+s.server.Addr()+"/")
	s.http("POST", at, nil, 200) // renewed
	s.http("PUT", at, nil, 200)  // unlocked
	s.http("PUT", at, nil, 404)  // and gone
	r := s.queue("rest-lock")
	got := s.receive(r, 2)
	equal(s, "the first has been delivered before", got[0].DeliveryCount, uint32(2))
	// The SDK's lock token, in the order its text has it.
	id := fmt.Sprintf("%x-%x-%x-%x-%x", got[1].LockToken[:4], got[1].LockToken[4:6], got[1].LockToken[6:8], got[1].LockToken[8:10], got[1].LockToken[10:])
	s.http("DELETE", fmt.Sprintf("rest-lock/messages/%d/%s", *got[1].SequenceNumber, id), nil, 200)
	s.complete(r, got[0])
	s.empty(r)
}

func restBatch(s *stage) {
	s.http("POST", "rest-topic/messages", []byte(`[{"Body":"one","UserProperties":{"aName":"x"}},{"Body":"two","BrokerProperties":{"Label":"l"}}]`), 201,
		"Content-Type", "application/vnd.microsoft.servicebus.json")
	body, h := s.http("DELETE", "rest-topic/subscriptions/s/messages/head", nil, 200)
	equal(s, "the first", body+h.Get("aName"), `one"x"`)
	r := s.subscription("rest-topic", "s")
	m := s.receiveOne(r)
	equal(s, "the second", string(m.Body)+*m.Subject, "twol")
	s.complete(r, m)
}

func restDead(s *stage) {
	s.http("POST", "rest-dead/messages", []byte("poison"), 201)
	_, h := s.http("POST", "rest-dead/messages/head", nil, 201)
	s.http("PUT", strings.TrimPrefix(h.Get("Location"), "http://"+s.server.Addr()+"/"), nil, 200)
	body, h := s.http("DELETE", "rest-dead/$DeadLetterQueue/messages/head?timeout=10", nil, 200)
	equal(s, "the dead letter", body+h.Get("DeadLetterReason"), `poison"MaxDeliveryCountExceeded"`)
}

// restCurl is for the habits of curl: its headers, and Expect: 100-continue for a body
// that is not small.
func restCurl(s *stage) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		s.Skip("there is no curl here")
	}
	base := "http://" + s.server.HTTPAddr() + "/rest-curl/messages"
	auth := "Authorization: " + token(base, "All", allKey, time.Now().Add(time.Hour))
	run := func(args ...string) string {
		out, err := exec.CommandContext(s.ctx, curl, append([]string{"-sS", "-w", " %{http_code}", "-H", auth}, args...)...).CombinedOutput()
		if err != nil {
			s.Fatalf("curl %v: %v %s", args, err, out)
		}
		return string(out)
	}
	large := strings.Repeat("x", 100_000)
	cmd := exec.CommandContext(s.ctx, curl, "-sS", "-w", "%{http_code}", "-H", auth, "-H", "region: eu", "--data-binary", "@-", base)
	cmd.Stdin = strings.NewReader(large)
	out, err := cmd.CombinedOutput()
	s.must(err)
	equal(s, "sent", string(out), "201")
	equal(s, "received", run("-X", "DELETE", base+"/head"), large+" 200")
	equal(s, "nothing is left", run("-X", "DELETE", base+"/head?timeout=0"), " 204")
}
