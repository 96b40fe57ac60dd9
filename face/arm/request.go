package arm

import (
	"net/http"
	"regexp"
	"strings"

	"weir/face/answer"
	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/resource"
)

// request is one request on its way.
type request struct {
	*http.Request
	w           http.ResponseWriter
	o           *Options
	who         identity.Principal
	correlation string
	target      string // what an error is about
	allow       string // the methods there are, when another was used
	listed      string // where a list was asked for

	action, scope string // the operation that was asked about, for the audit log
}

// answer lets the caller in, finds out what is asked, and does it.
func (q *request) answer() (reply, error) {
	if q.o.Caller == nil {
		q.who = identity.Principal{Kind: identity.Administrator, Name: administrator}
	} else {
		var err error
		if q.who, err = q.o.Caller(q.Request); err != nil {
			q.action, q.scope = q.Method, q.URL.Path
			return reply{}, err
		}
	}
	if err := checkVersion(q.URL.Query().Get("api-version")); err != nil {
		return reply{}, err
	}
	return q.route()
}

const administrator = "administrator"

var apiVersion = regexp.MustCompile(`^\d{4}-\d{2}(-\d{2})?(-[A-Za-z]+)?$`)

// checkVersion holds an api-version against its form. It may be left out; any is
// answered the same.
func checkVersion(v string) error {
	if v == "" || apiVersion.MatchString(v) {
		return nil
	}
	return answer.Coded("InvalidApiVersionParameter", fault.New(fault.Invalid, "The api-version %q is none: write one as 2024-01-01, or leave it out.", v))
}

// may asks whether the caller may do something, and remembers what it was.
func (q *request) may(action string, id resource.ID) error {
	if q.action == "" {
		q.action, q.scope = action, id.String()
	}
	if q.o.Authorize == nil {
		return nil
	}
	return q.o.Authorize(q.who, action, id.String())
}

// allows is may for one of many things that are shown when they may be, and otherwise
// left out.
func (q *request) allows(action string, id resource.ID) bool {
	return q.o.Authorize == nil || q.o.Authorize(q.who, action, id.String()) == nil
}

// note writes what was changed, revealed or refused into the audit log. A change that
// could not be noted is said to be so.
func (q *request) note(err error) error {
	reads := strings.HasSuffix(q.action, "/read")
	kind := fault.KindOf(err)
	refused := kind == fault.Forbidden || kind == fault.Unauthorized
	if q.action == "" || reads && !refused || kind == fault.NotOwner {
		return err
	}
	e := audit.Entry{
		Caller: q.who.String(), Object: q.who.ObjectID(), Action: q.action, Scope: q.scope, Door: "arm", Peer: q.peer(), Outcome: audit.Succeeded, Correlation: q.correlation,
	}
	if err != nil {
		e.Outcome, e.Code, e.Reason = audit.Failed, answer.Code(err), fault.Sentence(err)
	}
	if refused {
		e.Outcome = audit.Refused
	}
	if failed := q.o.Audit.Note(q.Context(), e); failed != nil && err == nil {
		return fault.Wrap(fault.Unavailable, failed, "It was done, but the audit log could not take it down: look at what is there before you try again.")
	}
	return err
}

func (q *request) peer() string {
	if q.o.Peer != nil {
		return q.o.Peer(q.Request)
	}
	return q.RemoteAddr
}

// asker is who asked, for what goes on behind the answer.
func (q *request) asker() Asker {
	return Asker{Principal: q.who, Peer: q.peer(), Correlation: q.correlation}
}

// condition is what must hold for a change.
func (q *request) condition() (resource.Condition, error) {
	c := resource.Condition{IfMatch: q.Header.Get("If-Match"), Guarded: q.o.Own == nil || !q.o.Own(q.Request)}
	c.AsIs = !c.Guarded && q.Header.Get(AsIsHeader) != ""
	switch none := q.Header.Get("If-None-Match"); none {
	case "":
	case "*":
		c.IfNoneMatch = true
	default:
		return c, fault.New(fault.Invalid, "If-None-Match may only be \"*\" here: the resource must not exist yet.")
	}
	return c, nil
}

// decided refuses what another location decides about.
func (q *request) decided(ids ...resource.ID) error {
	if q.o.Decided == nil {
		return nil
	}
	return q.o.Decided(q.Request, ids...)
}

// only refuses a method that is not among those there are.
func (q *request) only(what string, methods ...string) error {
	q.allow = strings.Join(methods, ", ")
	return fault.New(fault.MethodNotAllowed, "%s takes %s, not %s.", what, q.allow, q.Method)
}
