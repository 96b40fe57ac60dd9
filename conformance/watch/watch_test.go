// Package watch has the real watchdog watch a real pair that loses its primary.
package watch

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// limit bounds everything that is waited for.
const limit = time.Minute

// event is what a webhook gets.
type event struct {
	Kind, Watchdog, Text string
	Alarm                struct{ Key, What, Do string }
}

// pair is two locations with the queue of probes.
func pair(t *testing.T, o server.PairOptions) *server.Pair {
	t.Helper()
	dir := t.TempDir()
	deploy := filepath.Join(dir, "estate.json")
	if err := server.WriteEstate(deploy, []server.Resource{server.Queue("weir-probe", server.Properties{"requiresSession": true, "lockDuration": "PT5S", "defaultMessageTimeToLive": "PT1M"}), server.Queue("orders", nil)}); err != nil {
		t.Fatal(err)
	}
	o.Options = server.Options{Binary: servertest.Binary(t), Dir: dir, Deploy: deploy}
	p, err := server.NewPair(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// hook collects what is posted.
func hook(t *testing.T) (string, <-chan event) {
	events := make(chan event, 100)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e event
		if err := json.NewDecoder(r.Body).Decode(&e); err == nil {
			events <- e
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, events
}

// file keeps a text for a command line.
func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// arguments are those of a watchdog of a pair that sends messages through each location
// and through the address in front.
func arguments(t *testing.T, p *server.Pair, more ...string) []string {
	args := append([]string{"watch", "--connection-file", file(t, p.Emulator())}, more...)
	for _, l := range []*server.Location{p.West, p.East} {
		s := l.Nodes[0]
		args = append(args, "--location", l.Name+"=http://"+s.HTTPAddr()+","+s.Addr(), "--token-file", l.Name+"="+filepath.Join(s.Data(), "admin-token"), "--connection-file", l.Name+"="+file(t, s.Emulator()))
	}
	return args
}

// watchdog runs one until the test ends.
func watchdog(t *testing.T, args []string) {
	t.Helper()
	var talk bytes.Buffer
	cmd := exec.Command(servertest.Binary(t), args...)
	cmd.Stderr = &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(talk.String())
		}
	})
}

// await waits for an event; others that came meanwhile are returned.
func await(t *testing.T, events <-chan event, kind, key string) (others []string) {
	t.Helper()
	over := time.After(limit)
	for {
		select {
		case e := <-events:
			if e.Alarm.What == "" || e.Alarm.Do == "" || e.Text == "" || e.Watchdog == "" {
				t.Errorf("an event says too little: %+v", e)
			}
			if e.Kind == kind && e.Alarm.Key == key {
				return others
			}
			others = append(others, e.Kind+" "+e.Alarm.Key)
		case <-over:
			t.Fatalf("nothing was %s for %s; there were %q", kind, key, others)
		}
	}
}

func TestTheWatchdogPromotesWhenThePrimaryIsKilled(t *testing.T) {
	p := pair(t, server.PairOptions{Mode: "sync"})
	url, events := hook(t)
	watchdog(t, arguments(t, p, "--every", "500ms", "--webhook", url, "--act", server.GroupName))
	if err := p.West.Nodes[0].Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	await(t, events, "raised", "location/west")
	// Three rounds, each as long as a message may take and its client may take to close.
	if took := time.Since(killed); took > 3*(500*time.Millisecond+4*time.Second+time.Second) {
		t.Errorf("the alarm came after %s", took)
	} else {
		t.Logf("the alarm came after %s", took)
	}
	others := await(t, events, "acted", "act/"+server.GroupName)
	t.Logf("the other location was promoted after %s", time.Since(killed))
	g, err := p.East.Group(t.Context())
	if err != nil || g.Standing != "primary" {
		t.Fatalf("east is %+v, %v", g, err)
	}
	if err := p.West.Nodes[0].Launch(); err != nil {
		t.Fatal(err)
	}
	others = append(others, await(t, events, "cleared", "location/west")...)
	if slices.ContainsFunc(others, func(text string) bool { return strings.Contains(text, "/two") }) {
		t.Errorf("both were primary: %q", others)
	}
}

// TestAPairThatIsWell has no alarms: messages pass through both locations, and two
// watchdogs that share the queue do not take each other's. With --once it says so.
func TestAPairThatIsWell(t *testing.T) {
	p := pair(t, server.PairOptions{Mode: "async", Automatic: true})
	url, events := hook(t)
	once := func() (string, error) {
		said, err := exec.Command(servertest.Binary(t), arguments(t, p, "--once")...).CombinedOutput()
		return string(said), err
	}
	for _, every := range []string{"50ms", "60ms"} {
		watchdog(t, arguments(t, p, "--every", every, "--webhook", url, "--rounds", "1"))
	}
	for range 5 {
		if said, err := once(); err != nil || strings.Count(said, "clients get through in") != 3 {
			t.Errorf("%v\n%s", err, said)
		}
	}
	select {
	case e := <-events:
		t.Errorf("told %+v", e)
	default:
	}
	for queue, want := range map[string]string{"missing": "there is no queue missing", "orders": "has no sessions"} {
		said, err := exec.Command(servertest.Binary(t), arguments(t, p, "--once", "--probe-queue", queue)...).CombinedOutput()
		if err == nil || !strings.Contains(string(said), want) || !strings.Contains(string(said), "NAMESPACE/weir-probe") && queue == "orders" {
			t.Errorf("with the queue %s: %v\n%s", queue, err, said)
		}
	}
	// A process that stands still answers nobody, and is told of.
	west := p.West.Nodes[0]
	if err := west.Pause(); err != nil {
		t.Fatal(err)
	}
	await(t, events, "raised", "location/west")
	said, err := once()
	if err := west.Resume(); err != nil {
		t.Fatal(err)
	}
	if err == nil || !strings.Contains(said, "critical: ") {
		t.Errorf("--once while west stands still: %v\n%s", err, said)
	}
	await(t, events, "cleared", "location/west")
}
