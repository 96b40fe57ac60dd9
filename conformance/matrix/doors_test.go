package matrix_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"weir/conformance/server"
)

// client shows a credential the way the SDK does; nil when nothing is shown.
func (s *stage) client(c credential) *azservicebus.Client {
	s.Helper()
	o := &azservicebus.ClientOptions{RetryOptions: azservicebus.RetryOptions{MaxRetries: -1}, TLSConfig: s.tls}
	var client *azservicebus.Client
	var err error
	if text := c.make(s, busAudience); c.signature {
		client, err = azservicebus.NewClientFromConnectionString("Endpoint=sb://"+s.server.TLSAddr()+";SharedAccessSignature="+text, o)
	} else {
		client, err = azservicebus.NewClient(s.server.TLSAddr(), fixed(text), o)
	}
	s.must(err)
	s.Cleanup(func() { _ = client.Close(context.Background()) })
	return client
}

// fixed is a credential that is one token.
type fixed string

func (f fixed) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(f), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// ofBus reads a refusal of the SDK.
func ofBus(err error) outcome {
	if err == nil {
		return outcome{}
	}
	var e *azservicebus.Error
	o := outcome{text: err.Error()}
	switch {
	case strings.Contains(o.text, "claim(s) are required"):
		o.refused = "forbidden"
	case errors.As(err, &e) && e.Code == azservicebus.CodeUnauthorizedAccess:
		o.refused = "unauthorized"
	default:
		o.refused = "otherwise"
	}
	return o
}

func trySend(s *stage, c credential) outcome {
	if c.make == nil {
		return s.bare(func(session *amqp.Session) error {
			_, err := session.NewSender(s.ctx, "q", nil)
			return err
		})
	}
	sender, err := s.client(c).NewSender("q", nil)
	s.must(err)
	return ofBus(sender.SendMessage(s.ctx, &azservicebus.Message{Body: []byte("m")}, nil))
}

func tryReceive(s *stage, c credential) outcome {
	if c.make == nil {
		return s.bare(func(session *amqp.Session) error {
			_, err := session.NewReceiver(s.ctx, "q", nil)
			return err
		})
	}
	r, err := s.client(c).NewReceiverForQueue("q", nil)
	s.must(err)
	m, err := r.ReceiveMessages(s.ctx, 1, nil)
	if err == nil {
		err = r.AbandonMessage(s.ctx, m[0], nil)
	}
	return ofBus(err)
}

func tryPeek(s *stage, c credential) outcome {
	if c.make == nil {
		return s.bare(func(session *amqp.Session) error {
			_, err := session.NewSender(s.ctx, "q/$management", nil)
			return err
		})
	}
	r, err := s.client(c).NewReceiverForQueue("q", nil)
	s.must(err)
	_, err = r.PeekMessages(s.ctx, 1, nil)
	return ofBus(err)
}

// bare opens a session that shows nothing.
func (s *stage) bare(attach func(*amqp.Session) error) outcome {
	conn, err := amqp.Dial(s.ctx, "amqp://"+s.server.Addr(), &amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous()})
	s.must(err)
	defer conn.Close()
	session, err := conn.NewSession(s.ctx, nil)
	s.must(err)
	err = attach(session)
	var e *amqp.Error
	switch {
	case err == nil:
		return outcome{}
	case errors.As(err, &e) && e.Condition == amqp.ErrCondUnauthorizedAccess:
		return outcome{refused: "unauthorized", text: err.Error()}
	}
	return outcome{refused: "otherwise", text: err.Error()}
}

// description is a queue as the admin API writes it.
const description = `<entry xmlns="http://www.w3.org/2005/Atom"><content type="application/xml"><QueueDescription xmlns="http://schemas.microsoft.com/netservices/2010/10/servicebus/connect"><MaxDeliveryCount>7</MaxDeliveryCount></QueueDescription></content></entry>`

// rest is a request at the doors of the Service Bus that speak HTTP. The runtime API and
// the admin API refuse with 401 whether or not somebody is known; their texts tell.
func rest(method, path, body string) func(*stage, credential) outcome {
	return func(s *stage, c credential) outcome {
		s.Helper()
		r, err := http.NewRequestWithContext(s.ctx, method, "http://"+s.server.HTTPAddr()+path, strings.NewReader(body))
		s.must(err)
		r.Header.Set("Content-Type", "application/atom+xml;type=entry;charset=utf-8")
		if method == http.MethodPut {
			r.Header.Set("If-Match", "*")
		}
		if c.make != nil {
			text := c.make(s, busAudience)
			if !c.signature {
				text = "Bearer " + text
			}
			r.Header.Set("Authorization", text)
		}
		answer, err := http.DefaultClient.Do(r)
		s.must(err)
		defer answer.Body.Close()
		said, err := io.ReadAll(answer.Body)
		s.must(err)
		o := outcome{text: answer.Status + " " + string(said)}
		switch {
		case answer.StatusCode < 300:
			return outcome{}
		case answer.StatusCode != http.StatusUnauthorized && answer.StatusCode != http.StatusForbidden:
			o.refused = "otherwise"
		case strings.Contains(o.text, "claim(s) are required") || strings.Contains(o.text, "claims required") || strings.Contains(o.text, "Authorization failed for specified action"):
			o.refused = "forbidden"
		default:
			o.refused = "unauthorized"
		}
		return o
	}
}

// template deploys a template with one resource, or none, and one output. Whoever may not
// deploy is refused at once; one resource that they may not make fails the deployment.
func template(of, output string) func(*stage, credential) outcome {
	body := `{"properties":{"mode":"Incremental","template":{"$schema":"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#","contentVersion":"1.0.0.0","resources":[` + of +
		`],"outputs":{"o":{"type":"string","value":"[string(` + output + `)]"}}}}}`
	return func(s *stage, c credential) outcome {
		s.Helper()
		const id = server.Scope + "/providers/Microsoft.Resources/deployments/matrix"
		put := arm(http.MethodPut, id, body)(s, c)
		if put.refused != "" || c.signature {
			return put
		}
		for {
			code, said, err := s.server.Ask(s.ctx, http.MethodGet, id+"?api-version=2022-09-01", nil)
			s.must(err)
			var now struct {
				Properties struct{ ProvisioningState string }
			}
			s.must(json.Unmarshal(said, &now))
			switch state := now.Properties.ProvisioningState; {
			case code != http.StatusOK:
				s.Fatalf("%d %s", code, said)
			case state == "Succeeded":
				return outcome{}
			case state == "Failed" && strings.Contains(string(said), "does not have authorization to perform action"):
				return outcome{refused: "forbidden", text: string(said)}
			case state == "Failed" || state == "Canceled":
				return outcome{refused: "otherwise", text: string(said)}
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-s.ctx.Done():
				s.Fatal(s.ctx.Err())
			}
		}
	}
}

// arm is a request at the management door.
func arm(method, path, body string) func(*stage, credential) outcome {
	return func(s *stage, c credential) outcome {
		s.Helper()
		r, err := http.NewRequestWithContext(s.ctx, method, "http://"+s.server.HTTPAddr()+path+"?api-version=2022-04-01", bytes.NewReader([]byte(body)))
		s.must(err)
		r.Header.Set("Content-Type", "application/json")
		if c.make != nil {
			scheme := "Bearer "
			if c.signature {
				scheme = "" // it has one of its own
			}
			r.Header.Set("Authorization", scheme+c.make(s, armAudience))
		}
		answer, err := http.DefaultClient.Do(r)
		s.must(err)
		defer answer.Body.Close()
		said, err := io.ReadAll(answer.Body)
		s.must(err)
		o := outcome{text: string(said)}
		switch {
		case c.signature: // leads to the Service Bus, which shares the door and has nothing of this name
			if strings.Contains(answer.Header.Get("Content-Type"), "json") && answer.StatusCode < 300 {
				s.Errorf("a signature is answered with %s", said)
			}
			o.refused = "unauthorized"
		case answer.StatusCode < 300:
			return outcome{}
		case answer.StatusCode == http.StatusUnauthorized:
			o.refused = "unauthorized"
			if answer.Header.Get("WWW-Authenticate") == "" {
				s.Error("the refusal does not say how to sign in (WWW-Authenticate)")
			}
		case answer.StatusCode == http.StatusForbidden:
			o.refused = "forbidden"
			if !strings.HasPrefix(path, "/continuity") && !strings.Contains(o.text, `"AuthorizationFailed"`) {
				s.Errorf("the refusal has another code: %s", said)
			}
		default:
			o.refused = "otherwise"
		}
		return o
	}
}

func sas(resource, rule, key string, ends time.Time) string {
	escaped, expiry := url.QueryEscape(resource), fmt.Sprint(ends.Unix())
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(escaped + "\n" + expiry))
	return "SharedAccessSignature sr=" + escaped + "&sig=" + url.QueryEscape(base64.StdEncoding.EncodeToString(mac.Sum(nil))) + "&se=" + expiry + "&skn=" + rule
}

// unsigned says that it needs no signature.
func unsigned(s *stage, audience string) string {
	part := func(v any) string {
		text, err := json.Marshal(v)
		s.must(err)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return part(map[string]string{"alg": "none", "kid": "k1"}) + "." + part(map[string]any{
		"iss": s.provider.URL, "sub": "owner", "aud": audience, "exp": time.Now().Add(time.Hour).Unix()}) + ".AA"
}
