package broker

import (
	"strconv"
	"strings"
	"time"

	"weir/kernel/journal/record"
)

// words splits a line at blanks; quotes keep them.
func words(line string) []string {
	var out []string
	var word strings.Builder
	quoted, any := false, false
	for _, c := range line {
		switch {
		case c == '"':
			quoted, any = !quoted, true
		case c == ' ' && !quoted:
			if any || word.Len() > 0 {
				out = append(out, word.String())
			}
			word.Reset()
			any = false
		default:
			word.WriteRune(c)
		}
	}
	if any || word.Len() > 0 {
		out = append(out, word.String())
	}
	return out
}

// args are the words of a command: those by place, and those by name.
type args struct {
	words []string
	named map[string]string
	order []string
}

func parse(in []string) args {
	a := args{named: map[string]string{}}
	for _, w := range in {
		name, value, ok := strings.Cut(w, "=")
		if ok && !strings.ContainsAny(name, " {'") {
			a.named[name] = value
			a.order = append(a.order, name)
			continue
		}
		a.words = append(a.words, w)
	}
	return a
}

func (a args) word(i int) string {
	if i < len(a.words) {
		return a.words[i]
	}
	return ""
}

func (a args) has(word string) bool {
	for _, w := range a.words {
		if w == word {
			return true
		}
	}
	return false
}

func (a args) duration(name string) time.Duration {
	d, _ := time.ParseDuration(a.named[name])
	return d
}

func (a args) number(name string) int64 {
	n, _ := strconv.ParseInt(a.named[name], 10, 64)
	return n
}

func (a args) session() *string {
	if v, ok := a.named["session"]; ok {
		return &v
	}
	return nil
}

func (a args) time(name string) time.Time {
	if _, ok := a.named[name]; !ok {
		return time.Time{}
	}
	return dawn.Add(a.duration(name))
}

func sequences(in []string) (out []int64) {
	for _, w := range in {
		n, err := strconv.ParseInt(w, 10, 64)
		if err == nil {
			out = append(out, n)
		}
	}
	return out
}

// samples reads messages: NAME or NAME{key:value,...}. Keys that mean nothing else
// are application properties; numbers are longs.
func samples(in []string) (out []Message) {
	for _, w := range in {
		name, rest, _ := strings.Cut(w, "{")
		x := sample{name: name, id: name}
		for _, field := range strings.Split(strings.TrimSuffix(rest, "}"), ",") {
			if key, value, ok := strings.Cut(field, ":"); ok {
				x.set(key, value)
			}
		}
		out = append(out, x.message())
	}
	return out
}

func (x *sample) set(key, value string) {
	switch key {
	case "session":
		x.session, x.hasSession = value, true
	case "id":
		x.id = value
	case "key":
		x.key = value
	case "label":
		x.label = value
	case "ttl":
		x.ttl, _ = time.ParseDuration(value)
	case "at":
		d, _ := time.ParseDuration(value)
		x.at = dawn.Add(d)
	case "size":
		x.size, _ = strconv.Atoi(value)
	default:
		var v any = value
		if n, err := strconv.ParseInt(value, 10, 64); err == nil {
			v = n
		}
		x.properties = append(x.properties, Property{key, v})
	}
}

// definition reads what is declared of an entity, on top of what it is already.
func (a args) definition(d Definition) Definition {
	for _, name := range a.order {
		switch name {
		case "lock":
			d.LockDuration = a.duration(name)
		case "ttl":
			d.DefaultTTL = a.duration(name)
		case "max":
			d.MaxDeliveryCount = uint32(a.number(name))
		case "size":
			d.MaxSizeBytes = a.number(name)
		case "message":
			d.MaxMessageBytes = a.number(name)
		case "idle":
			d.AutoDeleteOnIdle = a.duration(name)
		case "window":
			d.DuplicateWindow = a.duration(name)
		case "forward":
			d.ForwardTo = a.named[name]
		case "bury":
			d.ForwardDeadLettersTo = a.named[name]
		case "status":
			d.Status = map[string]Status{"active": Active, "disabled": Disabled, "send-disabled": SendDisabled, "receive-disabled": ReceiveDisabled}[a.named[name]]
		}
	}
	d.RequiresSession = d.RequiresSession || a.has("sessions")
	d.Partitioned = d.Partitioned || a.has("partitioned")
	d.DeadLetterOnExpiration = d.DeadLetterOnExpiration || a.has("bury-expired")
	d.DeadLetterOnFilterErrors = d.DeadLetterOnFilterErrors || a.has("bury-failed")
	return d
}

// rule reads a rule: its name, then true, false, sql=..., or correlation fields,
// and action=...
func (a args) rule() Rule {
	r := Rule{Name: a.word(1), Created: dawn, Action: a.named["action"]}
	switch {
	case a.has("true"):
		r.Filter.Kind = TrueFilter
	case a.has("false"):
		r.Filter.Kind = FalseFilter
	case a.named["sql"] != "":
		r.Filter = Filter{Kind: SQLFilter, Expression: a.named["sql"]}
	default:
		c := &Correlation{}
		r.Filter = Filter{Kind: CorrelationFilter, Correlation: c}
		for _, name := range a.order {
			switch name {
			case "action":
			case "label":
				c.Label = a.named[name]
			case "id":
				c.MessageID = a.named[name]
			default:
				c.Properties = append(c.Properties, Property{name, a.named[name]})
			}
		}
	}
	return r
}

// verbs are what a script can say.
var verbs map[string]func(*stage, args)

func init() {
	verbs = map[string]func(*stage, args){
		"define": (*stage).define, "rule": (*stage).rule, "remove": (*stage).remove, "show": (*stage).show,
		"send": (*stage).send, "schedule": (*stage).schedule, "cancel": (*stage).cancel,
		"open": (*stage).open, "credit": (*stage).credit, "close": (*stage).close,
		"complete": (*stage).complete, "abandon": (*stage).abandon, "release": (*stage).release,
		"defer": (*stage).set_aside, "bury": (*stage).bury, "renew": (*stage).renew, "renew-session": (*stage).renewSession,
		"peek": (*stage).peek, "fetch-deferred": (*stage).fetchDeferred, "delete": (*stage).delete,
		"state": (*stage).state, "sessions": (*stage).sessions, "counts": (*stage).counts,
		"declare": (*stage).declare, "commit": (*stage).commit, "rollback": (*stage).rollback,
		"tick": (*stage).tick, "own": (*stage).own, "read": (*stage).read,
		"horizon": (*stage).horizon, "carry": (*stage).carry,
	}
}

func (s *stage) define(a args) {
	kind := map[string]Kind{"queue": Queue, "topic": Topic, "subscription": Subscription}[a.word(0)]
	d, known := s.b.Definition(a.word(1))
	if !known {
		d = Definition{Name: a.word(1), Kind: kind}
		if kind == Subscription && !a.has("no-rule") {
			d.Rules = []Rule{{Name: "$Default", Created: dawn}}
		}
	}
	d.Kind = kind
	s.refused(s.b.Define(s.log, a.definition(d)))
}

// rule adds a rule; the default rule makes way for the first one.
func (s *stage) rule(a args) {
	d, _ := s.b.Definition(a.word(0))
	if len(d.Rules) == 1 && d.Rules[0].Name == "$Default" {
		d.Rules = nil
	}
	d.Rules = append(d.Rules[:len(d.Rules):len(d.Rules)], a.rule())
	s.refused(s.b.Define(s.log, d))
}

func (s *stage) remove(a args) { s.refused(s.b.Remove(s.log, a.word(0))) }

func (s *stage) show(args) {
	for _, d := range s.b.Definitions() {
		s.tell("%s", d.Name)
	}
}

func (s *stage) send(a args) {
	txn := s.txns[a.named["txn"]]
	if via, ok := a.named["via"]; ok {
		s.refused(s.b.SendVia(s.log, via, a.word(0), samples(a.words[1:]), txn))
		return
	}
	s.refused(s.b.Send(s.log, a.word(0), samples(a.words[1:]), txn))
}

func (s *stage) schedule(a args) {
	seqs, err := s.b.Schedule(s.log, a.word(0), samples(a.words[1:]))
	if !s.refused(err) {
		s.tell("numbers %v", seqs)
	}
}

func (s *stage) cancel(a args) {
	s.refused(s.b.CancelScheduled(s.log, a.word(0), sequences(a.words[1:])))
}

func (s *stage) open(a args) {
	spec := ReceiverSpec{ID: ReceiverID(len(s.receivers) + 1), Path: a.word(1)}
	if a.has("delete") {
		spec.Mode = ReceiveAndDelete
	}
	if session := a.session(); session != nil {
		spec.Choice, spec.Session = NamedSession, *session
	} else if a.has("next") {
		spec.Choice, spec.WaitUntil = NextAvailable, a.time("until")
	}
	session, until, waiting, err := s.b.OpenReceiver(s.log, spec)
	if s.refused(err) {
		return
	}
	s.receivers[a.word(0)], s.names[spec.ID], s.limits[a.word(0)] = spec.ID, a.word(0), 0
	switch {
	case waiting:
		s.tell("waits")
	case spec.Choice != NoSession:
		s.tell("session %q until %s", session, clock(until))
	}
}

func (s *stage) credit(a args) {
	n, _ := strconv.Atoi(a.word(1))
	s.limits[a.word(0)] += uint32(n)
	s.b.Credit(s.log, s.receivers[a.word(0)], s.limits[a.word(0)], a.has("drain"))
}

func (s *stage) close(a args) { s.b.CloseReceiver(s.log, s.receivers[a.word(0)]) }

func (s *stage) settle(a args, what Disposition) {
	x := Settlement{Path: a.word(0), Lock: s.locks[a.word(1)], Disposition: what, Txn: s.txns[a.named["txn"]]}
	for _, name := range a.order {
		switch name {
		case "txn":
		case "reason":
			x.Reason = a.named[name]
		case "description":
			x.Description = a.named[name]
		default:
			x.Modify = append(x.Modify, Property{name, a.named[name]})
		}
	}
	s.refused(s.b.Settle(s.log, x))
}

func (s *stage) complete(a args)  { s.settle(a, Complete) }
func (s *stage) abandon(a args)   { s.settle(a, Abandon) }
func (s *stage) release(a args)   { s.settle(a, Release) }
func (s *stage) set_aside(a args) { s.settle(a, Defer) }
func (s *stage) bury(a args)      { s.settle(a, DeadLetter) }

func (s *stage) renew(a args) {
	var tokens []LockToken
	for _, name := range a.words[1:] {
		tokens = append(tokens, s.locks[name])
	}
	until, err := s.b.RenewLocks(s.log, a.word(0), tokens)
	s.refused(err)
	for _, at := range until {
		s.tell("until %s", clock(at))
	}
}

func (s *stage) renewSession(a args) {
	until, err := s.b.RenewSession(s.log, a.word(0), *a.session(), s.receivers[a.named["by"]])
	if !s.refused(err) {
		s.tell("until %s", clock(until))
	}
}

func (s *stage) peek(a args) {
	from, most := int64(1), 100
	if _, ok := a.named["from"]; ok {
		from = a.number("from")
	}
	if n := a.number("max"); n != 0 {
		most = int(n)
	}
	found, err := s.b.Peek(s.log, a.word(0), from, most, a.session())
	if s.refused(err) {
		return
	}
	for _, m := range found {
		s.tell("%s", s.shown(m))
	}
	if len(found) == 0 {
		s.tell("nothing")
	}
}

func (s *stage) fetchDeferred(a args) {
	mode := PeekLock
	if a.has("delete") {
		mode = ReceiveAndDelete
	}
	got, err := s.b.ReceiveDeferred(s.log, a.word(0), sequences(a.words[1:]), mode, a.session())
	s.refused(err)
	for _, d := range got {
		s.tell("got %s", s.delivery(d))
	}
}

func (s *stage) delete(a args) {
	most, _ := strconv.Atoi(a.word(1))
	n, err := s.b.DeleteBatch(s.log, a.word(0), most, a.time("before"), a.session())
	if !s.refused(err) {
		s.tell("deleted %d", n)
	}
}

func (s *stage) state(a args) {
	if text, ok := a.named["set"]; ok {
		s.refused(s.b.SetSessionState(s.log, a.word(0), *a.session(), []byte(text), s.receivers[a.named["by"]]))
		return
	}
	ref, ok, err := s.b.SessionState(a.word(0), *a.session())
	switch {
	case s.refused(err):
	case ok:
		s.tell("%q", s.log.read(ref))
	default:
		s.tell("no state")
	}
}

func (s *stage) sessions(a args) {
	top := 100
	if n := a.number("top"); n != 0 {
		top = int(n)
	}
	found, err := s.b.Sessions(a.word(0), a.time("since"), int(a.number("skip")), top)
	if !s.refused(err) {
		s.tell("%q", found)
	}
}

func (s *stage) counts(a args) {
	c, err := s.b.Counts(a.word(0))
	if s.refused(err) {
		return
	}
	s.tell("active %d, deferred %d, scheduled %d, dead %d, transfer %d, transfer dead %d, %d bytes",
		c.Active, c.Deferred, c.Scheduled, c.DeadLetter, c.Transfer, c.TransferDeadLetter, c.SizeBytes)
}

func (s *stage) declare(a args) {
	id, err := s.b.Declare(s.log)
	if !s.refused(err) {
		s.txns[a.word(0)] = id
	}
}

func (s *stage) commit(a args)   { s.refused(s.b.Discharge(s.log, s.txns[a.word(0)], false)) }
func (s *stage) rollback(a args) { s.refused(s.b.Discharge(s.log, s.txns[a.word(0)], true)) }
func (s *stage) tick(args)       { s.b.Tick(s.log) }

// own is a change of owner: what the old one only had is gone.
func (s *stage) own(args) {
	s.b = s.log.follow(s.t, follower(), 0)
	s.b.Own(s.b.epoch + 8)
	s.receivers, s.names = map[string]ReceiverID{}, map[ReceiverID]string{}
}

// read hands over what the broker wants to see.
func (s *stage) read(args) {
	for _, e := range s.wanted {
		s.b.Fetched(s.log, e.Ref, s.log.read(e.Ref))
	}
	s.wanted = nil
}

func (s *stage) horizon(args) {
	s.tell("position %d, %d bytes live", s.b.Horizon(), s.b.LiveBytes())
}

// carry appends the oldest payloads anew.
func (s *stage) carry(a args) {
	for _, ref := range s.b.Live(record.Position(a.number("before")), int(a.number("bytes"))) {
		s.b.Carry(s.log, ref, s.log.read(ref))
		s.tell("carried %s", nameOf(s.log.read(ref)))
	}
}
