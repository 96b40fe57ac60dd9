// Package node_test runs the scenarios of this folder, which play the unmodified
// @azure/service-bus from npm, against a started server.
//
// The packages that package-lock.json names are installed once into the user's
// cache, in a folder named after the lock file's hash; the tests need node and
// npm and fail without them.
package node_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// The keys that the estate declares.
const (
	sendKey   = "c2VuZC1vbmx5LWtleS1vZi10aGUtY29uZm9ybWFuY2U="
	listenKey = "bGlzdGVuLW9ubHkta2V5LW9mLXRoZS1jb25mb3JtYW4="
	allKey    = "YWxsLXJpZ2h0cy1rZXktb2YtdGhlLWNvbmZvcm1hbmM="
)

// files are the scenarios, each with what must be declared for it.
var files = map[string][]server.Resource{
	"queues":   queues,
	"time":     timed,
	"sessions": sessions,
	"topics":   topics,
	"admin": {
		server.Queue("listed", nil), server.Key("ListenOnly", listenKey, "Listen"), server.Key("All", allKey, "Manage", "Send", "Listen"),
	},
	"arm": nil,
	"doors": {
		server.Queue("behind-doors", nil), server.Queue("claims", nil), server.Queue("tokens", nil),
		server.Key("SendOnly", sendKey, "Send"), server.Key("ListenOnly", listenKey, "Listen"), server.Key("All", allKey, "Manage", "Send", "Listen"),
	},
}

var queues = append(plainQueues("plain", "properties", "batch", "at-most-once", "idle", "streamed", "iterated", "abandoned", "deferred", "buried", "peeked", "bodies", "to", "large"),
	server.Queue("twice", server.Properties{"maxDeliveryCount": 2}),
	server.Queue("locked", server.Properties{"lockDuration": "PT5S"}),
	server.Queue("from", server.Properties{"forwardTo": "to"}),
	server.Queue("disabled", server.Properties{"status": "Disabled"}),
)

var timed = append(plainQueues("scheduled", "scheduled-by-property", "cancelled"),
	server.Queue("expiring", server.Properties{"deadLetteringOnMessageExpiration": true}),
	server.Queue("deduplicated", server.Properties{"requiresDuplicateDetection": true}),
)

var sessions = append(sessionQueues("named", "next", "held", "stateful", "ordered", "streamed", "ends"),
	server.Queue("expiring", server.Properties{"requiresSession": true, "lockDuration": "PT5S"}),
	server.Queue("no-sessions", nil),
	server.Topic("session-topic", nil), server.Subscription("session-topic", "s", server.Properties{"requiresSession": true}),
)

var topics = []server.Resource{
	server.Topic("news", nil), server.Subscription("news", "one", nil), server.Subscription("news", "two", nil),
	server.Topic("ruled", nil), server.Subscription("ruled", "s", nil),
	server.Topic("later", nil), server.Subscription("later", "s", nil),
	server.Queue("forwarded", nil),
	server.Topic("dead-topic", nil), server.Subscription("dead-topic", "s", nil), server.Subscription("dead-topic", "f", server.Properties{"forwardTo": "forwarded"}),
}

func plainQueues(names ...string) (all []server.Resource) {
	for _, name := range names {
		all = append(all, server.Queue(name, nil))
	}
	return all
}

func sessionQueues(names ...string) (all []server.Resource) {
	for _, name := range names {
		all = append(all, server.Queue(name, server.Properties{"requiresSession": true}))
	}
	return all
}

func TestScenarios(t *testing.T) {
	dir := install(t)
	for name, needs := range files {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := servertest.Start(t, needs)
			play(t, dir, name+".test.mjs", environment(t, srv))
		})
	}
}

func environment(t *testing.T, srv *server.Server) []string {
	return append(os.Environ(),
		"WEIR_CONNECTION="+srv.Emulator(),
		"WEIR_AMQP="+srv.Addr(), "WEIR_AMQPS="+srv.TLSAddr(), "WEIR_HTTPS="+srv.HTTPSAddr(),
		"WEIR_SEND_KEY="+sendKey, "WEIR_LISTEN_KEY="+listenKey, "WEIR_ALL_KEY="+allKey,
		"WEIR_TOKEN="+adminToken(t, srv),
		"NODE_EXTRA_CA_CERTS="+servertest.CAFile(t, srv),
	)
}

// adminToken is the administration token of a server.
func adminToken(t *testing.T, srv *server.Server) string {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(srv.Data(), "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(token))
}

// install brings the packages and the scenarios into one folder of the user's
// cache.
func install(t *testing.T) (dir string) {
	t.Helper()
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir = filepath.Join(cache, "weir-conformance", fmt.Sprintf("node-%x", sha256.Sum256(lock))[:24])
	done := filepath.Join(dir, "installed")
	if _, err := os.Stat(done); err != nil {
		npm(t, dir)
		if err := os.WriteFile(done, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// npm installs exactly what the lock file names.
func npm(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		copyFile(t, name, filepath.Join(dir, name))
	}
	cmd := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v (these tests need Node.js 20 or later with npm, and its registry)\n%s", err, out)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// outcomes are the lines in which node's test runner says how a test went.
var outcomes = regexp.MustCompile(`(?m)^ *(ok|not ok) \d+ - (.+?)( #.*)?$`)

// play runs one file of scenarios and shows each as a test of its own.
func play(t *testing.T, dir, file string, env []string) {
	t.Helper()
	run, err := os.MkdirTemp(dir, "run-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(run)
	for _, name := range []string{"stage.mjs", file} {
		copyFile(t, name, filepath.Join(run, name))
	}
	cmd := exec.Command("node", "--test", "--test-reporter=tap", file)
	cmd.Dir, cmd.Env = run, env
	out, failed := cmd.CombinedOutput()
	seen := 0
	for _, m := range outcomes.FindAllSubmatch(out, -1) {
		if name := string(m[2]); !strings.HasSuffix(name, ".mjs") {
			seen++
			t.Run(name, func(t *testing.T) {
				if bytes.HasPrefix(m[1], []byte("not")) {
					t.Fail()
				}
			})
		}
	}
	if failed != nil || seen == 0 {
		t.Errorf("node --test %s: %v, %d scenarios\n%s", file, failed, seen, out)
	}
}
