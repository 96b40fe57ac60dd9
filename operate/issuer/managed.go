package issuer

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"weir/kernel/fault"
	"weir/kernel/resource/access"
)

func itoa(n int) string { return strconv.Itoa(n) }

// versionOne is an answer in the form of version 1 and of managed identity: numbers as
// texts, and the time of the end.
func (s *Issuer) versionOne(token, audience string, life time.Duration) map[string]any {
	now := s.o.Now()
	seconds := itoa(int(life.Seconds()))
	return map[string]any{
		"access_token": token, "token_type": "Bearer", "resource": audience,
		"expires_in": seconds, "ext_expires_in": seconds, "expires_on": strconv.FormatInt(now.Add(life).Unix(), 10), "not_before": strconv.FormatInt(now.Unix(), 10),
	}
}

// appService answers as App Service's endpoint does: IDENTITY_ENDPOINT, with
// IDENTITY_HEADER in the header X-IDENTITY-HEADER. A workload key in that header says
// which identity asks, from wherever; anything else asks from this machine.
func (s *Issuer) appService(w http.ResponseWriter, r *http.Request) {
	header := r.Header.Get("X-IDENTITY-HEADER")
	refuse := func(status int, why string) {
		writeJSON(w, status, map[string]any{"statusCode": status, "message": why})
	}
	switch {
	case r.Method != http.MethodGet:
		refuse(http.StatusMethodNotAllowed, "Managed identity is asked with GET.")
		return
	case header == "":
		refuse(http.StatusForbidden, "The header X-IDENTITY-HEADER is missing: clients send what is in IDENTITY_HEADER.")
		return
	}
	q := r.URL.Query()
	m, why := s.workload(r, header, q)
	if why != "" {
		s.refused(r, "managed identity "+q.Get("client_id"), why)
		refuse(http.StatusBadRequest, why)
		return
	}
	s.giveManaged(w, r, m, refuse)
}

// workload finds the identity a workload is.
func (s *Issuer) workload(r *http.Request, header string, q url.Values) (access.Managed, string) {
	d := s.o.Directory()
	m, proven := d.ByWorkloadKey(header)
	if !proven && !s.fromHere(r) {
		return access.Managed{}, "Managed identity is for programs on the server's own machine, or for those that show the workload key of an identity as IDENTITY_HEADER (POST {identity}/listWorkloadKey)."
	}
	by, named := namedIdentity(q)
	switch {
	case named:
		other, ok := d.Managed(by)
		if !ok || proven && other.Object != m.Object {
			return access.Managed{}, "No managed identity that may be used here is called " + shown(by) + "."
		}
		return other, ""
	case proven:
		return m, ""
	}
	if m, ok := d.Managed(access.DefaultClientID); ok {
		return m, ""
	}
	return access.Managed{}, "There is no default identity here: say which one with client_id, or let the server have one (--default-identity)."
}

// namedIdentity is how the request names an identity.
func namedIdentity(q url.Values) (by string, ok bool) {
	for _, name := range []string{"client_id", "clientid", "principal_id", "object_id", "mi_res_id", "msi_res_id"} {
		if v := q.Get(name); v != "" {
			return v, true
		}
	}
	return "", false
}

// fromHere says whether a request is one that a program on this machine made itself. A
// web page has an origin, or came by a name that its author made lead here; what a proxy
// passes on says so.
func (s *Issuer) fromHere(r *http.Request) bool {
	if !s.o.Managed || s.o.Loopback == nil || !s.o.Loopback(r) || !plainHost(r.Host) {
		return false
	}
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "Via", "Origin", "Sec-Fetch-Site"} {
		if r.Header.Get(name) != "" {
			return false
		}
	}
	return true
}

// plainHost says whether a request names this machine by an address, or by a name that
// leads nowhere else.
func plainHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(strings.Trim(host, "[]"))
	return net.ParseIP(host) != nil || host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// imds answers as the instance metadata service of a virtual machine does. Clients that
// look whether there is one ask without the header and expect to be refused.
func (s *Issuer) imds(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, why string) {
		writeJSON(w, status, map[string]any{"error": "invalid_request", "error_description": why})
	}
	switch {
	case r.Method != http.MethodGet:
		refuse(http.StatusMethodNotAllowed, "Managed identity is asked with GET.")
		return
	case !strings.EqualFold(r.Header.Get("Metadata"), "true"):
		refuse(http.StatusBadRequest, "Required metadata header not specified")
		return
	}
	m, why := s.workload(r, r.Header.Get("X-IDENTITY-HEADER"), r.URL.Query())
	if why != "" {
		s.refused(r, "managed identity", why)
		refuse(http.StatusBadRequest, why)
		return
	}
	s.giveManaged(w, r, m, refuse)
}

// giveManaged answers with a token of a managed identity.
func (s *Issuer) giveManaged(w http.ResponseWriter, r *http.Request, m access.Managed, refuse func(int, string)) {
	audience := strings.TrimSuffix(r.URL.Query().Get("resource"), "/.default")
	if !audiencePattern.MatchString(audience) {
		refuse(http.StatusBadRequest, "The parameter resource is missing or no resource: say what the token is for, such as https://servicebus.azure.net.")
		return
	}
	token, err := s.sign(r, ofManaged(m, audience), managedFor)
	if err != nil {
		s.unavailable(w, err)
		return
	}
	out := s.versionOne(token, audience, managedFor)
	out["client_id"] = m.Client
	writeJSON(w, http.StatusOK, out)
}

// ForManaged gives a token of a managed identity to this very program, which has seen to
// it that whoever it is for may have it. at is the issuer's address unless it has one.
func (s *Issuer) ForManaged(ctx context.Context, at string, m access.Managed, audience string) (token string, ends time.Time, err error) {
	audience = strings.TrimSuffix(audience, "/.default")
	if !audiencePattern.MatchString(audience) {
		return "", ends, fault.New(fault.Invalid, "%s is no audience: say what the token is for, such as https://servicebus.azure.net.", shown(audience))
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return "", ends, err
	}
	began := s.o.Now()
	token, err = s.sign(r, ofManaged(m, audience), managedFor)
	return token, began.Add(managedFor), err
}
