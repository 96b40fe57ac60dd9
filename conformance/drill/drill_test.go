// Package drill rehearses failovers of a real pair with the real command.
package drill

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// drillWithin bounds one drill; a good one takes a quarter of that.
const drillWithin = 2 * time.Minute

// pair starts two locations that have what drills need.
func pair(t *testing.T, mode string, group server.Properties) (p *server.Pair, out string) {
	t.Helper()
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
	p, err = server.NewPair(server.PairOptions{
		Options: server.Options{Binary: servertest.Binary(t), Dir: dir, Deploy: deploy}, Mode: mode, Automatic: true, Group: group,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p, filepath.Join(dir, "drills")
}

// command is a drill of a pair. It ends with the test.
func command(t *testing.T, p *server.Pair, out, kind string, more ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(t.Context(), drillWithin)
	t.Cleanup(cancel)
	args := []string{"drill", server.GroupName, "--kind", kind, "--out", out, "--steady", "1s", "--json"}
	for _, l := range []*server.Location{p.West, p.East} {
		s := l.Nodes[0]
		args = append(args, "--location", l.Name+"=http://"+s.HTTPAddr()+","+s.Addr(), "--token-file", l.Name+"="+filepath.Join(s.Data(), "admin-token"))
	}
	return exec.CommandContext(ctx, servertest.Binary(t), append(args, more...)...)
}

// signed is as much of a record as the tests look at.
type signed struct {
	Record struct {
		Kind        string
		RPOMessages int
		RTOSeconds  float64
		Account     struct{ Acknowledged, Lost int }
		Events      []struct{ What string }
		Invariants  []struct {
			What, Was string
			Held      bool
		}
	}
}

// rehearse runs a drill that is to go well.
func rehearse(t *testing.T, p *server.Pair, out, kind string, more ...string) (s signed) {
	t.Helper()
	var talk bytes.Buffer
	cmd := command(t, p, out, kind, more...)
	cmd.Stderr = &talk
	said, err := cmd.Output()
	t.Logf("\n%s", talk.String())
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	if err := json.Unmarshal(said, &s); err != nil {
		t.Fatal(err)
	}
	r := s.Record
	if r.Kind != kind || r.Account.Acknowledged == 0 || r.Account.Lost != 0 || len(r.Invariants) < 6 || r.RTOSeconds <= 0 {
		t.Errorf("the record says %s", said)
	}
	for _, i := range r.Invariants {
		if !i.Held {
			t.Errorf("%s: did not hold: %s", i.What, i.Was)
		}
	}
	return s
}

func TestDrills(t *testing.T) {
	p, out := pair(t, "async", server.Properties{"rtoSeconds": 60, "rpoSeconds": 60})
	for _, kind := range []string{"switch", "isolation", "forced"} {
		t.Run(kind, func(t *testing.T) { rehearse(t, p, out, kind) })
	}
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

// In sync mode nothing may be missing.
func TestADrillInSyncMode(t *testing.T) {
	p, out := pair(t, "sync", server.Properties{"whenAway": "degrade"})
	if s := rehearse(t, p, out, "isolation"); s.Record.RPOMessages != 0 {
		t.Errorf("%d acknowledged orders were missing", s.Record.RPOMessages)
	}
}

// Where nobody would be served alone an isolation is refused, and a switch is not.
func TestADrillIsNoOutage(t *testing.T) {
	p, out := pair(t, "sync", server.Properties{"whenAway": "stop"})
	said, err := command(t, p, out, "isolation").CombinedOutput()
	if err == nil || !strings.Contains(string(said), "whenAway: degrade") {
		t.Errorf("it was not refused: %v\n%s", err, said)
	}
	if g, err := p.West.Group(t.Context()); err != nil || g.Term != 1 || g.IsolatedUntil != nil {
		t.Errorf("the group was touched: %+v, %v", g, err)
	}
	rehearse(t, p, out, "switch")
}

// An interrupt while the primary is isolated ends the isolation, leaves evidence that
// nobody takes for a success.
func TestAnInterruptedDrill(t *testing.T) {
	p, out := pair(t, "async", nil)
	cmd := command(t, p, out, "isolation")
	talk, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stdout = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var heard strings.Builder
	buffer := make([]byte, 1024)
	for interrupted := false; ; {
		n, err := talk.Read(buffer)
		heard.Write(buffer[:n])
		if !interrupted && strings.Contains(heard.String(), "noticed that") {
			interrupted = true
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Error("an interrupted drill goes well")
	}
	t.Logf("\n%s", heard.String())
	if !strings.Contains(heard.String(), "the isolation ends") {
		t.Error("nothing is said of the isolation")
	}
	for _, l := range []*server.Location{p.West, p.East} {
		g, err := l.Group(t.Context())
		if err != nil || g.IsolatedUntil != nil && g.IsolatedUntil.After(time.Now()) {
			t.Errorf("%s stays isolated: %+v, %v", l.Name, g, err)
		}
	}
	var s signed
	if err := json.Unmarshal(said.Bytes(), &s); err != nil {
		t.Fatalf("%v in %s", err, said.String())
	}
	if i := s.Record.Invariants[0]; i.Held || !strings.Contains(i.What, "got to its end") {
		t.Errorf("the record says %+v", s.Record.Invariants)
	}
}
