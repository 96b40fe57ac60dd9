package atom

import (
	"fmt"
	"net/http"
	"strings"

	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/resource"
	"weir/service/bus/internal/answer"
)

// admit looks at the token of the request.
func (c *call) admit() (err error) {
	header := c.r.Header.Get("Authorization")
	if header == "" {
		return answer.MissingToken
	}
	c.who, err = c.principal(header, c.target.path)
	return err
}

func (c *call) principal(header, path string) (identity.Principal, error) {
	kind, token := answer.TokenOf(header)
	return c.s.o.Token(c.ns.Name(), kind, "https://"+c.host()+"/"+path, token, c.caller.Peer)
}

// operation is what a request does, for what it needs and how a refusal says it.
type operation struct {
	claim string // in the texts about queues and topics
	name  string // in the texts about subscriptions and rules
	verb  string // in the audit log
}

var (
	opRead   = operation{"EntityRead", "Get%s", "read"}
	opList   = operation{"EntityRead", "Enumerate%ss", "read"}
	opWrite  = operation{"EntityWrite", "CreateOrUpdate%s", "write"}
	opDelete = operation{"EntityDelete", "Delete%s", "delete"}
)

// refusedError is a refusal with the service's own text.
type refusedError struct {
	detail string
	op     operation
}

func (e *refusedError) Error() string { return e.detail }

// may checks the right to do something with the target.
func (c *call) may(op operation) error {
	err := c.who.CheckManage(c.target.path, op.verb, c.now)
	if err == nil || !fault.Is(err, fault.Forbidden) {
		return err
	}
	detail := ""
	switch {
	case c.target.kind == subscription || c.target.kind == subscriptions:
		detail = c.belowTopic(op, "Subscription")
	case c.target.kind == rule || c.target.kind == rules:
		detail = c.belowTopic(op, "Rule")
	case op.verb == "read":
		detail = "Manage,EntityRead claims required for this operation."
	default:
		detail = "Authorization failed for specified action: Manage," + op.claim + "."
	}
	return &refusedError{detail, op}
}

func (c *call) belowTopic(op operation, word string) string {
	return fmt.Sprintf("401 SubCode=40100: Unauthorized : Unauthorized access for '%s' operation on endpoint 'sb://%s/%s'.", fmt.Sprintf(op.name, word), c.host(), c.target.path)
}

// maySendTo checks the right to send to a destination of forwarding.
func (c *call) maySendTo(to, header string) error {
	_, path, found := strings.Cut(to, "://")
	if found {
		_, path, _ = strings.Cut(path, "/")
	} else {
		path = to
	}
	who := c.who
	if given := c.r.Header.Get(header); given != "" {
		var err error
		if who, err = c.principal(given, strings.Trim(path, "/")); err != nil {
			return err
		}
		return who.Check(path, identity.Send, c.now)
	}
	// The request's own token names the entity that forwards: its rule is what counts.
	who.Resource = ""
	return who.Check(path, identity.Manage, c.now)
}

// scope is the resource the request is about, as far as it is known.
func (c *call) scope() resource.ID {
	switch {
	case len(c.target.ids) > 0 && c.target.kind != rules:
		return c.target.ids[0]
	case !c.target.parent.IsZero():
		return c.target.parent
	}
	return c.ns
}

// noteDone notes an operation that was done; it returns when the note is durable.
func (c *call) noteDone(typ, verb string, id resource.ID) error {
	err := c.note(action(typ, verb), id, audit.Succeeded, "", "")
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The change was made, and could not be noted in the audit log.")
	}
	return nil
}

// noteRefused notes an operation that failed or was not allowed.
func (c *call) noteRefused(code, reason string, outcome audit.Outcome) {
	verb := map[string]string{http.MethodGet: "read", http.MethodPut: "write", http.MethodDelete: "delete"}[c.r.Method]
	if verb == "" || verb == "read" && outcome != audit.Refused {
		return
	}
	id := c.scope()
	if err := c.note(action(id.Type(), verb), id, outcome, code, reason); err != nil {
		c.s.o.Logger.Warn("an entry of the audit log was lost", "error", fault.Detail(err))
	}
}

func (c *call) note(action string, id resource.ID, outcome audit.Outcome, code, reason string) error {
	return c.s.o.Audit.Note(c.r.Context(), audit.Entry{
		Caller: c.who.String(), Object: c.who.ObjectID(), Action: action, Scope: id.String(), Door: "atom", Peer: c.caller.Address,
		Outcome: outcome, Code: code, Reason: reason, Correlation: c.w.Header().Get("x-ms-request-id"),
	})
}
