package callback

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The api-versions of addresses.
const (
	consumptionVersion = "2016-10-01"
	standardVersion    = "2022-05-01"
)

// Address is a URL in its parts, as clients are given them.
type Address struct {
	// Base is the URL without its query.
	Base string
	// Relative is the path behind the base that the caller completes; it may hold
	// {parameters}.
	Relative string
	Queries  url.Values
}

// String is the whole URL. Signs that make a relative path's parameters stay as they are.
func (a Address) String() string {
	base := a.Base
	if a.Relative != "" {
		base += "/" + strings.TrimPrefix(a.Relative, "/")
	}
	return base + "?" + a.query()
}

// query writes the members in the order in which people know them.
func (a Address) query() string {
	var parts []string
	add := func(name string) {
		for _, v := range a.Queries[name] {
			parts = append(parts, name+"="+url.QueryEscape(v))
		}
	}
	for _, name := range [...]string{"api-version", "app", "at", "se", "sp", "sv", "sig"} {
		add(name)
	}
	return strings.Join(parts, "&")
}

// Caller makes the addresses of one workflow.
type Caller struct {
	Signer
	// Endpoint is scheme, host and port.
	Endpoint string
	// App and Name are those of a Standard workflow, else empty.
	App, Name string
}

// Trigger is where a trigger is fired. relative is its relative path, if it has one.
func (c Caller) Trigger(trigger, relative string, k Key, expires time.Time) Address {
	return c.trigger(TriggerRun(trigger), trigger, relative, k, expires)
}

// VersionTrigger is where a trigger is fired as a version has it.
func (c Caller) VersionTrigger(version, trigger, relative string, k Key, expires time.Time) Address {
	a := c.trigger(VersionRun(version, trigger), trigger, relative, k, expires)
	if c.App == "" {
		a.Base = c.below("versions", version, "triggers", trigger, "paths", "invoke")
	}
	return a
}

func (c Caller) trigger(path, trigger, relative string, k Key, expires time.Time) Address {
	a := Address{Base: c.below("triggers", trigger, "paths", "invoke"), Relative: relative, Queries: c.Queries(k, Grant{Path: path, Expires: expires})}
	a.Queries.Set("api-version", consumptionVersion)
	if c.App != "" {
		a.Base = c.Endpoint + "/api/" + url.PathEscape(c.Name) + "/triggers/" + url.PathEscape(trigger) + "/invoke"
		a.Queries.Set("api-version", standardVersion)
		a.Queries.Set("app", c.App)
	}
	return a
}

// Action is where an action that waits is called back. It does not expire: the action's
// own time does.
func (c Caller) Action(run, action string, p Place) Address {
	a := Address{Base: c.below("runs", run, "actions", action, "run"), Queries: c.Queries(Primary, Grant{Path: ActionRun(run, action), Place: p.String()})}
	a.Queries.Set("api-version", consumptionVersion)
	return a
}

// Content is where a content of a run is read for some time.
func (c Caller) Content(run, content string, until time.Time) Address {
	a := Address{Base: c.below("runs", run, "contents", content), Queries: c.Queries(Primary, Grant{Path: ContentRead(run, content), Expires: until})}
	a.Queries.Set("api-version", consumptionVersion)
	return a
}

// Answer is where the answer of a run is asked for that is given later.
func (c Caller) Answer(run string) Address {
	a := Address{Base: c.below("runs", run, "operations", "answer"), Queries: c.Queries(Primary, Grant{Path: AnswerRead(run)})}
	a.Queries.Set("api-version", consumptionVersion)
	return a
}

func (c Caller) below(parts ...string) string {
	path := c.Endpoint + "/workflows/" + c.Workflow
	for _, p := range parts {
		path += "/" + url.PathEscape(p)
	}
	return path
}

// Place is where in its run an action waits.
type Place struct{ Frame, Node uint32 }

// String writes it for an address.
func (p Place) String() string {
	return strconv.FormatUint(uint64(p.Frame), 36) + "." + strconv.FormatUint(uint64(p.Node), 36)
}

// ParsePlace reads what String wrote.
func ParsePlace(s string) (p Place, ok bool) {
	frame, node, ok := strings.Cut(s, ".")
	if !ok {
		return p, false
	}
	var numbers [2]uint32
	for i, text := range [2]string{frame, node} {
		n, err := strconv.ParseUint(text, 36, 32)
		if err != nil || strconv.FormatUint(n, 36) != text {
			return p, false
		}
		numbers[i] = uint32(n)
	}
	return Place{numbers[0], numbers[1]}, true
}
