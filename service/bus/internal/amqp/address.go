package amqp

import (
	"net/url"
	"strings"

	"weir/kernel/fault"
)

// node is the kind of thing an address names.
type node uint8

const (
	nodeEntity     node = iota // a queue, topic, subscription or one of their sub-queues
	nodeManagement             // the request node of an entity
	nodeCBS                    // the node that takes tokens
)

// address is a link's source or target, taken apart. Paths keep the case their
// author wrote; they match without regard to it.
type address struct {
	node   node
	path   string // the entity or sub-queue; empty for $cbs
	entity string // the path without the sub-queue, which holds the claims
}

// The last parts of addresses.
const (
	suffixManagement         = "/$management"
	suffixDeadLetter         = "/$deadletterqueue"
	suffixTransferDeadLetter = "/$transfer/$deadletterqueue"
)

// parseAddress takes an address in any of the forms clients write: a plain
// path, an absolute path as .NET gives it ("/orders", percent-encoded) or a URL
// whose host is not looked at.
func parseAddress(text string) (address, error) {
	path := resourcePath(text)
	if strings.EqualFold(path, "$cbs") {
		return address{node: nodeCBS}, nil
	}
	a := address{node: nodeEntity, path: path}
	if rest, ok := cutSuffixFold(path, suffixManagement); ok {
		a.node, a.path = nodeManagement, rest
	}
	a.entity = entityOf(a.path)
	if a.entity == "" || a.entity[0] == '$' {
		return address{}, fault.New(fault.NotFound, "The address %q names no messaging entity.", text)
	}
	return a, nil
}

// entityOf cuts a sub-queue off a path.
func entityOf(path string) string {
	if rest, ok := cutSuffixFold(path, suffixTransferDeadLetter); ok {
		return rest
	}
	rest, _ := cutSuffixFold(path, suffixDeadLetter)
	return rest
}

// topOf returns the first entity on a path: the topic of a subscription, the
// queue itself. Transactions are pinned to it.
func topOf(path string) string {
	entity := entityOf(path)
	if i := strings.Index(strings.ToLower(entity), "/subscriptions/"); i >= 0 {
		return entity[:i]
	}
	return entity
}

// resourcePath returns the path of an address, an audience or a token's resource:
// without scheme, host and the slashes at its ends, percent-decoded.
func resourcePath(text string) string {
	if _, rest, ok := strings.Cut(text, "://"); ok {
		_, text, _ = strings.Cut(rest, "/")
	}
	text = strings.Trim(text, "/")
	if strings.Contains(text, "%") {
		if plain, err := url.PathUnescape(text); err == nil {
			return strings.Trim(plain, "/")
		}
	}
	return text
}

// cutSuffixFold cuts an ASCII suffix, given in lower case, without regard to case.
func cutSuffixFold(s, suffix string) (string, bool) {
	at := len(s) - len(suffix)
	if at >= 0 && strings.EqualFold(s[at:], suffix) {
		return s[:at], true
	}
	return s, false
}
