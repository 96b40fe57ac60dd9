// Package connection says what a workflow's operations call by the name of a connection:
// where that is, what describes it and with which credentials.
//
// The nouns: a *reference* is what an operation says of its connection; a *connection* is
// what it comes to in this location: a base address, a Swagger document, values and
// credentials. A *need* is one thing that a definition asks of the location it runs in.
//
// It promises:
//
//  1. A reference that comes to nothing is told by name, with what to declare and where.
//  2. Texts that are secret are listed with the connection, so that whoever calls with it
//     can keep them out of what is shown.
//  3. The same definition and the same values give the same needs everywhere.
//
// It refuses to store anything: connections are resources of a location or documents of a
// site, and each location has its own.
package connection

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"weir/service/workflow/internal/expression"
)

// Kind is the kind of a connection.
type Kind string

// The kinds, as connections.json groups them.
const (
	Managed    Kind = "managedApiConnections"
	Provider   Kind = "serviceProviderConnections"
	Function   Kind = "functionConnections"
	Management Kind = "apiManagementConnections"
)

// Reference is what an operation says of its connection.
type Reference struct {
	Kind Kind
	// ID is the resource id of a connection, when the operation has one.
	ID string
	// Name is what the definition calls it: a name in $connections or in connections.json.
	Name string
	// API is the operation's word for the API or the provider: a name or an id.
	API string
}

// String is the reference in a sentence.
func (r Reference) String() string {
	switch {
	case r.Name != "":
		return fmt.Sprintf("%q", r.Name)
	case r.ID != "":
		return fmt.Sprintf("%q", r.ID)
	}
	return "without a name"
}

// Connection is what a reference comes to.
type Connection struct {
	// Name is for people, ID of the resource, if it is one.
	Name, ID string
	// API is the name of the API in lower case: servicebus, filesystem, my-api.
	API string
	// Base is the address that paths are below; empty when only a built-in connector can
	// serve it.
	Base string
	// Swagger is the document of the API, nil when there is none; Version changes with it.
	Swagger *expression.Object
	Version string
	// Declared are the connectionParameters of the API; Values what the connection says for
	// them, in plain text.
	Declared, Values *expression.Object
	// Authentication is like that of the Http action, when the connection has one.
	Authentication *expression.Object
	// Hidden are texts that must not be shown.
	Hidden []string
}

// Value is a connection's value as text; names are tried in turn, in any case.
func (c *Connection) Value(names ...string) string {
	for _, name := range names {
		if c.Values == nil {
			break
		}
		if v, ok := c.Values.Get(name); ok && v != nil {
			return expression.Text(v)
		}
	}
	return ""
}

// Hide takes the connection's secrets out of a text.
func (c *Connection) Hide(text string) string {
	for _, secret := range c.Hidden {
		if len(secret) < hiddenMin {
			continue
		}
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			text = strings.ReplaceAll(text, form, "***")
		}
	}
	return text
}

// hiddenMin is the shortest text that is hidden: shorter ones are words of sentences.
const hiddenMin = 4

// Finder finds connections.
type Finder interface {
	// Find finds what a workflow's operation refers to. The error is a *Missing when there
	// is no such connection or it is not whole.
	Find(ctx context.Context, workflow string, r Reference) (*Connection, error)
}

// CodeMissing is the code of actions whose connection is not configured here.
const CodeMissing = "ConnectionNotConfigured"

// Missing says that a connection is not there, or not whole, and what to do.
type Missing struct{ Message string }

// Error is the sentence.
func (m *Missing) Error() string { return m.Message }

// Missed makes a Missing.
func Missed(format string, args ...any) error { return &Missing{fmt.Sprintf(format, args...)} }

// Last is the last part of an id, in lower case: the name of an API.
func Last(id string) string {
	id = strings.TrimRight(id, "/")
	return strings.ToLower(id[strings.LastIndexByte(id, '/')+1:])
}

// Request is one request of an API's operation, as the Consumption form writes it.
type Request struct {
	Method string
	// Path is as it was written, Parts its parts without their escapes.
	Path    string
	Parts   []string
	Queries *expression.Object
	Headers *expression.Object
	Body    any
}
