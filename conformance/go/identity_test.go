package go_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/server"
)

// emulatorKey is the key in every emulator connection string.
const emulatorKey = "SAS_KEY_VALUE"

// The keys that the estate declares.
const (
	sendKey   = "c2VuZC1vbmx5LWtleS1vZi10aGUtY29uZm9ybWFuY2U="
	listenKey = "bGlzdGVuLW9ubHkta2V5LW9mLXRoZS1jb25mb3JtYW4="
	allKey    = "YWxsLXJpZ2h0cy1rZXktb2YtdGhlLWNvbmZvcm1hbmM="
	queueKey  = "cXVldWUtb25seS1rZXktb2YtdGhlLWNvbmZvcm1hbmM="
)

var keys = []server.Resource{
	server.Key("SendOnly", sendKey, "Send"),
	server.Key("ListenOnly", listenKey, "Listen"),
	server.Key("All", allKey, "Manage", "Send", "Listen"),
}

var identityScenarios = []scenario{
	{"identity/a rule with Send may only send", []server.Resource{server.Queue("claims-send", nil)}, sendOnly},
	{"identity/a rule with Listen may only receive", []server.Resource{server.Queue("claims-listen", nil)}, listenOnly},
	{"identity/a rule of one queue", []server.Resource{
		server.Queue("claims-own", nil), server.Queue("claims-other", nil), server.QueueKey("claims-own", "OwnQueue", queueKey, "Listen", "Send"),
	}, ruleOfOneQueue},
	{"identity/wrong keys and names", []server.Resource{server.Queue("claims-wrong", nil)}, wrongKeys},
	{"identity/a ready-made token", []server.Resource{server.Queue("claims-token", nil)}, tokens},
}

func (s *stage) as(keyName, key string) *azservicebus.Client {
	s.Helper()
	return s.dial(s.server.EmulatorAs(keyName, key), &azservicebus.ClientOptions{RetryOptions: once})
}

// unauthorized checks a refusal and the words the SDK's own tests look for.
func (s *stage) unauthorized(err error, words string) {
	s.Helper()
	s.fails(err, azservicebus.CodeUnauthorizedAccess)
	if !strings.Contains(err.Error(), words) {
		s.Errorf("refused with %q, want the words %q", err, words)
	}
}

func sendOnly(s *stage) {
	client := s.as("SendOnly", sendKey)
	s.must(trySend(s, client, "claims-send", text("a")))
	s.unauthorized(tryReceive(s, client, "claims-send"), "'Listen' claim(s) are required")
	s.takes(s.queue("claims-send"), "a")
}

func listenOnly(s *stage) {
	client := s.as("ListenOnly", listenKey)
	s.unauthorized(trySend(s, client, "claims-listen", text("a")), "'Send' claim(s) are required")
	s.send("claims-listen", text("b"))
	r, err := client.NewReceiverForQueue("claims-listen", nil)
	s.must(err)
	s.takes(r, "b")
}

func ruleOfOneQueue(s *stage) {
	client := s.as("OwnQueue", queueKey)
	s.must(trySend(s, client, "claims-own", text("a")))
	r, err := client.NewReceiverForQueue("claims-own", nil)
	s.must(err)
	s.takes(r, "a")
	s.fails(trySend(s, client, "claims-other", text("a")), azservicebus.CodeUnauthorizedAccess)
}

func wrongKeys(s *stage) {
	for _, c := range []struct{ name, key string }{
		{"All", sendKey}, {"NoSuchRule", allKey}, {"SendOnly", emulatorKey}, {server.RootKeyName, "another-key"},
	} {
		client := s.as(c.name, c.key)
		s.fails(trySend(s, client, "claims-wrong", text("a")), azservicebus.CodeUnauthorizedAccess)
		s.fails(tryReceive(s, client, "claims-wrong"), azservicebus.CodeUnauthorizedAccess)
	}
}

// token signs a token for a resource.
func token(resource, keyName, key string, expires time.Time) string {
	sr, se := url.QueryEscape(resource), fmt.Sprint(expires.Unix())
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(sr + "\n" + se))
	sig := url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return fmt.Sprintf("SharedAccessSignature sr=%s&sig=%s&se=%s&skn=%s", sr, sig, se, keyName)
}

func tokens(s *stage) {
	with := func(token string) *azservicebus.Client {
		return s.dial(fmt.Sprintf("Endpoint=sb://%s;SharedAccessSignature=%s;UseDevelopmentEmulator=true", s.server.Addr(), token),
			&azservicebus.ClientOptions{RetryOptions: once})
	}
	host := "http://" + s.server.Addr()
	hour := time.Now().Add(time.Hour)
	s.must(trySend(s, with(token(host+"/", "All", allKey, hour)), "claims-token", text("for the namespace")))
	s.must(trySend(s, with(token(host+"/claims-token", "All", allKey, hour)), "claims-token", text("for the queue")))
	s.takes(s.queue("claims-token"), "for the namespace", "for the queue")

	s.unauthorized(trySend(s, with(token(host+"/", "All", allKey, time.Now().Add(-time.Hour))), "claims-token", text("late")),
		"ExpiredToken: The token is expired. Expiration time:")
	s.fails(trySend(s, with(token(host+"/another-queue", "All", allKey, hour)), "claims-token", text("astray")), azservicebus.CodeUnauthorizedAccess)
	bent := strings.Replace(token(host+"/", "All", allKey, hour), "sig=", "sig=A", 1)
	s.fails(trySend(s, with(bent), "claims-token", text("bent")), azservicebus.CodeUnauthorizedAccess)
}
