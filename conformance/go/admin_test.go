package go_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus/admin"

	"weir/conformance/server"
)

// What the SDK's own live tests leave out: the administration client at ports that are
// not its own, and what a change does to clients that are connected.
var adminScenarios = []scenario{
	{"admin/every door", []server.Resource{server.Queue("admin-doors", nil)}, adminDoors},
	{"admin/a queue can be used as soon as it is made", nil, adminQuick},
	{"admin/a change reaches receivers that are open", nil, adminChange},
	{"admin/a subscription never has other rules than it was made with", nil, adminFirstRule},
	{"admin/a rule of one topic", nil, adminOfOneTopic},
}

// admin opens an administration client at an address.
func (s *stage) admin(connection string) *admin.Client {
	s.Helper()
	c, err := admin.NewClientFromConnectionString(connection, &admin.ClientOptions{
		ClientOptions: azcore.ClientOptions{Transport: &http.Client{Transport: &http.Transport{TLSClientConfig: s.trust()}}},
	})
	s.must(err)
	return c
}

// trust is what a client needs to know of the server's authority.
func (s *stage) trust() *tls.Config {
	s.Helper()
	pem, err := s.server.CA(context.Background())
	s.must(err)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		s.Fatal("weir ca printed no certificate")
	}
	return &tls.Config{RootCAs: roots, ServerName: "localhost"}
}

func (s *stage) manager() *admin.Client {
	s.Helper()
	return s.admin(server.EmulatorAt(s.server.Addr(), "All", allKey))
}

func adminDoors(s *stage) {
	for _, address := range []string{s.server.Addr(), s.server.HTTPAddr(), s.server.TLSAddr(), s.server.HTTPSAddr()} {
		got, err := s.admin(server.EmulatorAt(address, "All", allKey)).GetQueue(s.ctx, "admin-doors", nil)
		s.must(err)
		equal(s, "the queue", got.QueueName, "admin-doors")
	}
}

func adminQuick(s *stage) {
	a := s.manager()
	for i := range 10 {
		name := fmt.Sprintf("admin-quick-%d", i)
		_, err := a.CreateQueue(s.ctx, name, nil)
		s.must(err)
		s.send(name, text("a"))
		told, err := a.GetQueueRuntimeProperties(s.ctx, name, nil)
		s.must(err)
		equal(s, "messages", told.ActiveMessageCount, int32(1))
		_, err = a.DeleteQueue(s.ctx, name, nil)
		s.must(err)
		if err := trySend(s, s.client, name, text("b")); err == nil {
			s.Error("a deleted queue took a message")
		}
	}
}

func adminChange(s *stage) {
	a := s.manager()
	_, err := a.CreateQueue(s.ctx, "admin-change", nil)
	s.must(err)
	r := s.queue("admin-change")
	s.send("admin-change", text("before"))
	s.takes(r, "before")
	got, err := a.GetQueue(s.ctx, "admin-change", nil)
	s.must(err)
	got.LockDuration = to.Ptr("PT7S")
	_, err = a.UpdateQueue(s.ctx, "admin-change", got.QueueProperties, nil)
	s.must(err)
	s.send("admin-change", text("after"))
	s.takes(r, "after")
	// A queue that is closed for senders says so at once, to those that are attached too.
	snd := s.sender("admin-change")
	s.must(snd.SendMessage(s.ctx, text("open"), nil))
	got.Status = to.Ptr(admin.EntityStatusSendDisabled)
	_, err = a.UpdateQueue(s.ctx, "admin-change", got.QueueProperties, nil)
	s.must(err)
	if err := snd.SendMessage(s.ctx, text("closed"), nil); err == nil || !strings.Contains(err.Error(), "disabled") {
		s.Errorf("sent to a closed queue with %v", err)
	}
}

func adminFirstRule(s *stage) {
	a := s.manager()
	_, err := a.CreateTopic(s.ctx, "admin-first", nil)
	s.must(err)
	_, err = a.CreateSubscription(s.ctx, "admin-first", "none", &admin.CreateSubscriptionOptions{
		Properties: &admin.SubscriptionProperties{DefaultRule: &admin.RuleProperties{Name: "nothing", Filter: &admin.FalseFilter{}}},
	})
	s.must(err)
	s.send("admin-first", texts("a", "b")...)
	s.empty(s.subscription("admin-first", "none"))
	var names []string
	for pages := a.NewListRulesPager("admin-first", "none", nil); pages.More(); {
		page, err := pages.NextPage(s.ctx)
		s.must(err)
		for _, rule := range page.Rules {
			names = append(names, rule.Name)
		}
	}
	equal(s, "rules", fmt.Sprint(names), "[nothing]")
}

// adminOfOneTopic: a rule of a topic with Manage is good for the topic and what is below.
func adminOfOneTopic(s *stage) {
	a := s.manager()
	const key = "bWFuYWdlLW9uZS10b3BpYy1vbmx5LW9mLWNvbmZvcm0="
	_, err := a.CreateTopic(s.ctx, "admin-own", &admin.CreateTopicOptions{Properties: &admin.TopicProperties{AuthorizationRules: []admin.AuthorizationRule{{
		KeyName: to.Ptr("Own"), PrimaryKey: to.Ptr(key), SecondaryKey: to.Ptr(key), AccessRights: []admin.AccessRight{admin.AccessRightManage, admin.AccessRightSend, admin.AccessRightListen},
	}}}})
	s.must(err)
	own := s.admin(server.EmulatorAt(s.server.Addr(), "Own", key))
	_, err = own.CreateSubscription(s.ctx, "admin-own", "s", nil)
	s.must(err)
	_, err = own.CreateRule(s.ctx, "admin-own", "s", &admin.CreateRuleOptions{Name: to.Ptr("r"), Filter: &admin.SQLFilter{Expression: "a = 1"}})
	s.must(err)
	for what, try := range map[string]func() error{
		"another topic": func() error { _, err := own.CreateTopic(s.ctx, "admin-other", nil); return err },
		"the namespace": func() error { _, err := own.GetNamespaceProperties(s.ctx, nil); return err },
		"the list":      func() error { _, err := own.NewListTopicsPager(nil).NextPage(s.ctx); return err },
		"forwarding elsewhere": func() error {
			_, err := own.CreateSubscription(s.ctx, "admin-own", "f", &admin.CreateSubscriptionOptions{Properties: &admin.SubscriptionProperties{ForwardTo: to.Ptr("sb://" + s.server.Addr() + "/admin-doors")}})
			return err
		},
	} {
		var refused *azcore.ResponseError
		if err := try(); !errors.As(err, &refused) || refused.StatusCode != 401 {
			s.Errorf("%s: %v", what, err)
		}
	}
}
