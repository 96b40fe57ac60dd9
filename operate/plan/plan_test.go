package plan

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/internal/groups"
	"weir/operate/evidence"
	"weir/operate/plan/core"
)

var update = flag.Bool("update", false, "write what is answered into testdata")

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func look(t *testing.T, o Options) core.Facts {
	t.Helper()
	o.Within, o.ClockLooks, o.Types = 5*time.Second, 1, busTypes
	return Look(t.Context(), o)
}

func found(r *core.Report, rule string) *core.Finding {
	i := slices.IndexFunc(r.Findings, func(f core.Finding) bool { return f.Rule == rule })
	if i < 0 {
		return nil
	}
	return &r.Findings[i]
}

func TestTheReportReads(t *testing.T) {
	west, east := newFake(t, "west", "east", true), newFake(t, "east", "west", false)
	east.status.Units[0].Ready, east.status.Units[0].Reason = false, "it is catching up"
	flows, err := parseEstate([]byte(example+"  \n"), []string{"west", "east"})
	if err != nil {
		t.Fatal(err)
	}
	f := look(t, Options{
		Locations: []groups.Location{west.location(), east.location()}, Trust: trusting(west), Flows: flows, Evidence: drilledOn(t, noon.AddDate(0, 0, -9)),
	})
	// What another run has otherwise.
	for i := range f.Places {
		if c := f.Places[i].Clock; c == nil || c.Most < 0 || c.Least > 0 || c.Most-c.Least > 10*time.Second {
			t.Errorf("the clock of %s, which is ours, is %v ahead", f.Places[i].Name, c)
		}
		f.Places[i].Clock = &core.Clock{Least: -450 * time.Millisecond, Most: 550 * time.Millisecond}
	}
	r := core.Judge(noon, f)
	var text, data bytes.Buffer
	if err := errors.Join(Text(&text, r), writeJSON(&data, r)); err != nil {
		t.Fatal(err)
	}
	same := strings.NewReplacer(west.URL, "https://WEST", east.URL, "http://EAST", strings.TrimPrefix(west.URL, "https://"), "WEST", noon.Local().Format("2006-01-02 15:04:05"), "NOON")
	golden(t, "report.txt", same.Replace(text.String()))
	golden(t, "report.json", same.Replace(data.String()))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(file, []byte(got), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what is answered now (-update writes it):\n%s", file, got)
	}
}

// drilledOn makes a directory with a signed record of a drill.
func drilledOn(t *testing.T, day time.Time) string {
	t.Helper()
	dir := t.TempDir()
	key, err := evidence.Key(dir)
	if err != nil {
		t.Fatal(err)
	}
	r := evidence.Record{Group: "orders", Kind: "isolation", At: day, Began: day, Ended: day, RTOSeconds: 5.5, RPOMessages: 3, Invariants: []evidence.Invariant{{What: "nothing is lost", Held: true}}}
	if err := evidence.Write(filepath.Join(dir, "orders-isolation.json"), &r, key); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestWhatIsCountedIsNoDrift(t *testing.T) {
	west, east := newFake(t, "west", "east", false), newFake(t, "east", "west", false)
	o := Options{Locations: []groups.Location{west.location(), east.location()}}
	if f := found(core.Judge(noon, look(t, o)), "entity-differs"); f != nil {
		t.Errorf("counts are taken for declarations: %s", f.What)
	}
	queue := east.documents[3]["properties"].(map[string]any)
	queue["status"] = "Disabled"
	f := found(core.Judge(noon, look(t, o)), "entity-differs")
	if f == nil || !strings.Contains(f.What, "queues/incoming: status") {
		t.Errorf("a queue that is disabled in one location: %+v", f)
	}
}

// TestALocationThatIsAwayIsOneFinding has one location that refuses connections, one that
// answers nothing, and one that does not take the token; the other one is judged.
func TestALocationThatIsAwayIsOneFinding(t *testing.T) {
	held := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-held:
		case <-r.Context().Done():
		}
	}))
	defer silent.Close()
	defer close(held)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	strict := newFake(t, "east", "west", false)
	for _, c := range []struct {
		name string
		east groups.Location
		rule string
	}{
		{"refuses connections", groups.Location{Name: "east", Admin: []string{"http://" + gone.Addr().String()}, Token: token}, "location-away"},
		{"says nothing", groups.Location{Name: "east", Admin: []string{silent.URL}, Token: token}, "location-away"},
		{"does not take the token", groups.Location{Name: "east", Admin: []string{strict.URL}, Token: "another"}, "token-refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			west := newFake(t, "west", "east", false)
			west.status.Units[0].Connected = false
			f := Look(t.Context(), Options{Locations: []groups.Location{west.location(), c.east}, Within: time.Second, ClockLooks: 1, Types: busTypes})
			r := core.Judge(noon, f)
			if found(r, c.rule) == nil || found(r, "link-away") == nil {
				t.Errorf("finds %+v", r.Findings)
			}
			for _, x := range r.Findings {
				if x.About["location"] == "east" && x.Rule != c.rule && x.Rule != "shared-host" {
					t.Errorf("what was not seen is judged: %s: %s", x.Rule, x.What)
				}
			}
			if !slices.ContainsFunc(r.Unjudged, func(u core.Unjudged) bool { return u.Why == "east does not answer" }) {
				t.Errorf("it is not said what could not be judged: %+v", r.Unjudged)
			}
		})
	}
}

func TestANodeThatIsAwayIsOneFinding(t *testing.T) {
	west, east := newFake(t, "west", "east", false), newFake(t, "east", "west", false)
	l := west.location()
	l.Admin = []string{"http://127.0.0.1:1", west.URL}
	r := core.Judge(noon, look(t, Options{Locations: []groups.Location{l, east.location()}}))
	if found(r, "node-away") == nil || found(r, "location-away") != nil || r.Groups[0].Primary != "west" {
		t.Errorf("finds %+v", r.Findings)
	}
}

func TestAliasesAreLookedUp(t *testing.T) {
	west, east := newFake(t, "west", "east", false), newFake(t, "east", "west", false)
	server := nameServer(t, "orders.bus.example.com.", "orders.bus.example.com. 300 IN CNAME front.example.com.", "front.example.com. 20 IN A 203.0.113.9")
	o := Options{Locations: []groups.Location{west.location(), east.location()}, Aliases: []string{"orders.bus.example.com", "gone.example.com"}, Resolver: server}
	f := look(t, o)
	if a := f.Aliases[0]; a.Err != "" || !slices.Equal(a.Addresses, []string{"203.0.113.9"}) || a.TTL != 20*time.Second {
		t.Errorf("%+v", a)
	}
	if a := f.Aliases[1]; !strings.Contains(a.Err, "NXDOMAIN") {
		t.Errorf("%+v", a)
	}
	if r := core.Judge(noon, f); found(r, "alias-elsewhere") == nil || found(r, "alias-unresolved") == nil {
		t.Errorf("finds %+v", r.Findings)
	}
}

func TestCertificatesAreLookedAt(t *testing.T) {
	west := newFake(t, "west", "east", true)
	p := &place{o: Options{Within: 5 * time.Second, Aliases: []string{"orders.bus.example.com"}}, seen: core.Place{Admin: []string{west.URL}}}
	ends := p.ends(t.Context())
	if len(ends) != 1 || ends[0].Untrusted == "" || ends[0].HostErr || !ends[0].NotAfter.Equal(west.Certificate().NotAfter) {
		t.Errorf("with the system's authorities: %+v", ends)
	}
	p.o.Trust = trusting(west)
	if ends = p.ends(t.Context()); len(ends) != 1 || ends[0].Untrusted != "" {
		t.Errorf("with its own: %+v", ends)
	}
	if e := p.judged([]*x509.Certificate{west.Certificate()}, "west.example.org"); !e.HostErr {
		t.Errorf("a name that it does not cover: %+v", e)
	}
}

func TestRecordsThatWereChangedAreTold(t *testing.T) {
	dir := drilledOn(t, noon)
	signed, err := os.ReadFile(filepath.Join(dir, "orders-isolation.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"changed.json": strings.Replace(string(signed), `"rtoSeconds":5.5`, `"rtoSeconds":0.5`, 1),
		"plain.json":   `{"group":"orders","kind":"switch","at":"2026-11-20T00:00:00Z","rpoMessages":0,"rtoSeconds":0.2}`,
		"else.json":    `[1, 2]`,
		"other.json":   `{"name": "no record"}`,
		"torn.json":    `{"group":`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := readDrills(dir)
	if len(d.Bad) != 1 || !strings.Contains(d.Bad[0].File, "changed.json") || len(d.Records) != 2 {
		t.Errorf("%+v", d)
	}
	for _, r := range d.Records {
		if signed := r.Signer != ""; signed != (r.Kind == "isolation") {
			t.Errorf("%s is signed: %v", r.File, signed)
		}
	}
}

func TestTheCommandSaysHowItEnded(t *testing.T) {
	west, east := newFake(t, "west", "east", false), newFake(t, "east", "west", true)
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	secret := write("token", token+"\n")
	authority := write("ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: east.Certificate().Raw})))
	both := []string{"--location", "west=" + west.URL + "/", "--location", "east=" + east.URL, "--token-file", secret, "--ca-file", authority}
	run := func(args ...string) (string, int) {
		var out bytes.Buffer
		cmd := Command(Knowledge{Types: busTypes})
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		cmd.SetArgs(args)
		err := cmd.ExecuteContext(t.Context())
		status := interface{ ExitStatus() int }(nil)
		switch {
		case err == nil:
			return out.String(), 0
		case errors.As(err, &status):
			return out.String() + err.Error(), status.ExitStatus()
		}
		return out.String() + err.Error(), 1
	}
	if out, status := run(append(both, "--json")...); status != 0 || !json.Valid([]byte(out)) || strings.Contains(out, token) {
		t.Errorf("status %d: %s", status, out)
	}
	east.status.Units[0].Role = "broken"
	if out, status := run(both...); status != ExitNotReady || !strings.Contains(out, "unit-broken") || !strings.Contains(out, "not ready: 1 error") {
		t.Errorf("status %d: %s", status, out)
	}
	if out, status := run("--rules"); status != 0 || !strings.Contains(out, "no-witness") {
		t.Errorf("status %d: %s", status, out)
	}
	wrong := write("estate.yaml", "flows:\n- {name: a, path: [x], rto: 5, reviewed: soon, strategy: multi}\n- {name: a, paths: [[{name: y, where: north, availability: most}]]}\n")
	for _, args := range [][]string{{"--token-file", secret}, both[:4], append(both, "--location", both[1]), append(both, "--estate", wrong), append(both, "--resolver", "example"), append(both, "--evidence", filepath.Join(dir, "none"))} {
		if out, status := run(args...); status != ExitUsage {
			t.Errorf("%v: status %d: %s", args, status, out)
		}
	}
	out, _ := run(append(both, "--estate", wrong)...)
	for _, mistake := range []string{`"x", which is not among`, "rto", "reviewed", "twice", `"north"`, "percentage"} {
		if !strings.Contains(out, mistake) {
			t.Errorf("a mistake is not told (%s): %s", mistake, out)
		}
	}
}
