package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"weir/internal/groups"
)

// shelf is a queue in memory.
type shelf struct {
	sent, completed string
	fails           map[string]error // by verb
	hangs           string           // verb that never answers
	other           bool             // another message comes out
}

func (s *shelf) do(ctx context.Context, verb string) error {
	if s.hangs == verb {
		<-ctx.Done()
		return ctx.Err()
	}
	return s.fails[verb]
}

func (s *shelf) send(ctx context.Context, id string) error {
	s.sent = id
	return s.do(ctx, "send")
}

func (s *shelf) connect(ctx context.Context, _ string) error { return s.do(ctx, "connect") }

func (s *shelf) receive(ctx context.Context) (delivery, error) {
	id := s.sent
	if s.other {
		id = "an order"
	}
	return delivery{id: id}, s.do(ctx, "receive")
}

func (s *shelf) complete(ctx context.Context, d delivery) error {
	s.completed = d.id
	return s.do(ctx, "complete")
}

func (s *shelf) close() {}

func over(t *testing.T, s *shelf) *Message {
	t.Helper()
	p, err := NewMessage(Message{open: func() (line, error) { return s, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAMessageGoesInAndOut(t *testing.T) {
	s := &shelf{}
	p := over(t, s)
	r := p.Check(t.Context())
	if !r.OK || r.Stage != "" || r.Error != "" {
		t.Errorf("%+v", r)
	}
	if r.Seconds < r.SendSeconds+r.ReceiveSeconds || r.ReceiveSeconds <= 0 {
		t.Errorf("the times do not add up: %+v", r)
	}
	first := s.sent
	if s.completed != first {
		t.Errorf("sent %s, completed %s", s.sent, s.completed)
	}
	if p.Check(t.Context()); s.sent == first {
		t.Error("two checks sent the same message")
	}
}

func TestWhatFailsIsNamed(t *testing.T) {
	notFound := &azservicebus.Error{Code: azservicebus.CodeNotFound}
	denied := &azservicebus.Error{Code: azservicebus.CodeUnauthorizedAccess}
	for want, c := range map[string]struct {
		s     shelf
		stage string
	}{
		"weir deploy -":      {shelf{fails: map[string]error{"connect": notFound}}, "connect"},
		"has no sessions":    {shelf{fails: map[string]error{"connect": &amqp.Error{Condition: amqp.ErrCondNotAllowed}}}, "connect"},
		"may not send":       {shelf{fails: map[string]error{"receive": denied}}, "receive"},
		"broken":             {shelf{fails: map[string]error{"complete": errors.New("broken")}}, "complete"},
		"no answer within 4": {shelf{hangs: "send"}, "send"},
		"answer within 4s":   {shelf{hangs: "receive"}, "receive"},
		"within 4s":          {shelf{hangs: "complete"}, "complete"},
		"another message":    {shelf{other: true}, "receive"},
	} {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			r := over(t, &c.s).Check(t.Context())
			if r.OK || r.Stage != c.stage || !strings.Contains(r.Error, want) {
				t.Errorf("want %s, %q: %+v", c.stage, want, r)
			}
			if c.stage == "connect" && c.s.sent != "" {
				t.Errorf("%q: it sent a message all the same", want)
			}
			if c.s.completed != "" && c.s.completed != c.s.sent {
				t.Errorf("%q: completed %s, which it did not send", want, c.s.completed)
			}
			if took := time.Since(began); took > WithinDefault {
				t.Errorf("%q took %s", want, took)
			}
		})
	}
}

func emulator(door string) string {
	return "Endpoint=sb://" + door + ";SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true"
}

// TestADoorThatSaysNothing takes connections and never answers: the SDK is bounded too.
func TestADoorThatSaysNothing(t *testing.T) {
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer door.Close()
	for address, want := range map[string]string{door.Addr().String(): "no answer within", "127.0.0.1:1": "takes no connection"} {
		d, err := NewMessage(Message{Connection: emulator(address), Within: 100 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if r := d.Check(t.Context()); r.OK || r.Stage != "connect" || !strings.Contains(r.Error, want) {
			t.Errorf("%s: %+v", address, r)
		}
		if took := time.Since(began); took > 100*time.Millisecond+2*closeWithin {
			t.Errorf("%s took %s", address, took)
		}
	}
	if _, err := NewMessage(Message{Connection: "Endpoint=nowhere"}); err == nil || !strings.Contains(err.Error(), "connection string") {
		t.Errorf("%v", err)
	}
}

// nodes answers for a location whose nodes are host names.
type nodes map[string]func(r *http.Request) (int, string)

func (n nodes) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, ok := n[r.URL.Host]
	if !ok {
		<-r.Context().Done() // it stands still
		return nil, r.Context().Err()
	}
	code, body := answer(r)
	return &http.Response{StatusCode: code, Status: http.StatusText(code), Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func always(code int, body string) func(*http.Request) (int, string) {
	return func(*http.Request) (int, string) { return code, body }
}

func place(n nodes, admin ...string) groups.Location {
	return groups.Location{Name: "west", Admin: admin, Client: &http.Client{Transport: n}}
}

func TestHealth(t *testing.T) {
	all := nodes{"n1": always(200, "{}"), "n2": always(503, `{"status":"unhealthy","message":"journal: It is full."}`), "n4": always(502, "bad gateway")}
	for want, admin := range map[string][]string{
		"":                      {"http://n1"},
		"journal: It is full.":  {"http://n2"},
		"answered Bad Gateway":  {"http://n4/"},
		"no answer within 3s":   {"http://n3"},
		"no answer within 1.5s": {"http://n2", "http://n3"},
		"no address":            nil,
		"missing protocol":      {"://"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := (&Health{Location: place(all, admin...)}).Check(t.Context())
			if r.OK != (want == "") || !strings.Contains(r.Error, want) {
				t.Errorf("%v: %+v, want %q", admin, r, want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // one node that serves is enough
		if r := (&Health{Location: place(all, "http://n3", "http://n2", "http://n1")}).Check(t.Context()); !r.OK {
			t.Errorf("%+v", r)
		}
	})
}

func TestGroups(t *testing.T) {
	good := func(r *http.Request) (int, string) {
		switch r.URL.Path {
		case "/continuity/groups":
			return 200, `{"location":"west","value":[{"name":"a","term":1},{"name":"b","term":2}]}`
		case "/continuity/groups/a":
			return 200, `{"name":"a","term":1,"voters":[{"name":"witness","reachable":true}]}`
		}
		return 500, ""
	}
	all := nodes{"n1": good, "east": always(200, `{"location":"east"}`), "no": always(401, "{}")}
	synctest.Test(t, func(t *testing.T) {
		g := &Groups{Location: place(all, "http://n3", "http://n1")}
		r, said := g.Look(t.Context())
		if !r.OK || !g.Check(t.Context()).OK || len(said) != 2 || len(said[0].Voters) != 1 || said[1].Term != 2 {
			t.Errorf("%+v, %+v", r, said)
		}
		for host, want := range map[string]string{"east": `is "east", not "west"`, "no": "--token-file", "n3": "no answer within 3s"} {
			if r, said := (&Groups{Location: place(all, "http://"+host)}).Look(t.Context()); r.OK || said != nil || !strings.Contains(r.Error, want) {
				t.Errorf("%s: %+v", host, r)
			}
		}
	})
}
