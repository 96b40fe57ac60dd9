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
	"strings"
	"testing"
	"time"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// event is what a webhook gets.
type event struct {
	Kind  string
	Alarm struct{ Key, What, Do string }
}

func TestTheWatchdogPromotesWhenThePrimaryIsKilled(t *testing.T) {
	dir := t.TempDir()
	deploy := filepath.Join(dir, "estate.json")
	if err := server.WriteEstate(deploy, []server.Resource{server.Queue("weir-probe", nil)}); err != nil {
		t.Fatal(err)
	}
	p, err := server.NewPair(server.PairOptions{Options: server.Options{Binary: servertest.Binary(t), Dir: dir, Deploy: deploy}, Mode: "sync"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	events := make(chan event, 100)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e event
		if err := json.NewDecoder(r.Body).Decode(&e); err == nil {
			events <- e
		}
	}))
	defer hook.Close()
	connection := filepath.Join(dir, "connection")
	if err := os.WriteFile(connection, []byte(p.Emulator()), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"watch", "--every", "500ms", "--connection-file", connection, "--within", "3s", "--webhook", hook.URL, "--act", server.GroupName}
	for _, l := range []*server.Location{p.West, p.East} {
		s := l.Nodes[0]
		args = append(args, "--location", l.Name+"=http://"+s.HTTPAddr()+","+s.Addr(), "--token-file", l.Name+"="+filepath.Join(s.Data(), "admin-token"))
	}
	var talk bytes.Buffer
	cmd := exec.Command(servertest.Binary(t), args...)
	cmd.Stderr = &talk
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(talk.String())
		}
	}()
	if err := p.West.Nodes[0].Kill(); err != nil {
		t.Fatal(err)
	}
	limit := time.After(time.Minute)
	wait := func(kind, key string) {
		t.Helper()
		for {
			select {
			case e := <-events:
				if e.Kind == kind && strings.HasPrefix(e.Alarm.Key, key) && e.Alarm.What != "" && e.Alarm.Do != "" {
					return
				}
			case <-limit:
				t.Fatalf("nothing was %s for %s", kind, key)
			}
		}
	}
	wait("raised", "location/west")
	wait("acted", "act/")
	g, err := p.East.Group(t.Context())
	if err != nil || g.Standing != "primary" {
		t.Fatalf("east is %+v, %v", g, err)
	}
	if err := p.West.Nodes[0].Launch(); err != nil {
		t.Fatal(err)
	}
	wait("cleared", "location/west")
}
