// Package rest is the HTTP runtime API of a Service Bus namespace: messages are sent and
// received with plain HTTP requests, by programs that have no client library.
//
//	POST   {entity}/messages                 send one, or a batch in JSON
//	POST   {entity}/messages/head            receive and lock (201), or 204 when none comes
//	DELETE {entity}/messages/head            receive and delete (200), or 204
//	PUT    {entity}/messages/{id}/{lock}     unlock
//	POST   {entity}/messages/{id}/{lock}     renew the lock
//	DELETE {entity}/messages/{id}/{lock}     delete: the message is done with
//
// The entity is a queue, a topic (to send to) or {topic}/subscriptions/{name} (to
// receive from), or a dead-letter queue of one.
//
// What it promises:
//
//  1. A send is answered when the message is durable; a batch is taken whole or not.
//  2. A body is the message's bytes, as they came; it is a data section for clients of
//     AMQP. The properties of a message are the same for clients of both.
//  3. A message that was received and locked, and could not be answered, is given back
//     at once and uncounted.
//  4. Waiting is bounded: by the request's timeout, by two minutes, by the number of
//     connections a namespace may have, which waiting requests count as. So are bodies:
//     by what the entity takes, and all together.
//  5. A lock that was given here is good over AMQP, and the other way round.
//
// What it refuses: sessions, deferring, peeking and transactions, which the service has
// over AMQP alone, and headers that HTTP needs for itself as names of properties.
package rest

import (
	"encoding/hex"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weir/internal/wall"
	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/resource"
	"weir/service/bus/internal/answer"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
)

// Options are what the runtime API stands on.
type Options struct {
	// Token judges the token of a request to a namespace.
	Token  func(ns, kind, audience, token string, peer identity.Peer) (identity.Principal, error)
	Audit  audit.Log    // of refusals; nil: nobody keeps one
	Logger *slog.Logger // nil: silence
}

// Service answers requests of the runtime API.
type Service struct {
	o       Options
	waiting atomic.Int64 // requests that wait for a message
	bodies  budget
	leaving chan struct{} // closed when nobody is to wait any more
	once    sync.Once
}

// New builds the runtime API.
func New(o Options) *Service {
	if o.Audit == nil {
		o.Audit = audit.Nowhere
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{o: o, leaving: make(chan struct{})}
}

// Leave ends the waiting of all requests; new ones wait no more.
func (s *Service) Leave() { s.once.Do(func() { close(s.leaving) }) }

// verb is what a request asks for.
type verb uint8

const (
	none verb = iota
	send
	receive
	unlock
	renew
	complete
)

// locked is the end of a path that names a locked message.
var locked = regexp.MustCompile(`(?i)^(.+)/messages/([^/]+)/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$`)

// parse finds out what a request asks for: none, when it is not for this API.
func parse(r *http.Request) (v verb, entity, lock string) {
	path := strings.Trim(r.URL.Path, "/")
	if m := locked.FindStringSubmatch(path); m != nil {
		switch r.Method {
		case http.MethodPut:
			v = unlock
		case http.MethodPost:
			v = renew
		case http.MethodDelete:
			v = complete
		}
		return v, m[1], m[3]
	}
	if entity, ok := cutSuffixFold(path, "/messages/head"); ok && (r.Method == http.MethodPost || r.Method == http.MethodDelete) {
		return receive, entity, ""
	}
	if entity, ok := cutSuffixFold(path, "/messages"); ok && r.Method == http.MethodPost {
		return send, entity, ""
	}
	return none, "", ""
}

func cutSuffixFold(s, suffix string) (string, bool) {
	if at := len(s) - len(suffix); at > 0 && strings.EqualFold(s[at:], suffix) {
		return s[:at], true
	}
	return s, false
}

// Mine reports whether a request is for this API.
func Mine(r *http.Request) bool {
	v, _, _ := parse(r)
	return v != none
}

// call is one request.
type call struct {
	s      *Service
	w      http.ResponseWriter
	r      *http.Request
	ns     *namespace.Namespace
	id     resource.ID // of the namespace
	caller answer.Caller
	verb   verb
	path   string // of the entity, or its dead-letter queue
	lock   string
	meter  *namespace.Meter
	who    identity.Principal
}

// Serve answers a request about a namespace that this node owns.
func (s *Service) Serve(w http.ResponseWriter, r *http.Request, ns *namespace.Namespace, id resource.ID, caller answer.Caller) {
	c := &call{s: s, w: w, r: r, ns: ns, id: id, caller: caller}
	c.verb, c.path, c.lock = parse(r)
	c.meter = ns.Meter(entityOf(c.path))
	c.meter.Requests.Add(1)
	if err := c.answer(); err != nil {
		c.refuse(err)
	}
}

// entityOf cuts a sub-queue off a path.
func entityOf(path string) string {
	if entity, ok := cutSuffixFold(path, "/$transfer/$deadletterqueue"); ok {
		return entity
	}
	entity, _ := cutSuffixFold(path, "/$deadletterqueue")
	return entity
}

func (c *call) answer() error {
	need := identity.Listen
	if c.verb == send {
		need = identity.Send
	}
	if err := c.admit(need); err != nil {
		return err
	}
	switch c.verb {
	case send:
		return c.send()
	case receive:
		return c.receive()
	case unlock, renew, complete:
		return c.settle()
	}
	return fault.New(fault.MethodNotAllowed, "Nothing is done by %s %s.", c.r.Method, c.r.URL.Path)
}

// admit looks at the request's token. It may name the entity, or the whole address.
func (c *call) admit(need identity.Claims) (err error) {
	header := c.r.Header.Get("Authorization")
	if header == "" {
		return answer.MissingToken
	}
	kind, token := answer.TokenOf(header)
	c.who, err = c.judge(kind, token, entityOf(c.path), need)
	if kind != answer.KindSAS || !fault.Is(err, fault.Unauthorized) {
		return err
	}
	whole, wholeErr := c.judge(kind, token, strings.Trim(c.r.URL.Path, "/"), need)
	if fault.Is(wholeErr, fault.Unauthorized) || whole.Scope != "" { // an entity's own rule is for entities
		return err
	}
	c.who = whole
	return wholeErr
}

// judge judges a token for a path.
func (c *call) judge(kind, token, path string, need identity.Claims) (identity.Principal, error) {
	who, err := c.s.o.Token(c.ns.Name(), kind, "https://"+c.r.Host+"/"+path, token, c.caller.Peer)
	if err != nil {
		return who, err
	}
	return who, who.Check(path, need, wall.Now())
}

// settle works on a locked message.
func (c *call) settle() error {
	token, err := parseLock(c.lock)
	if err != nil {
		return err
	}
	var failed error
	until := []time.Time(nil)
	err = c.ns.Call(c.r.Context(), func(t *namespace.Turn) {
		switch c.verb {
		case unlock:
			failed = t.Broker.Settle(t, broker.Settlement{Path: c.path, Lock: token, Disposition: broker.Abandon})
		case complete:
			failed = t.Broker.Settle(t, broker.Settlement{Path: c.path, Lock: token, Disposition: broker.Complete})
		case renew:
			until, failed = t.Broker.RenewLocks(t, c.path, []broker.LockToken{token})
		}
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	switch c.verb {
	case unlock:
		c.meter.Abandoned.Add(1)
	case complete:
		c.meter.Completed.Add(1)
	case renew:
		c.w.Header()["BrokerProperties"] = []string{lockedUntil(until[0])}
	}
	c.w.Header().Set("Content-Length", "0")
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// parseLock reads a lock token; parse has seen to its form.
func parseLock(text string) (broker.LockToken, error) {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, "-", ""))
	if err != nil || len(raw) != len(broker.LockToken{}) {
		return broker.LockToken{}, fault.Wrap(fault.Invalid, err, "'%s' is no lock token.", text)
	}
	return broker.LockToken(raw), nil
}
