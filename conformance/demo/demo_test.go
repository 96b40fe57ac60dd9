// Package demo runs the demonstration as a user does.
package demo

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"weir/conformance/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

func TestTheDemonstrationKeepsEveryOrder(t *testing.T) {
	for _, mode := range []string{"async", "sync"} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			out, err := exec.Command(servertest.Binary(t), "demo", "--mode", mode, "--rate", "100", "--dir", dir).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if !bytes.Contains(out, []byte("held     every acknowledged order was processed")) || bytes.Contains(out, []byte("\x1b")) {
				t.Errorf("it says\n%s", out)
			}
			data, err := os.ReadFile(filepath.Join(dir, "evidence.json"))
			if err != nil {
				t.Fatal(err)
			}
			var signed struct {
				Record struct {
					Group   string
					Account struct{ Acknowledged, Lost int }
					Salvage any
				}
				Signature string
			}
			if err := json.Unmarshal(data, &signed); err != nil {
				t.Fatal(err)
			}
			if r := signed.Record; r.Group != "orders" || r.Account.Acknowledged < 100 || r.Account.Lost != 0 || signed.Signature == "" {
				t.Errorf("the record says %s", data)
			}
		})
	}
}

// An order flow of workflows that is killed in the middle: every order ends exactly once,
// as the HTTP service outside counts.
func TestTheOrderFlowEndsEveryOrderOnce(t *testing.T) {
	dir := t.TempDir()
	out, err := exec.Command(servertest.Binary(t), "demo", "orders", "--rate", "20", "--dir", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"held     every order was charged for", "held     no order was charged for twice", "held     every order has its result", "held     every file was taken"} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
}

// The example is the flow that the demonstration plays.
func TestTheExampleIsTheFlow(t *testing.T) {
	for _, name := range []string{"take.json", "bill.json"} {
		played, err := os.ReadFile(filepath.Join("../../operate/demo/estate", name))
		if err != nil {
			t.Fatal(err)
		}
		shown, err := os.ReadFile(filepath.Join("../../examples/orders/workflows", name))
		if err != nil || !bytes.Equal(played, shown) {
			t.Errorf("%s of the example is another one (%v)", name, err)
		}
	}
	out, err := exec.Command(servertest.Binary(t), "workflow", "validate", "../../examples/orders", "--json").CombinedOutput()
	if err != nil || bytes.Count(out, []byte(`"valid": true`))+bytes.Count(out, []byte(`"valid":true`)) < 4 {
		t.Errorf("the definitions of the example are not valid: %v\n%s", err, out)
	}
}
