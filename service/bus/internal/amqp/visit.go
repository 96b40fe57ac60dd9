package amqp

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net"
	"strings"
	"time"

	"weir/internal/wall"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/replica"
	"weir/service/bus/internal/namespace"
	wire "weir/wire/amqp"
	"weir/wire/amqp/server"
)

// visit is one connection before it has a namespace: who comes, and from where.
type visit struct {
	s         *Service
	info      server.PeerInfo
	forwarded bool
}

var _ server.Service = (*visit)(nil)

// login is what SASL found out: who the peer says it is. It travels with a
// connection that is passed on.
type login struct {
	Name, Key string // of SASL PLAIN; empty for the rest, which put tokens
	// Namespace is the one that the node found which passes the connection on: in
	// another location the same host name might lead to another.
	Namespace string `json:",omitempty"`
}

// The SASL mechanisms. All but PLAIN say nothing: the token that follows does.
const (
	saslAnonymous = "ANONYMOUS"
	saslExternal  = "EXTERNAL"
	saslPlain     = "PLAIN"
	saslCBS       = "MSSBCBS"
)

// Authenticate implements server.Service.
func (v *visit) Authenticate(_ server.PeerInfo, mechanism string, response []byte) (any, error) {
	switch mechanism {
	case "", saslAnonymous, saslCBS, saslExternal:
		return login{}, nil
	case saslPlain:
		return v.plain(response)
	}
	return nil, fault.New(fault.Unauthorized, "The SASL mechanism %q is not offered.", mechanism)
}

// plain judges a key. Which namespace it is for comes only with open: until then it
// is enough that some namespace has it.
func (v *visit) plain(response []byte) (any, error) {
	parts := strings.Split(string(response), "\x00") // authorization id, name, password (RFC 4616)
	if len(parts) != 3 || parts[1] == "" {
		return nil, fault.New(fault.Unauthorized, "SASL PLAIN takes a key name and a key.")
	}
	l := login{Name: parts[1], Key: parts[2]}
	if _, err := v.s.o.Credentials.Key("", l.Name, l.Key, v.peer()); err != nil {
		v.s.refused(Refusal{Who: []identity.Principal{{Name: l.Name}}, Peer: v.info.Remote, Err: err})
		return nil, err
	}
	return l, nil
}

func (v *visit) peer() identity.Peer {
	return identity.PeerAt(v.info.Remote, v.info.Loopback, v.info.External)
}

func serverName(state *tls.ConnectionState) string {
	if state == nil {
		return ""
	}
	return state.ServerName
}

// loginOf takes the identity of a connection: a login, or the bytes of one that
// came with a connection another node passed on.
func loginOf(identity any) login {
	switch id := identity.(type) {
	case login:
		return id
	case []byte:
		var l login
		if json.Unmarshal(id, &l) == nil {
			return l
		}
	}
	return login{}
}

// Open implements server.Service: it finds the namespace and its owner.
func (v *visit) Open(w *server.Conn) (server.Handler, error) {
	me := loginOf(w.Identity())
	ns, err := v.namespaceOf(w, me)
	if err != nil {
		return nil, refusal(err)
	}
	var proven []identity.Principal
	if me.Name != "" {
		p, err := v.s.o.Credentials.Key(ns.Name(), me.Name, me.Key, v.peer())
		if err != nil {
			v.s.refused(Refusal{Namespace: ns.Name(), Who: []identity.Principal{{Name: me.Name}}, Peer: v.info.Remote, Err: err})
			return nil, refusal(err)
		}
		proven = append(proven, p)
	}
	owner, err := v.owner(ns)
	if err != nil {
		return nil, refusal(err)
	}
	if !owner.Self {
		me.Namespace = ns.Name()
		return nil, v.passOn(me, owner)
	}
	c, err := newConn(v, w, ns, proven)
	if err != nil {
		return nil, refusal(err)
	}
	return c, nil
}

// refusal is what a connection is refused with. What a later try could mend is
// connection:forced: the Go SDK keeps a connection that was refused as busy, and
// asks it again for ever.
func refusal(err error) *wire.Error {
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.Busy, fault.NotOwner, fault.Timeout, fault.Canceled, fault.Internal:
		return wire.Errorf(wire.ErrConnectionForced, "%s Please reconnect.", fault.Sentence(err))
	}
	return wireError(err)
}

// lookAgain is how often a connection that waits for its namespace looks for it.
const lookAgain = 20 * time.Millisecond

// namespaceOf goes by what the node found that passed the connection on, then by the
// host name in the open frame, then by that of TLS. While the namespaces are being
// read it waits.
func (v *visit) namespaceOf(w *server.Conn, me login) (*namespace.Namespace, error) {
	host := me.Namespace
	if host == "" {
		host = w.Hostname()
	}
	if host == "" {
		host = serverName(v.info.TLS)
	}
	find := func() (*namespace.Namespace, error) {
		ns, err := v.s.o.Namespace(host)
		if err == nil && me.Namespace != "" && !equalFold(ns.Name(), me.Namespace) { // the default one
			err = fault.New(fault.Unavailable, "The namespace '%s' is not known here yet.", me.Namespace)
		}
		return ns, err
	}
	ns, err := find()
	for until := wall.Now().Add(ownerWait); fault.Is(err, fault.Unavailable) && wall.Now().Before(until); {
		<-time.After(lookAgain)
		ns, err = find()
	}
	return ns, err
}

// owner waits, for a while, until somebody owns the namespace. A connection that
// was passed on waits for this node.
func (v *visit) owner(ns *namespace.Namespace) (replica.Ownership, error) {
	ctx, cancel := context.WithTimeout(context.Background(), ownerWait)
	defer cancel()
	return ns.WaitOwner(ctx)
}

// passOn gives the connection to the owner's node, in this location or another.
func (v *visit) passOn(me login, owner replica.Ownership) error {
	if v.forwarded || v.s.o.Forward == nil {
		return wire.Errorf(wire.ErrConnectionForced, "The namespace is served by another node. Please reconnect.")
	}
	identity, err := json.Marshal(me)
	if err != nil {
		return wireError(err)
	}
	return &server.Handover{Take: func(c net.Conn, prefix []byte) {
		v.s.o.Forward(c, prefix, v.info, identity, owner.Address)
	}}
}
