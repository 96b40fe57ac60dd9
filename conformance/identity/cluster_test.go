package identity_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-amqp"

	"weir/conformance/server"
	"weir/conformance/server/servertest"
)

// Three nodes are one directory: a token that one gives is good at the others, in ARM and
// in AMQP, and the caller's rights go with a request that a node passes on.
func TestThreeNodes(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c, err := server.NewCluster(server.Options{Binary: servertest.Binary(t), Dir: t.TempDir()}, 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Start(ctx); err != nil {
		t.Fatal(err)
	}
	get := func(method, url, token, body string, headers ...string) (int, map[string]any) {
		t.Helper()
		code, answer, err := ask(ctx, method, url, token, body, headers...)
		if err != nil {
			t.Fatal(err)
		}
		return code, answer
	}
	const queue = namespace + "/queues/q"
	if code, _, err := c.Nodes[0].Ask(ctx, http.MethodPut, queue+"?api-version=2021-11-01", []byte(`{}`)); err != nil || code >= 300 {
		t.Fatal(code, err)
	}
	for i, giver := range c.Nodes {
		for j, taker := range c.Nodes {
			token := func(audience string) string {
				_, answer := get(http.MethodGet, "http://"+giver.HTTPAddr()+"/msi/token?api-version=2019-08-01&resource="+audience, "", "", "X-IDENTITY-HEADER", "any")
				text, _ := answer["access_token"].(string)
				return text
			}
			at := fmt.Sprintf("from n%d at n%d", i+1, j+1)
			arm := token("https://management.azure.com")
			code, answer := get(http.MethodPut, "http://"+taker.HTTPAddr()+queue+"?api-version=2021-11-01", arm, `{"properties":{"maxDeliveryCount":`+fmt.Sprint(5+i+j)+`}}`)
			if code != http.StatusOK {
				t.Errorf("%s, writing a queue: %d %v", at, code, answer)
			}
			code, answer = get(http.MethodPut, "http://"+taker.HTTPAddr()+server.Scope+"/providers/Weir.Identity/users/eve?api-version=2026-11-01", arm, `{"properties":{"password":"correct horse"}}`)
			if code != http.StatusForbidden {
				t.Errorf("%s, making somebody: %d %v", at, code, answer)
			}
			if err := putToken(ctx, taker.Addr(), token("https://servicebus.azure.net")); err != nil {
				t.Errorf("%s, sending: %v", at, err)
			}
		}
	}
}

// ask makes a request and reads the answer.
func ask(ctx context.Context, method, url, token, body string, headers ...string) (int, map[string]any, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	said, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer said.Body.Close()
	var answer map[string]any
	_ = json.NewDecoder(said.Body).Decode(&answer) // a refusal may have none
	return said.StatusCode, answer, nil
}

// putToken shows a token over plain AMQP and sends a message.
func putToken(ctx context.Context, addr, token string) error {
	conn, err := amqp.Dial(ctx, "amqp://"+addr, &amqp.ConnOptions{SASLType: amqp.SASLTypeAnonymous()})
	if err != nil {
		return err
	}
	defer conn.Close()
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		return err
	}
	replies, err := session.NewReceiver(ctx, "$cbs", &amqp.ReceiverOptions{TargetAddress: "mine"})
	if err != nil {
		return err
	}
	requests, err := session.NewSender(ctx, "$cbs", nil)
	if err != nil {
		return err
	}
	to := "mine"
	err = requests.Send(ctx, &amqp.Message{
		Properties:            &amqp.MessageProperties{MessageID: "1", ReplyTo: &to},
		ApplicationProperties: map[string]any{"operation": "put-token", "type": "jwt", "name": "amqp://" + addr + "/q"}, Value: token,
	}, nil)
	if err != nil {
		return err
	}
	reply, err := replies.Receive(ctx, nil)
	if err != nil {
		return err
	}
	if status, _ := reply.ApplicationProperties["status-code"].(int32); status != 202 {
		return fmt.Errorf("the token is answered with %v", reply.ApplicationProperties)
	}
	sender, err := session.NewSender(ctx, "q", nil)
	if err != nil {
		return err
	}
	return sender.Send(ctx, &amqp.Message{Data: [][]byte{[]byte("hello")}}, nil)
}
