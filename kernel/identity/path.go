package identity

import (
	"net/url"
	"strings"
)

// Suffixes that name a part of an entity, which the entity's rights cover.
var subPaths = []string{"/$management", "/$transfer/$deadletterqueue", "/$deadletterqueue"}

// AudiencePath reduces an audience or a token's resource to the canonical path of
// its entity; scheme, host and port are not looked at. The namespace itself is "".
//
// Clients name the same queue as sb://host/queue, amqps://host:5671/queue or plain
// host/queue. Text without a scheme begins with a host when its first segment could
// be one: it has a dot or a port, or is localhost.
func AudiencePath(text string) string {
	if strings.Contains(text, "%") {
		if plain, err := url.PathUnescape(text); err == nil {
			text = plain
		}
	}
	if _, after, ok := strings.Cut(text, "://"); ok {
		_, text, _ = strings.Cut(after, "/")
	} else if host, path, _ := strings.Cut(text, "/"); strings.ContainsAny(host, ".:") || strings.EqualFold(host, "localhost") {
		text = path
	}
	text, _, _ = strings.Cut(text, "?")
	return EntityPath(text)
}

// EntityPath is the canonical form of a path: lower case, no slashes at the ends, and
// sub-queues and management nodes stand for their entity.
func EntityPath(path string) string {
	path = strings.Trim(strings.ToLower(path), "/")
	for _, suffix := range subPaths { // management of a sub-queue comes off first
		path = strings.TrimSuffix(path, suffix)
	}
	if path == "$management" || path == "$cbs" {
		return ""
	}
	return path
}

// covers says whether a resource includes a path: itself, or anything under it.
// Both are canonical.
func covers(resource, path string) bool {
	return resource == "" || path == resource || strings.HasPrefix(path, resource+"/")
}

// ruleCovers is narrower: a queue's rule is not good for a queue whose name only
// begins with the same segments, a topic's is good for its subscriptions.
func ruleCovers(scope, path string) bool {
	return scope == "" || path == scope || strings.HasPrefix(path, scope+"/subscriptions/")
}
