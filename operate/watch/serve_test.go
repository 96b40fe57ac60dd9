package watch

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/internal/groups"
)

// TestTwoWatchdogs ask each other over a real network.
func TestTwoWatchdogs(t *testing.T) {
	one := New(Options{Name: "one", Listen: "127.0.0.1:0", Every: time.Hour})
	if err := one.Start(); err != nil {
		t.Fatal(err)
	}
	defer one.Stop()
	url := "http://" + one.Addr()
	two := New(Options{Name: "two", Peers: []string{url}})
	two.began = time.Now()
	if p := two.askPeer(t.Context(), url); p.Err != "" || p.Name != "one" || p.Silent > 20*time.Second {
		t.Errorf("two hears %+v", p)
	}
	if others := two.Show().Peers; len(others) != 1 || others[0].Name != "one" {
		t.Errorf("two shows %+v", others)
	}
	if p := one.askPeer(t.Context(), url); !strings.Contains(p.Err, "this watchdog itself") {
		t.Errorf("one hears itself: %+v", p)
	}
	one.server.Close()
	if p := two.askPeer(t.Context(), url); p.Err == "" || strings.Contains(p.Err, url) {
		t.Errorf("two hears %+v", p)
	}
}

func TestPrometheusReadsIt(t *testing.T) {
	w := newWorld()
	w.set(func(w *world) { w.status["east"].Standing = groups.Salvage })
	dog := w.watchdog(t, func(o *Options) { o.Listen, o.Limits.Rounds = "127.0.0.1:0", 1 })
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for dog.Show().Rounds == 0 {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("no round ended")
		}
	}
	answer, err := http.Get("http://" + dog.Addr() + "/watch/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`weir_watch_alarm{key="group/orders/east/salvage",severity="error"} 1`, "weir_watch_rounds_total 1", `weir_watch_location_up{location="west"} 1`, `weir_watch_events_lost_total{to="http://hook"} 0`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
}

// TestSettings reads a file, and refuses what can not work all at once.
func TestSettings(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	token := file("token", "secret")
	west := file("west", "Endpoint=sb://127.0.0.1:5672;SharedAccessKeyName=k;SharedAccessKey=s;UseDevelopmentEmulator=true\n")
	good := "location: [west=http://127.0.0.1:8080]\ntoken-file: [" + token + "]\n"
	read := func(text string) (*flags, Options, error) {
		f := defaults()
		set := f.settings()
		if err := set.Load(func(string) (string, bool) { return "", false }, file("config.yaml", text)); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		o, err := f.options(io.Discard)
		return f, o, err
	}
	_, o, err := read(good + "rounds: 5\nevery: 2s\nact: [group=orders, billing]\nconnection-file: [west=" + west + ", " + west + "]\nexec: page me\n")
	if err != nil {
		t.Fatal(err)
	}
	if o.Limits.Rounds != 5 || o.Every != 2*time.Second || strings.Join(o.Act, " ") != "orders billing" || o.Probe == nil || o.Data["west"] == nil || len(o.Exec) != 2 {
		t.Errorf("%+v", o)
	}
	for want, text := range map[string]string{
		"needs something to watch":    "",
		"more than nothing":           good + "rounds: 0\n",
		"none of the locations":       good + "connection-file: [east=" + west + "]\n",
		"no such file":                good + "connection-file: [nowhere]\n",
		"no callback URL":             good + "workflow-file: [west=" + west + "]\n",
		"connection string can not":   good + "connection: nonsense\n",
		"--webhook takes the URL":     good + "webhook: [hooks.example.com]\n",
		"--listen here":               good + "listen: here\n",
		"certificate (--tls-cert":     good + "tls-cert: nowhere\n",
		"asked with its administrati": "location: [west=http://127.0.0.1:8080]\n",
	} {
		if _, _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
