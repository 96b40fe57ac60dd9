package drill

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/groups"
	"weir/operate/evidence"
	"weir/operate/orders"
)

// pair is two locations as a drill sees them. Its calls are counted, and one of them
// may fail.
type pair struct {
	primary  string
	term     uint64
	isolated string
	at       time.Time // of the isolation
	parted   string    // has something alone
	auto     bool
	calls    int
	fail     int // which call fails; 0: none
	sickly   bool
}

type end struct {
	*pair
	name string
}

var errBroken = errors.New("the line is broken")

func (p *pair) called() error {
	p.calls++
	if p.calls == p.fail {
		return errBroken
	}
	return nil
}

func other(name string) string {
	if name == "west" {
		return "east"
	}
	return "west"
}

// tick lets time do its work: an isolated primary is replaced after 5 s.
func (p *pair) tick() {
	if p.isolated == p.primary && p.auto && time.Since(p.at) > 5*time.Second {
		p.take(other(p.primary))
	}
	if p.isolated != "" && time.Since(p.at) > isolationFor {
		p.isolated = ""
	}
}

func (p *pair) take(name string) {
	p.parted, p.primary = p.primary, name
	p.term++
}

func (e *end) Show(context.Context, string) (groups.Status, error) {
	e.tick()
	if err := e.called(); err != nil {
		return groups.Status{}, err
	}
	s := groups.Status{Name: "orders", Term: e.term, Holder: e.primary, Standing: groups.Secondary, Mode: "async", Automatic: e.auto, PeerReachable: true, Units: []groups.Unit{{Connected: !e.sickly}}}
	switch {
	case e.name == e.primary:
		s.Standing = groups.Primary
	case e.isolated == e.name:
		s.Standing, s.Units[0].Connected = groups.Halted, false
	case e.parted == e.name:
		s.Standing = groups.Salvage
	}
	s.PeerReachable = e.isolated == ""
	return s, nil
}

func (e *end) Switch(_ context.Context, _, to string) (groups.Change, error) {
	if err := e.called(); err != nil {
		return groups.Change{}, err
	}
	if e.name != e.primary || e.parted != "" {
		return groups.Change{}, errors.New("it can not be switched now")
	}
	e.primary = to
	e.term++
	return groups.Change{To: to, Term: e.term, Seconds: 0.1}, nil
}

func (e *end) Expect(context.Context, string) (groups.Expected, error) {
	return groups.Expected{Loss: &groups.Loss{Known: true, Messages: 3}}, e.called()
}

func (e *end) Promote(context.Context, string, bool) (groups.Change, error) {
	if err := e.called(); err != nil {
		return groups.Change{}, err
	}
	if time.Since(e.at) < 3*time.Second {
		return groups.Change{}, errors.New("no majority")
	}
	e.take(e.name)
	return groups.Change{To: e.name, Term: e.term}, nil
}

func (e *end) Isolate(_ context.Context, _ string, d time.Duration) error {
	if err := e.called(); err != nil {
		return err
	}
	e.isolated, e.at = e.name, time.Now()
	if d == 0 {
		e.isolated = ""
	}
	return nil
}

func (e *end) Tail(context.Context, string, int) (groups.Salvaged, error) {
	s := groups.Salvaged{Rows: []groups.Row{{Kind: "message", Entity: orders.Queue, MessageID: "taken"}, {Kind: "message", Entity: orders.Queue, MessageID: "not"}, {Kind: "settlement"}}}
	for _, r := range s.Rows {
		s.Tally.Add(r)
	}
	return s, e.called()
}

func (e *end) Salvage(_ context.Context, _, choice string, _ bool) (groups.Salvaged, error) {
	if err := e.called(); err != nil {
		return groups.Salvaged{}, err
	}
	e.parted = ""
	return groups.Salvaged{Choice: choice, Tally: groups.Tally{Rows: 3}}, nil
}

// crowd is traffic that is acknowledged whenever somebody is primary.
type crowd struct{ p *pair }

func (c crowd) Counts() orders.Counts {
	if c.p.isolated == c.p.primary {
		return orders.Counts{}
	}
	return orders.Counts{LastIn: time.Now().Add(time.Millisecond)}
}
func (crowd) Took(id string) bool        { return id == "taken" }
func (crowd) Look(fn func(*orders.Book)) { fn(orders.NewBook()) }
func (crowd) Drain(context.Context) orders.Account {
	return orders.Account{Acknowledged: 9, Processed: 9}
}

func rehearse(p *pair, kind string) (*evidence.Record, error) {
	return Run(context.Background(), Options{
		Group: "orders", Kind: kind, Places: map[string]Place{"west": &end{p, "west"}, "east": &end{p, "east"}}, Traffic: crowd{p},
	})
}

func TestEveryKindGoesHome(t *testing.T) {
	for _, kind := range Kinds {
		synctest.Test(t, func(t *testing.T) {
			p := &pair{primary: "west", term: 1, auto: kind == Isolation}
			r, err := rehearse(p, kind)
			if err != nil || !r.Good() {
				t.Fatalf("%s: %v, %+v", kind, err, r)
			}
			if p.primary != "west" || p.isolated != "" || p.parted != "" || r.From != "west" || r.To != "east" || r.TermTo != 2 {
				t.Errorf("%s ended with %+v, %+v", kind, p, r)
			}
			if lost := kind != Switch; lost != (r.RPOMessages == 1) || lost != (r.DetectionSeconds > 0 || r.Salvaged != nil) {
				t.Errorf("%s measured %+v", kind, r)
			}
		})
	}
}

// Whatever call fails, the isolation ends, and who is asked is told what is left to do.
func TestABrokenDrillSaysHowToGoHome(t *testing.T) {
	for _, kind := range Kinds {
		for n := 1; n < 2000; n++ {
			whole := false
			synctest.Test(t, func(t *testing.T) {
				p := &pair{primary: "west", term: 1, auto: kind == Isolation, fail: n}
				r, err := rehearse(p, kind)
				whole = p.calls < n
				p.fail = 0
				time.Sleep(isolationFor + time.Second) // an isolation that could not be ended
				p.tick()
				switch {
				case p.isolated != "":
					t.Errorf("%s, call %d: %s stays isolated", kind, n, p.isolated)
				case err == nil && (p.primary != "west" || p.parted != ""):
					t.Errorf("%s, call %d: no error, and %+v", kind, n, p)
				case err != nil && p.primary == "east" && r != nil && !strings.Contains(err.Error(), "weir s") && !strings.Contains(err.Error(), "does not say"):
					t.Errorf("%s, call %d: east has the group, and the error says %v", kind, n, err)
				}
			})
			if whole {
				break
			}
		}
	}
}

func TestADrillBeginsAtRest(t *testing.T) {
	for what, p := range map[string]*pair{
		"nobody follows":    {primary: "west", term: 1, sickly: true, auto: true},
		"west is parted":    {primary: "east", term: 2, parted: "west", auto: true},
		"nothing automatic": {primary: "west", term: 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			if r, err := rehearse(p, Isolation); err == nil || r != nil {
				t.Errorf("%s: the drill began", what)
			}
		})
	}
}

func TestTheReportIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := rehearse(&pair{primary: "west", term: 1, auto: true}, Isolation)
		if err != nil {
			t.Fatal(err)
		}
		r.Slices = []orders.Slice{{In: 1, Out: 2}, {In: 3}, {}}
		r.Group = `<script>"orders"</script>`
		var page, text bytes.Buffer
		if err := errors.Join(HTML(&page, r, "abcd"), Text(&text, r)); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(page.String(), "<script>") || strings.Contains(page.String(), "http") {
			t.Error("the page runs or fetches something")
		}
		for i, e := range r.Events {
			if !strings.Contains(page.String(), fmt.Sprintf("<tr><td>%d</td>", i+1)) || strings.Count(page.String(), ">"+fmt.Sprint(i+1)+"</text>") == 0 {
				t.Errorf("event %d (%s) is not on the page", i+1, e.What)
			}
		}
		begin, end := strings.Index(page.String(), "<svg"), strings.Index(page.String(), "</svg>")
		if err := xml.Unmarshal(page.Bytes()[begin:end+len("</svg>")], new(struct{})); err != nil {
			t.Errorf("the picture is not well-formed: %v", err)
		}
		if n := strings.Count(text.String(), "held"); n < len(r.Invariants) {
			t.Errorf("the text says\n%s", text.String())
		}
	})
}
