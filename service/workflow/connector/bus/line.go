package bus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/Azure/go-amqp"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
)

// Bounds of what is open.
const (
	linesMax  = 64 // to namespaces
	linksMax  = 256
	lineIdle  = 10 * time.Minute
	closeTime = 5 * time.Second
)

// line is what is open to one namespace with one set of credentials.
type line struct {
	client *azservicebus.Client
	key    string

	mu        sync.Mutex
	using     int
	used      time.Time
	senders   map[string]*azservicebus.Sender
	settlers  map[string]*azservicebus.Receiver   // by entity: settle and renew by token
	idle      map[string][]*azservicebus.Receiver // by entity: nobody receives with them
	sessions  map[string]*session
	receivers int
}

// line gives the line of a connection, opening it when there is none.
func (c *Connector) line(ctx context.Context, conn *connection.Connection, who connector.Who) (*line, error) {
	to, err := c.target(ctx, conn, who)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.lines[to.key]
	if l == nil {
		c.sweep()
		if len(c.lines) >= linesMax {
			return nil, busy(fmt.Errorf("%d namespaces are in use at once", linesMax))
		}
		client, err := to.open()
		if err != nil {
			return nil, connection.Missed("The connection %q cannot be used: %s.", conn.Name, conn.Hide(err.Error()))
		}
		l = &line{client: client, key: to.key, senders: map[string]*azservicebus.Sender{}, settlers: map[string]*azservicebus.Receiver{}, idle: map[string][]*azservicebus.Receiver{}, sessions: map[string]*session{}}
		c.lines[to.key] = l
	}
	l.mu.Lock()
	l.using++
	l.mu.Unlock()
	return l, nil
}

// sweep closes lines that nobody has used for long. The connector's lock is held.
func (c *Connector) sweep() {
	for key, l := range maps.Clone(c.lines) {
		l.mu.Lock()
		old := l.using == 0 && time.Since(l.used) > lineIdle && len(l.sessions) == 0
		l.mu.Unlock()
		if old {
			delete(c.lines, key)
			go l.close()
		}
	}
}

func (l *line) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.using--
	l.used = time.Now()
}

func (l *line) close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	_ = l.client.Close(ctx)
}

// target is where a connection leads.
type target struct {
	key  string
	open func() (*azservicebus.Client, error)
}

// target reads a connection's values.
func (c *Connector) target(ctx context.Context, conn *connection.Connection, who connector.Who) (target, error) {
	if s := conn.Value("connectionString"); s != "" {
		return target{"string " + s, func() (*azservicebus.Client, error) {
			return azservicebus.NewClientFromConnectionString(s, options(nil))
		}}, nil
	}
	host := conn.Value("namespaceId", "fullyQualifiedNamespace", "namespaceEndpoint", "endpoint")
	if host == "" {
		return target{}, connection.Missed("The connection %q has no connectionString, fullyQualifiedNamespace or namespaceId: give it one of these among its parameterValues. namespaceId is the resource id of a Service Bus namespace of this location.", conn.Name)
	}
	kind := text(objectOf(conn.Values, "authProvider"), "type")
	if kind != "" && !strings.EqualFold(kind, "ManagedServiceIdentity") {
		return target{}, connection.Missed("The connection %q has the authProvider %q, which is not supported: use a connectionString or ManagedServiceIdentity.", conn.Name, kind)
	}
	if c.o.Tokens == nil {
		return target{}, connection.Missed("The connection %q calls with a managed identity and this location has no issuer of tokens: give it a connectionString.", conn.Name)
	}
	identity := text(objectOf(conn.Values, "authProvider"), "identity")
	if identity == "" {
		identity = text(conn.Authentication, "identity")
	}
	credential := &credential{tokens: c.o.Tokens, owner: who.Identity, identity: identity}
	if !strings.HasPrefix(host, "/") {
		host = strings.TrimRight(strings.TrimPrefix(strings.TrimPrefix(host, "sb://"), "https://"), "/")
		return target{"identity " + who.Identity + " " + identity + " " + host, func() (*azservicebus.Client, error) {
			return azservicebus.NewClient(host, credential, options(nil))
		}}, nil
	}
	if c.o.Local == nil {
		return target{}, connection.Missed("The connection %q names the namespace %s, and this location serves none.", conn.Name, host)
	}
	at, err := c.o.Local.Namespace(ctx, host)
	if err != nil {
		return target{}, connection.Missed("The connection %q names the namespace %s: %s", conn.Name, host, err)
	}
	return target{"own " + who.Identity + " " + identity + " " + strings.ToLower(host), func() (*azservicebus.Client, error) {
		return azservicebus.NewClient(at.Host, credential, options(at.Dial))
	}}, nil
}

// options bound what the client does by itself: attempts are the engine's to repeat.
func options(dial func(ctx context.Context) (net.Conn, error)) *azservicebus.ClientOptions {
	o := &azservicebus.ClientOptions{ApplicationID: "weir-workflow", RetryOptions: azservicebus.RetryOptions{MaxRetries: 2, RetryDelay: 200 * time.Millisecond, MaxRetryDelay: 2 * time.Second}}
	if dial != nil {
		o.NewWebSocketConn = func(ctx context.Context, _ azservicebus.NewWebSocketConnArgs) (net.Conn, error) { return dial(ctx) }
	}
	return o
}

// credential gives an identity's tokens to the client.
type credential struct {
	tokens          Tokens
	owner, identity string
}

// GetToken gives a token for Service Bus.
func (k *credential) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, expires, err := k.tokens.Token(ctx, k.owner, k.identity, Audience)
	return azcore.AccessToken{Token: token, ExpiresOn: expires}, err
}

// sender gives the sender to an entity.
func (l *line) sender(entity string) (*azservicebus.Sender, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.senders[entity]; s != nil {
		return s, nil
	}
	if len(l.senders) >= linksMax {
		for name, s := range l.senders {
			delete(l.senders, name)
			go closing(s.Close)
			break
		}
	}
	s, err := l.client.NewSender(entity, nil)
	if err == nil {
		l.senders[entity] = s
	}
	return s, err
}

func closing(end func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	_ = end(ctx)
}

func (l *line) newReceiver(e entity) (*azservicebus.Receiver, error) {
	o := &azservicebus.ReceiverOptions{SubQueue: e.sub()}
	if e.topic != "" {
		return l.client.NewReceiverForSubscription(e.topic, e.subscription, o)
	}
	return l.client.NewReceiverForQueue(e.queue, o)
}

// settler gives the receiver that settles an entity's messages by their tokens.
func (l *line) settler(e entity) (*azservicebus.Receiver, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.settlers[e.String()]; r != nil {
		return r, nil
	}
	r, err := l.newReceiver(e)
	if err == nil {
		l.settlers[e.String()] = r
	}
	return r, err
}

// receiver gives one that nobody else receives with; back takes it back. It stays open,
// since what was received with it is locked as long as it is.
func (l *line) receiver(e entity) (r *azservicebus.Receiver, back func(), err error) {
	key := e.String()
	l.mu.Lock()
	defer l.mu.Unlock()
	back = func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.idle[key] = append(l.idle[key], r)
	}
	if n := len(l.idle[key]); n > 0 {
		r = l.idle[key][n-1]
		l.idle[key] = slices.Delete(l.idle[key], n-1, n)
		return r, back, nil
	}
	if l.receivers >= linksMax {
		return nil, nil, busy(fmt.Errorf("%d receivers are open to the namespace at once", linksMax))
	}
	if r, err = l.newReceiver(e); err == nil {
		l.receivers++
	}
	return r, back, err
}

// transient is an error that another attempt may not meet.
type transient struct{ error }

func (t transient) Unwrap() error { return t.error }

func busy(err error) error { return transient{err} }

// explain says what an error of the client means.
func explain(err error) connector.Answer {
	var no *refusal
	if errors.As(err, &no) {
		return connector.Refusal("ServiceProviderActionFailed", no.message)
	}
	code, again := "ServiceOperationFailed", false
	var t transient
	var known *azservicebus.Error
	var said *amqp.Error
	switch {
	case errors.As(err, &t), errors.Is(err, context.DeadlineExceeded):
		code, again = "ServiceUnavailable", true
	case errors.As(err, &known):
		code = string(known.Code)
		again = known.Code == azservicebus.CodeConnectionLost || known.Code == azservicebus.CodeTimeout
	}
	if errors.As(err, &said) {
		switch said.Condition {
		case amqp.ErrCondNotFound, "com.microsoft:entity-disabled", amqp.ErrCondUnauthorizedAccess, "com.microsoft:message-lock-lost", "com.microsoft:session-lock-lost", amqp.ErrCondMessageSizeExceeded, amqp.ErrCondNotAllowed:
			again = false
		case "com.microsoft:server-busy", "com.microsoft:timeout", amqp.ErrCondInternalError, amqp.ErrCondResourceLimitExceeded:
			again = true
		}
	}
	var netErr net.Error
	if errors.As(err, &netErr) {
		again = true
	}
	return connector.Answer{Code: "ServiceProviderActionFailed", Retryable: again,
		Message: fmt.Sprintf("The service provider action failed with error code '%s' and error message '%s'.", code, strings.TrimSpace(err.Error()))}
}
