package http

import (
	nethttp "net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"weir/service/workflow/internal/expression"
)

// headersAs gives the headers of an answer as outputs show them: in the order of their
// names, several values as one, without those between two machines.
func headersAs(h nethttp.Header) *expression.Object {
	var named []string
	for _, v := range h.Values("Connection") {
		for one := range strings.SplitSeq(v, ",") {
			named = append(named, nethttp.CanonicalHeaderKey(strings.TrimSpace(one)))
		}
	}
	names := make([]string, 0, len(h))
	for name := range h {
		if !slices.Contains(hops, name) && !slices.Contains(named, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	o := &expression.Object{Members: make([]expression.Member, 0, len(names))}
	for _, name := range names {
		o.Members = append(o.Members, expression.Member{Name: name, Value: strings.Join(h[name], ",")})
	}
	return o
}

// retryAfterMax bounds what the other side may ask to wait.
const retryAfterMax = 24 * time.Hour

// retryAfter is how long the other side asks to wait.
func retryAfter(h nethttp.Header, now time.Time) (time.Duration, bool) {
	text := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds >= 0 {
		return min(time.Duration(min(seconds, retryAfterMax.Seconds())*float64(time.Second)), retryAfterMax), true
	}
	if at, err := nethttp.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), retryAfterMax), true
	}
	return 0, false
}
