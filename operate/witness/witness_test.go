package witness_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"weir/kernel/ballot"
	"weir/operate/witness"
)

const secret = "a secret of a witness"

func TestAWitnessRemembers(t *testing.T) {
	dir := t.TempDir()
	for life := range 2 {
		w, err := witness.Start(witness.Options{Listen: "127.0.0.1:0", Data: dir, Secret: secret})
		if err != nil {
			t.Fatal(err)
		}
		v := ballot.Remote{URL: "http://" + w.Addr() + "/ballot", Secret: secret, Client: &http.Client{Timeout: 10 * time.Second}}
		a, err := v.Ask(t.Context(), "orders", ballot.Request{Location: "west", Verb: ballot.Hold, Term: 1, For: time.Minute})
		if err != nil || !a.Granted {
			t.Errorf("life %d: %+v, %v", life, a, err)
		}
		a, err = v.Ask(t.Context(), "orders", ballot.Request{Location: "east", Verb: ballot.Hold, Term: 2, For: time.Minute})
		if err != nil || a.Granted || a.Holder != "west" {
			t.Errorf("life %d: %+v, %v", life, a, err)
		}
		resp, err := http.Get("http://" + w.Addr() + "/healthz/live")
		if err != nil {
			t.Fatal(err)
		}
		said, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || string(said) != "witness\n" {
			t.Errorf("health: %d %q", resp.StatusCode, said)
		}
		if err := w.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestAWitnessNeedsASecret(t *testing.T) {
	if _, err := witness.Start(witness.Options{Listen: "127.0.0.1:0", Data: t.TempDir(), Secret: "short"}); err == nil || !strings.Contains(err.Error(), "16") {
		t.Errorf("started: %v", err)
	}
}
