package bus

import (
	"context"
	"strings"

	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/service/bus/internal/amqp"
)

// actionSignIn is what the audit log calls showing a token or a key over AMQP.
const actionSignIn = typeNamespace + "/signIn/action"

// noteRefusal notes what was not allowed over AMQP.
func (s *Service) noteRefusal(r amqp.Refusal) {
	if s.o.Audit == nil {
		return
	}
	e := audit.Entry{Action: actionSignIn, Scope: "/", Door: "amqp", Outcome: audit.Refused, Code: fault.KindOf(r.Err).String(), Reason: fault.Sentence(r.Err)}
	s.mu.Lock()
	if sp := s.spaces[strings.ToLower(r.Namespace)]; sp != nil {
		e.Scope = sp.id.String()
	}
	s.mu.Unlock()
	if r.Path != "" {
		e.Scope += "/" + r.Path
	}
	switch {
	case r.Needed&identity.Send != 0:
		e.Action = actionSend
	case r.Needed&identity.Listen != 0:
		e.Action = actionListen
	case r.Needed != 0:
		e.Action = actionManage
	}
	var names []string
	for _, p := range r.Who {
		names = append(names, p.String())
		e.Object = p.ObjectID()
	}
	const namesMax = 3
	e.Caller = strings.Join(names[:min(namesMax, len(names))], ", ")
	if r.Peer != nil {
		e.Peer = identity.PeerAt(r.Peer, false, false).Addr.String()
	}
	if err := s.o.Audit.Note(context.Background(), e); err != nil { // of a refusal it returns at once
		s.log.Warn("an entry of the audit log was lost", "error", fault.Detail(err))
	}
}
