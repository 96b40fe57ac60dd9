// Package proton_test runs the scenarios of this folder, which play Debian's
// python3-qpid-proton against a started server: it is the one stock client here
// that has AMQP transactions.
package proton_test

import (
	"os/exec"
	"regexp"
	"testing"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// python is the interpreter that Debian's package belongs to; another one first
// in the path would not find it.
const python = "/usr/bin/python3"

var short = server.Properties{"lockDuration": "PT5S"}

var needs = []server.Resource{
	server.Queue("commit-sends", nil), server.Queue("abort-sends", nil), server.Queue("move-from", nil), server.Queue("move-to", nil),
	server.Queue("stay", short), server.Queue("not-reached", nil), server.Queue("in-queue", nil), server.Queue("bury", nil),
	server.Queue("cut-off", nil), server.Queue("two-at-once", nil), server.Queue("in-turn", nil),
	server.Topic("in-topic", nil), server.Subscription("in-topic", "one", nil), server.Subscription("in-topic", "two", nil),
}

var outcomes = regexp.MustCompile(`(?m)^(ok|not ok) \d+ - (.+)\n((?:#.*\n)*)`)

func TestTransactions(t *testing.T) {
	if out, err := exec.Command(python, "-c", "import proton").CombinedOutput(); err != nil {
		t.Fatalf("transactions are tried with the Python client of Qpid Proton, which %s does not have: install it with `apt-get install python3-qpid-proton`\n%s", python, out)
	}
	srv := servertest.Start(t, needs)
	cmd := exec.Command(python, "-B", "transactions.py", "amqp://"+server.RootKeyName+":SAS_KEY_VALUE@"+srv.Addr())
	out, failed := cmd.CombinedOutput()
	seen := 0
	for _, m := range outcomes.FindAllSubmatch(out, -1) {
		seen++
		t.Run(string(m[2]), func(t *testing.T) {
			if string(m[1]) != "ok" {
				t.Errorf("%s", m[3])
			}
		})
	}
	if failed != nil || seen == 0 {
		t.Errorf("transactions.py: %v, %d scenarios\n%s", failed, seen, out)
	}
}
