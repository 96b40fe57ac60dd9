// Package answer is what the HTTP doors of the Service Bus have in common: how they read
// a token, and how they refuse.
//
// It promises that a refusal is what clients of the service expect: an XML document
// with a code and a detail, the detail with an id that the log can be searched for.
//
// It refuses to know what a request is about.
package answer

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/identity"
)

// Caller is what is known of who sent a request.
type Caller struct {
	Peer    identity.Peer
	Address string // for the audit log
	TLS     bool
	// Spelling gives the names of the request's headers as they were written, by their
	// canonical form; those it does not have were written so.
	Spelling map[string]string
}

// Kinds of tokens, as clients call them.
const (
	KindSAS = "servicebus.windows.net:sastoken"
	KindJWT = "jwt"
)

// MissingToken is the refusal of a request that shows none.
var MissingToken = fault.New(fault.Unauthorized, "MissingToken: The authorization header was not found. Send a shared access signature or a bearer token in it.")

// TokenOf reads the Authorization header, or another of its form: a shared access
// signature as it is, anything else with or without "Bearer", which the Go client
// leaves out.
func TokenOf(header string) (kind, token string) {
	header = strings.TrimSpace(header)
	if isSAS(header) {
		return KindSAS, header
	}
	if scheme, rest, _ := strings.Cut(header, " "); strings.EqualFold(scheme, "Bearer") {
		header = strings.TrimSpace(rest)
	}
	if isSAS(header) { // from a token endpoint
		return KindSAS, header
	}
	return KindJWT, header
}

func isSAS(token string) bool {
	scheme, _, more := strings.Cut(token, " ")
	return more && strings.EqualFold(scheme, "SharedAccessSignature")
}

// retryAfterSeconds is what a caller is asked to wait before it tries again.
const retryAfterSeconds = "1"

// Refuse writes an error answer.
func Refuse(w http.ResponseWriter, status int, detail string) {
	h := w.Header()
	switch status {
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		h.Set("Retry-After", retryAfterSeconds)
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="weir"`)
	}
	if id := h.Get("x-ms-request-id"); id != "" {
		detail = strings.TrimRight(detail, " ") + " TrackingId:" + id
	}
	var body bytes.Buffer
	fmt.Fprintf(&body, "<Error><Code>%d</Code><Detail>", status)
	Escape(&body, detail, false)
	body.WriteString("</Detail></Error>")
	h.Set("Content-Type", "application/xml; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // the client may be gone
}

// Escape writes text as XML, inside an element or in an attribute. Apostrophes stay as
// they are: clients compare texts of refusals without reading them as XML.
func Escape(w *bytes.Buffer, text string, attribute bool) {
	for _, r := range text {
		switch {
		case r == '&':
			w.WriteString("&amp;")
		case r == '<':
			w.WriteString("&lt;")
		case r == '>':
			w.WriteString("&gt;")
		case r == '"' && attribute:
			w.WriteString("&quot;")
		case r == '\r', r == '\n' && attribute, r == '\t' && attribute:
			fmt.Fprintf(w, "&#x%X;", r)
		case r < ' ' && r != '\n' && r != '\t', r == 0xFFFE, r == 0xFFFF:
			w.WriteRune('\uFFFD') // XML has no way to say it
		default:
			w.WriteRune(r)
		}
	}
}
