package filter

import (
	"errors"
	"slices"
	"strings"
)

// CorrelationFields are the conditions of a correlation filter. An empty string
// asks nothing; Properties are application properties by name.
type CorrelationFields struct {
	CorrelationID    string
	MessageID        string
	To               string
	ReplyTo          string
	Label            string
	SessionID        string
	ReplyToSessionID string
	ContentType      string
	Properties       map[string]any
}

// A Correlation filter chooses messages whose properties equal all the given
// values: strings exactly, numbers by value whatever their width, and nothing
// across types ('5' is not 5).
type Correlation struct {
	system []condition // in the order of CorrelationFields
	user   []condition // by name
}

type condition struct {
	name  string
	value value
}

var _ Matcher = (*Correlation)(nil)

// ErrNoCondition refuses a correlation filter that asks nothing.
var ErrNoCondition = errors.New("a correlation filter needs at least one property to compare")

// NewCorrelation makes a correlation filter.
func NewCorrelation(f CorrelationFields) (*Correlation, error) {
	c := &Correlation{}
	for _, field := range []struct{ name, value string }{
		{SysCorrelationID, f.CorrelationID}, {SysMessageID, f.MessageID}, {SysTo, f.To}, {SysReplyTo, f.ReplyTo},
		{SysLabel, f.Label}, {SysSessionID, f.SessionID}, {SysReplyToSessionID, f.ReplyToSessionID}, {SysContentType, f.ContentType},
	} {
		if field.value != "" {
			c.system = append(c.system, condition{field.name, textValue(field.value)})
		}
	}
	for name, x := range f.Properties {
		c.user = append(c.user, condition{name, valueOf(x)})
	}
	slices.SortFunc(c.user, func(a, b condition) int { return strings.Compare(a.name, b.name) })
	if len(c.system)+len(c.user) == 0 {
		return nil, ErrNoCondition
	}
	return c, nil
}

// Match is true or false, never unknown: a property that is not there differs.
func (c *Correlation) Match(p Properties) (Tristate, error) {
	for _, want := range c.system {
		got, _ := p.System(want.name)
		if s, isText := got.(string); !isText || s != want.value.text {
			return False, nil
		}
	}
	for _, want := range c.user {
		if !equalValues(userProperty(p, want.name), want.value) {
			return False, nil
		}
	}
	return True, nil
}

func equalValues(got, want value) bool {
	if want.kind == null {
		return got.kind == null
	}
	same, err := compare(opEqual, got, want)
	return err == nil && same == True
}

// String is the SQL filter that means the same.
func (c *Correlation) String() string {
	var parts []string
	for _, want := range c.system {
		parts = append(parts, "sys."+want.name+" = "+quoteString(want.value.text))
	}
	for _, want := range c.user {
		shown := "NULL"
		switch s, err := want.value.display(); {
		case want.value.kind == text:
			shown = quoteString(s)
		case want.value.kind > null && err == nil:
			shown = s
		}
		parts = append(parts, nameText(want.name)+" = "+shown)
	}
	return strings.Join(parts, " AND ")
}

// A Rule is a named filter and what to do with the messages it chooses.
type Rule struct {
	Name   string
	Filter Matcher
	Action *Action // nil: the message as it is
}

// Selection is what a subscription's rules make of one message.
type Selection struct {
	// Plain is set when a rule without an action matched: one copy, however
	// many of them did.
	Plain bool
	// Acting lists, by index, the rules with an action that matched: a copy for each.
	Acting []int
	// Failed is the first rule whose filter could not judge the message, or -1;
	// Err is why. The other rules are judged all the same, and a message that
	// a rule without an action chose has not failed.
	Failed int
	Err    error
}

// Select evaluates a subscription's rules over one message.
func Select(rules []Rule, p Properties) Selection {
	s := Selection{Failed: -1}
	for i := range rules {
		r := &rules[i]
		if r.Action == nil && s.Plain {
			continue // another plain copy cannot come of it
		}
		switch t, err := r.Filter.Match(p); {
		case err != nil && s.Failed < 0:
			s.Failed, s.Err = i, err
		case t != True:
		case r.Action == nil:
			s.Plain = true
		default:
			s.Acting = append(s.Acting, i)
		}
	}
	if s.Plain {
		s.Failed, s.Err = -1, nil
	}
	return s
}
