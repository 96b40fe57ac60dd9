// Package drill rehearses failovers of a real pair with the real command.
package drill

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

func TestDrills(t *testing.T) {
	dir := t.TempDir()
	deploy := filepath.Join(dir, "estate.json")
	twice, soon := server.Properties{"requiresDuplicateDetection": true}, server.Properties{"lockDuration": "PT5S"}
	err := server.WriteEstate(deploy, []server.Resource{
		server.Queue("weir-orders", server.Properties{"requiresDuplicateDetection": true, "lockDuration": "PT5S"}), server.Topic("weir-order-events", twice),
		server.Subscription("weir-order-events", "billing", soon), server.Subscription("weir-order-events", "shipping", soon),
	})
	if err != nil {
		t.Fatal(err)
	}
	p, err := server.NewPair(server.PairOptions{
		Options: server.Options{Binary: servertest.Binary(t), Dir: dir, Deploy: deploy}, Mode: "async", Automatic: true, Group: server.Properties{"rtoSeconds": 60},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "drills")
	for _, kind := range []string{"switch", "isolation", "forced"} {
		t.Run(kind, func(t *testing.T) {
			args := []string{"drill", server.GroupName, "--kind", kind, "--out", out, "--steady", "1s", "--json"}
			var talk bytes.Buffer
			cmd := exec.Command(servertest.Binary(t), append(args, locations(p)...)...)
			cmd.Stderr = &talk
			said, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s%s", err, talk.String(), said)
			}
			t.Logf("\n%s", talk.String())
			var signed struct {
				Record struct {
					Kind       string
					RTOSeconds float64
					Account    struct{ Acknowledged, Lost int }
					Invariants []struct {
						What string
						Held bool
					}
				}
			}
			if err := json.Unmarshal(said, &signed); err != nil {
				t.Fatal(err)
			}
			r := signed.Record
			if r.Kind != kind || r.Account.Acknowledged == 0 || r.Account.Lost != 0 || len(r.Invariants) < 5 {
				t.Errorf("the record says %s", said)
			}
			for _, i := range r.Invariants {
				if !i.Held {
					t.Errorf("%s did not hold", i.What)
				}
			}
		})
	}
	planned(t, p, out)
	records, err := filepath.Glob(filepath.Join(out, "*.json"))
	if err != nil || len(records) != 3 {
		t.Fatalf("records %v, %v", records, err)
	}
	if said, err := exec.Command(servertest.Binary(t), append([]string{"drill", "verify"}, records...)...).CombinedOutput(); err != nil || strings.Count(string(said), "everything held; signed by") != 3 {
		t.Errorf("verified: %v\n%s", err, said)
	}
	data, err := os.ReadFile(records[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(records[0], bytes.Replace(data, []byte(`"lost":0`), []byte(`"lost":1`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := exec.Command(servertest.Binary(t), "drill", "verify", records[0]).Output(); err == nil {
		t.Error("a changed record verifies")
	}
}

// locations are the flags that name both.
func locations(p *server.Pair) (args []string) {
	for _, l := range []*server.Location{p.West, p.East} {
		s := l.Nodes[0]
		args = append(args, "--location", l.Name+"=http://"+s.HTTPAddr()+","+s.Addr(), "--token-file", l.Name+"="+filepath.Join(s.Data(), "admin-token"))
	}
	return args
}

// planned asks for a plan of the pair: nothing is wrong with it but that it is small, and
// the drills are known.
func planned(t *testing.T, p *server.Pair, drills string) {
	out, err := exec.Command(servertest.Binary(t), append([]string{"plan", "--json", "--evidence", drills}, locations(p)...)...).Output()
	var report struct {
		Groups   []struct{ LastEvidence *struct{ Kind string } }
		Findings []struct{ Rule, Severity, About, What string }
	}
	if jsonErr := json.Unmarshal(out, &report); err != nil || jsonErr != nil {
		t.Fatalf("%v, %v\n%s", err, jsonErr, out)
	}
	if len(report.Groups) != 1 || report.Groups[0].LastEvidence == nil || report.Groups[0].LastEvidence.Kind != "forced" {
		t.Errorf("the plan says of groups\n%s", out)
	}
	small := "location-one-door location-loopback group-witness-one group-targets"
	for _, f := range report.Findings {
		if !strings.Contains(small, f.Rule) {
			t.Errorf("the plan finds %s, %s: %s: %s", f.Severity, f.Rule, f.About, f.What)
		}
	}
}
