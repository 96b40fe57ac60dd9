package callback

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"weir/kernel/fault"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const resource = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Logic/workflows/orders"

func signer() Signer {
	return Signer{Secret: []byte("of the unit"), Primary: 2, Secondary: 5, Workflow: ID(resource)}
}

func queries(t *testing.T, a Address) url.Values {
	t.Helper()
	u, err := url.Parse(a.String())
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

func TestAddresses(t *testing.T) {
	consumption := Caller{Signer: signer(), Endpoint: "http://localhost:8080"}
	standard := Caller{Signer: signer(), Endpoint: "https://app:443", App: "shop", Name: "my orders"}
	id := ID(resource)
	if len(id) != 32 || id != ID(strings.ToUpper(resource)) || id == ID(resource+"2") {
		t.Errorf("the id is %q", id)
	}
	for _, c := range []struct {
		name, want string
		got        Address
		path       string
	}{
		{"trigger", "http://localhost:8080/workflows/" + id + "/triggers/manual/paths/invoke?api-version=2016-10-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=", consumption.Trigger("manual", "", Primary, time.Time{}), "/triggers/manual/run"},
		{"relative path", "http://localhost:8080/workflows/" + id + "/triggers/manual/paths/invoke/orders/{id}?api-version=2016-10-01&se=2026-03-01T13%3A00%3A00.0000000Z&sp=", consumption.Trigger("manual", "/orders/{id}", Secondary, now.Add(time.Hour)), "/triggers/manual/run"},
		{"version", "http://localhost:8080/workflows/" + id + "/versions/0858/triggers/manual/paths/invoke?", consumption.VersionTrigger("0858", "manual", "", Primary, time.Time{}), "/versions/0858/triggers/manual/run"},
		{"standard", "https://app:443/api/my%20orders/triggers/manual/invoke?api-version=2022-05-01&app=shop&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=", standard.Trigger("manual", "", Primary, time.Time{}), "/triggers/manual/run"},
		{"action", "http://localhost:8080/workflows/" + id + "/runs/0858CU00/actions/Wait%20for%20it/run?api-version=2016-10-01&at=1.z&sp=", consumption.Action("0858CU00", "Wait for it", Place{1, 35}), "/runs/0858CU00/actions/Wait for it/run"},
		{"answer", "http://localhost:8080/workflows/" + id + "/runs/0858CU00/operations/answer?api-version=2016-10-01&sp=", consumption.Answer("0858CU00"), "/runs/0858CU00/operations/answer/read"},
		{"content", "http://localhost:8080/workflows/" + id + "/runs/0858CU00/contents/a-b?api-version=2016-10-01&se=", consumption.Content("0858CU00", "a-b", now.Add(time.Minute)), "/runs/0858CU00/contents/a-b/read"},
	} {
		if s := c.got.String(); !strings.HasPrefix(s, c.want) {
			t.Errorf("%s: %s, want %s...", c.name, s, c.want)
		}
		if _, err := signer().Check(queries(t, c.got), c.path, now); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if at, err := signer().Check(queries(t, consumption.Action("r", "a", Place{1, 35})), "/runs/r/actions/a/run", now); err != nil || at != "1.z" {
		t.Errorf("the place is %q, %v", at, err)
	}
}

// TestRefusals: what is wrong with an address is said in words that help.
func TestRefusals(t *testing.T) {
	c := Caller{Signer: signer(), Endpoint: "http://h"}
	until := now.Add(time.Hour)
	good := func() url.Values { return c.Trigger("manual", "", Primary, until).Queries }
	with := func(name, value string) url.Values {
		q := good()
		q.Set(name, value)
		return q
	}
	without := func(name string) url.Values {
		q := good()
		q.Del(name)
		return q
	}
	older := signer()
	older.Primary--
	other := signer()
	other.Secret = []byte("of another unit")
	for _, test := range []struct {
		name string
		q    url.Values
		at   time.Time
		want string
	}{
		{"no signature", without("sig"), now, "must be authenticated only by Shared Access scheme"},
		{"expired", good(), until, "was good until 2026-03-01T13:00:00.0000000Z"},
		{"another trigger", Caller{Signer: signer(), Endpoint: "http://h"}.Trigger("other", "", Primary, until).Queries, now, "is for '/triggers/other/run' and not for '/triggers/manual/run'"},
		{"longer", with("se", "2036-03-01T13:00:00.0000000Z"), now, "not valid."},
		{"for ever", without("se"), now, "not valid."},
		{"another place", with("at", "1.1"), now, "not valid."},
		{"another version", with("sv", "2.0"), now, "the version of the signature is 1.0"},
		{"twice", url.Values{"sig": {"a", "b"}}, now, "sig is given 2 times"},
		{"regenerated", Caller{Signer: older, Endpoint: "http://h"}.Trigger("manual", "", Primary, until).Queries, now, "was regenerated"},
		{"another unit", Caller{Signer: other, Endpoint: "http://h"}.Trigger("manual", "", Primary, until).Queries, now, "not valid."},
	} {
		_, err := signer().Check(test.q, "/triggers/manual/run", test.at)
		if !fault.Is(err, fault.Unauthorized) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	if _, err := (Signer{Workflow: "x"}).Check(good(), "/triggers/manual/run", now); !fault.Is(err, fault.Unavailable) {
		t.Errorf("without a secret: %v", err)
	}
	after := signer()
	after.Secondary++
	if _, err := after.Check(good(), "/triggers/manual/run", now); err != nil {
		t.Errorf("the other key was regenerated: %v", err)
	}
}

// TestNothingCanBeChanged: of many addresses, whatever sign of the query is changed, the
// address is worthless; and none is good for another workflow.
func TestNothingCanBeChanged(t *testing.T) {
	lots := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		s := Signer{Secret: []byte(fmt.Sprint(lots.Uint64())), Primary: lots.Uint64N(3), Secondary: lots.Uint64N(3), Workflow: ID(fmt.Sprint(lots.Uint64()))}
		g := Grant{Path: TriggerRun(fmt.Sprint("t", lots.IntN(9))), Place: Place{lots.Uint32N(99), lots.Uint32N(99)}.String()}
		if lots.IntN(2) == 0 {
			g.Expires = now.Add(time.Hour)
		}
		q := s.Queries(Key(lots.IntN(2)), g)
		if _, err := s.Check(q, g.Path, now); err != nil {
			t.Fatalf("%v: %v", q, err)
		}
		another := s
		another.Workflow = ID("another")
		if _, err := another.Check(q, g.Path, now); err == nil {
			t.Fatalf("%v is good for another workflow", q)
		}
		for name, values := range q {
			text := []byte(values[0])
			text[lots.IntN(len(text))] ^= 1
			changed := url.Values{}
			for n, v := range q {
				changed[n] = v
			}
			changed[name] = []string{string(text)}
			if _, err := s.Check(changed, changed.Get("sp"), now); err == nil {
				t.Fatalf("%v is still good as %v", q, changed)
			}
		}
	}
}

// FuzzCheck: nothing but what was signed is let through, and nothing breaks.
func FuzzCheck(f *testing.F) {
	s := signer()
	good := s.Queries(Primary, Grant{Path: TriggerRun("manual")}).Encode()
	f.Add(good, "/triggers/manual/run")
	f.Add("sp=%2F&sv=1.0&sig=", "/")
	f.Fuzz(func(t *testing.T, query, path string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		if _, err := s.Check(q, path, now); err == nil && (q.Get("sig") != s.Queries(Primary, Grant{Path: TriggerRun("manual")}).Get("sig") || !strings.EqualFold(path, "/triggers/manual/run")) {
			t.Fatalf("%q was let through for %q", query, path)
		}
	})
}

// FuzzParsePlace: what is read is written the same.
func FuzzParsePlace(f *testing.F) {
	f.Add("1.z")
	f.Add("1.")
	f.Fuzz(func(t *testing.T, s string) {
		if p, ok := ParsePlace(s); ok && p.String() != s {
			t.Fatalf("%q is read as %v", s, p)
		}
	})
}
