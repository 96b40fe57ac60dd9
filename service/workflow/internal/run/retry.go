package run

import (
	"fmt"
	"strings"
	"time"

	"weir/service/workflow/internal/expression"
)

// policy says how often and after what times an attempt is made again.
type policy struct {
	count              int
	interval, min, max time.Duration
	fixed              bool
}

// standard is the policy of actions that say nothing.
var standard = policy{count: 4, interval: 7 * time.Second, min: 5 * time.Second, max: time.Hour}

// policy computes the retry policy of an action.
func (m *machine) policy(i *instance, n *node) (policy, failure) {
	v, why := m.eval(i, n, n.retry)
	o, ok := v.(*expression.Object)
	if why.given() || !ok {
		return standard, why
	}
	return policyOf(o, fmt.Sprintf("the action '%s'", n.Action.Name), m.e.Limits.RetriesMax)
}

// Retries gives the wait before the n-th further attempt, from 1, as a retry policy
// says that what is named by of has; false, there is none. A policy of nil is the
// standard one.
func Retries(o *expression.Object, of string, n int, random uint64) (time.Duration, bool, error) {
	p := standard
	if o != nil {
		var why failure
		if p, why = policyOf(o, of, DefaultLimits.RetriesMax); why.given() {
			return 0, false, fmt.Errorf("%s: %s", why.code, why.message)
		}
	}
	if n > p.count {
		return 0, false, nil
	}
	return p.wait(n, random), true, nil
}

// policyOf reads a retry policy.
func policyOf(o *expression.Object, of string, retriesMax int) (policy, failure) {
	kind, _ := o.Get("type")
	p := standard
	switch word := strings.ToLower(expression.Text(kind)); word {
	case "none":
		return policy{}, failure{}
	case "fixed":
		p.fixed = true
	case "exponential":
		p.min, p.max = 0, 24*time.Hour
	case "", "default":
		return p, failure{}
	default:
		return p, failure{codeBadInput, fmt.Sprintf("The retry policy of %s has the type '%s'; it may be default, none, fixed or exponential.", of, word)}
	}
	if c, ok := o.Get("count"); ok {
		count, whole := whole(c)
		if !whole || count < 0 || int(count) > retriesMax {
			return p, failure{codeBadInput, fmt.Sprintf("The retry policy of %s has the count '%s'; it may be 0 to %d.", of, expression.Text(c), retriesMax)}
		}
		p.count = int(count)
	}
	for k, at := range []*time.Duration{&p.interval, &p.min, &p.max} {
		if x, ok := o.Get([]string{"interval", "minimumInterval", "maximumInterval"}[k]); ok {
			d, ok := durationOf(expression.Text(x))
			if !ok {
				return p, failure{codeBadInput, fmt.Sprintf("The retry policy of %s has the interval '%s', which is no ISO 8601 duration.", of, expression.Text(x))}
			}
			*at = d
		}
	}
	return p, failure{}
}

// wait is how long to wait after attempt n, from 1: of an exponential policy a time
// between the one of the last step and that of this one.
func (p policy) wait(n int, random uint64) time.Duration {
	if p.fixed {
		return p.interval
	}
	step := func(k int) time.Duration {
		d := p.interval
		for ; k > 0 && d < p.max; k-- {
			d *= 2
		}
		for ; k < 0; k++ {
			d /= 2
		}
		return d
	}
	low, high := max(step(n-2), p.min), min(step(n-1), p.max)
	if low >= high {
		return max(min(low, p.max), p.min)
	}
	// splitmix64, so that neighbours do not try again together
	z := random + 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return low + time.Duration((z^z>>31)%uint64(high-low))
}

// statusNamesHTTP are the names the engine gives to HTTP statuses. Younger ones, 422 and
// 429 among them, have none there and are called by their number.
var statusNamesHTTP = map[int]string{
	200: "OK", 201: "Created", 202: "Accepted", 203: "NonAuthoritativeInformation", 204: "NoContent", 205: "ResetContent", 206: "PartialContent",
	300: "MultipleChoices", 301: "MovedPermanently", 302: "Found", 303: "SeeOther", 304: "NotModified", 307: "TemporaryRedirect",
	400: "BadRequest", 401: "Unauthorized", 402: "PaymentRequired", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed", 406: "NotAcceptable",
	407: "ProxyAuthenticationRequired", 408: "RequestTimeout", 409: "Conflict", 410: "Gone", 411: "LengthRequired", 412: "PreconditionFailed",
	413: "RequestEntityTooLarge", 414: "RequestUriTooLong", 415: "UnsupportedMediaType", 416: "RequestedRangeNotSatisfiable", 417: "ExpectationFailed",
	426: "UpgradeRequired",
	500: "InternalServerError", 501: "NotImplemented", 502: "BadGateway", 503: "ServiceUnavailable", 504: "GatewayTimeout", 505: "HttpVersionNotSupported",
}

// StatusName is what the engine calls an HTTP status.
func StatusName(status int) string {
	if name := statusNamesHTTP[status]; name != "" {
		return name
	}
	return fmt.Sprint(status)
}
