package app

import (
	"bytes"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"sync"
)

// The HTTP server knows the names of headers in their canonical form alone. Where a
// header is a property of a message, its spelling counts: so connections remember the
// head of the request under way.

// spellingListener gives connections that remember.
type spellingListener struct{ net.Listener }

func (l spellingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &spellingConn{Conn: conn}, nil
}

// spellingConn remembers what it has read since the last request ended, up to the end
// of the next one's head.
type spellingConn struct {
	net.Conn

	mu   sync.Mutex
	head []byte
	full bool // the head has ended, or is longer than one may be
}

var headEnd = []byte("\r\n\r\n")

func (c *spellingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.full && n > 0 {
		from := max(0, len(c.head)-len(headEnd))
		c.head = append(c.head, b[:n]...)
		c.full = bytes.Contains(c.head[from:], headEnd) || len(c.head) > headerBytesMax
	}
	return n, err
}

// CloseWrite ends one direction.
func (c *spellingConn) CloseWrite() error { return closeWrite(c.Conn) }

// forget makes room for the next request, or for none.
func (c *spellingConn) forget(more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.head, c.full = nil, !more
}

// spelling gives the names in the head that were not written in their canonical form, by
// that form.
func (c *spellingConn) spelling() map[string]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	head, _, _ := bytes.Cut(c.head, headEnd)
	_, lines, _ := bytes.Cut(head, []byte("\r\n"))
	var names map[string]string
	for line := range bytes.SplitSeq(lines, []byte("\r\n")) {
		name, _, ok := strings.Cut(string(line), ":")
		canonical := textproto.CanonicalMIMEHeaderKey(name)
		if !ok || canonical == name {
			continue
		}
		if names == nil {
			names = map[string]string{}
		}
		names[canonical] = name
	}
	return names
}

// connState forgets the heads of requests that have ended.
func connState(conn net.Conn, state http.ConnState) {
	if c, ok := conn.(*spellingConn); ok && (state == http.StateIdle || state == http.StateHijacked) {
		c.forget(state == http.StateIdle)
	}
}

// namesHeader carries the spelling of a request's headers between nodes.
const namesHeader = "Weir-Header-Names"

// spellingOf is how the headers of a request were written, here or at the node that
// passed it on.
func spellingOf(r *http.Request) map[string]string {
	if given := r.Header.Get(namesHeader); given != "" {
		names := map[string]string{}
		for name := range strings.SplitSeq(given, ",") {
			names[textproto.CanonicalMIMEHeaderKey(name)] = name
		}
		return names
	}
	if c, ok := r.Context().Value(spellingKey{}).(*spellingConn); ok {
		return c.spelling()
	}
	return nil
}

// tellSpelling writes the spelling into a request that is passed on.
func tellSpelling(out http.Header, names map[string]string) {
	out.Del(namesHeader)
	var all []string
	for _, name := range names {
		all = append(all, name)
	}
	if all != nil {
		out.Set(namesHeader, strings.Join(all, ","))
	}
}
