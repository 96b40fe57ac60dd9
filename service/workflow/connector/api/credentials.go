package api

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/swagger"
)

// credentials is what goes with a request.
type credentials struct {
	authentication *object // as of the Http action
	headers        [][2]string
	queries        [][2]string
}

// token is one that was given out for client credentials.
type token struct {
	text    string
	expires time.Time
}

// Bounds of tokens.
const (
	tokensMax   = 256
	tokenAhead  = time.Minute // before it ends a new one is asked for
	tokenSpan   = 5 * time.Minute
	tokenBudget = 30 * time.Second
)

// authorise finds the credentials of a request: the action's own, else those the
// connection names, else those the API's document asks for.
func (c *Connector) authorise(ctx context.Context, call *connector.Call, r *request) error {
	switch {
	case r.own != nil:
		r.credentials.authentication = r.own.(*object)
		return nil
	case r.to.Authentication != nil:
		r.credentials.authentication = withAudience(r.to.Authentication, r)
		return nil
	}
	used := map[string]bool{}
	for _, s := range r.schemes() {
		done, err := c.apply(ctx, call, r, s, used)
		if err != nil || done {
			return err
		}
	}
	if done := r.undeclared(used); done {
		return nil
	}
	return r.unused(used)
}

// withAudience completes a managed identity with whom its token is for.
func withAudience(a *object, r *request) *object {
	if !strings.EqualFold(text(a, "type"), "ManagedServiceIdentity") || text(a, "audience") != "" {
		return a
	}
	audience := r.to.Value("token:resourceUri", "resourceUri")
	if audience == "" {
		audience = audienceOf(r.to.Declared)
	}
	if audience == "" {
		if at, err := url.Parse(r.base); err == nil {
			audience = at.Scheme + "://" + at.Host
		}
	}
	return a.With("audience", audience)
}

// audienceOf is what connectionParameters say of the resource that tokens are for.
func audienceOf(declared *object) string {
	if declared == nil {
		return ""
	}
	for _, m := range declared.Members {
		o, _ := m.Value.(*object)
		settings := objectOf(o, "oAuthSettings")
		if at := text(objectOf(settings, "properties"), "AzureActiveDirectoryResourceId"); at != "" {
			return at
		}
		if at := text(objectOf(objectOf(settings, "customParameters"), "resourceUri"), "value"); at != "" {
			return at
		}
	}
	return ""
}

// schemes are those the request needs one of.
func (r *request) schemes() []swagger.Security {
	if r.document == nil {
		return nil
	}
	names := r.document.Needs
	if r.op != nil && r.op.Needs != nil {
		names = r.op.Needs
	}
	if names == nil { // nothing is said: whichever the connection has values for
		return r.document.Security
	}
	var of []swagger.Security
	for _, name := range names {
		for _, s := range r.document.Security {
			if s.Name == name {
				of = append(of, s)
			}
		}
	}
	return of
}

// apply uses one scheme, if the connection has the values for it.
func (c *Connector) apply(ctx context.Context, call *connector.Call, r *request, s swagger.Security, used map[string]bool) (bool, error) {
	switch s.Type {
	case "apiKey":
		value := r.value(used, s.Name, "api_key", "apiKey", "key", s.Key)
		if value == "" {
			value = r.onlySecret(used)
		}
		if value == "" {
			return false, nil
		}
		r.credentials.put(s.In, s.Key, value)
		return true, nil
	case "basic":
		return r.basic(used), nil
	case "bearer":
		return r.bearer(used), nil
	case "oauth2":
		if r.bearer(used) {
			return true, nil
		}
		return c.clientCredentials(ctx, call, r, s, used)
	}
	return false, fmt.Errorf("the API %q asks for credentials of the type %q, which are not supported: use apiKey, basic or oauth2", r.to.API, s.Type)
}

func (k *credentials) put(in, name, value string) {
	if strings.EqualFold(in, "query") {
		k.queries = append(k.queries, [2]string{name, value})
		return
	}
	k.headers = append(k.headers, [2]string{name, value})
}

// value gives one of the connection's values and notes that it was used.
func (r *request) value(used map[string]bool, names ...string) string {
	for _, name := range names {
		if v := r.to.Value(name); v != "" {
			used[strings.ToLower(name)] = true
			return v
		}
	}
	return ""
}

// onlySecret is the one parameter that is declared secret, when there is but one.
func (r *request) onlySecret(used map[string]bool) string {
	var names []string
	for _, name := range r.secrets() {
		if r.to.Value(name) != "" {
			names = append(names, name)
		}
	}
	if len(names) != 1 {
		return ""
	}
	return r.value(used, names[0])
}

// secrets are the parameters that are declared secret.
func (r *request) secrets() (names []string) {
	if r.to.Declared == nil {
		return nil
	}
	for _, m := range r.to.Declared.Members {
		o, _ := m.Value.(*object)
		if kind := strings.ToLower(text(o, "type")); kind == "securestring" || kind == "secureobject" {
			names = append(names, m.Name)
		}
	}
	return names
}

func (r *request) basic(used map[string]bool) bool {
	user, password := r.value(used, "username", "user", "userName"), r.value(used, "password")
	if user == "" && password == "" {
		return false
	}
	r.credentials.authentication = expression.NewObject("type", "Basic", "username", user, "password", password)
	return true
}

func (r *request) bearer(used map[string]bool) bool {
	value := r.value(used, "access_token", "accessToken", "token", "bearer")
	if value == "" || strings.HasPrefix(value, "{") {
		return false
	}
	r.credentials.authentication = expression.NewObject("type", "Raw", "value", "Bearer "+strings.TrimPrefix(value, "Bearer "))
	return true
}

// undeclared uses what the connection has without a document that asks for it: what
// connectionParameters say of its place, a user and a password, a token.
func (r *request) undeclared(used map[string]bool) bool {
	if r.to.Declared != nil {
		for _, m := range r.to.Declared.Members {
			o, _ := m.Value.(*object)
			if in := text(o, "in"); in == "header" || in == "query" {
				name := text(o, "name")
				if name == "" {
					name = m.Name
				}
				if v := r.value(used, m.Name); v != "" {
					r.credentials.put(in, name, v)
					return true
				}
			}
		}
	}
	return r.basic(used) || r.bearer(used)
}

// unused refuses secrets that nothing says the use of.
func (r *request) unused(used map[string]bool) error {
	if r.op != nil && r.op.Needs != nil && len(r.op.Needs) == 0 {
		return nil // the operation needs none
	}
	for _, name := range r.secrets() {
		if r.to.Value(name) != "" && !used[strings.ToLower(name)] {
			return connection.Missed("The connection %q has a secret value %q and nothing says where it goes: give the API's Swagger document securityDefinitions, or the parameter in connectionParameters \"in\": \"header\" or \"query\" and a \"name\".", r.to.Name, name)
		}
	}
	if r.document != nil && len(r.schemes()) > 0 && (r.document.Needs != nil || r.op != nil && r.op.Needs != nil) {
		var names []string
		for _, s := range r.schemes() {
			names = append(names, s.Name+" ("+s.Type+")")
		}
		return connection.Missed("The API %q wants credentials and the connection %q has no parameterValues for any of: %s.", r.to.API, r.to.Name, strings.Join(names, ", "))
	}
	return nil
}

// clientCredentials gets a token for the connection's own client.
func (c *Connector) clientCredentials(ctx context.Context, call *connector.Call, r *request, s swagger.Security, used map[string]bool) (bool, error) {
	id, secret := r.value(used, "token:clientId", "clientId"), r.value(used, "token:clientSecret", "clientSecret")
	if id == "" || secret == "" {
		return false, nil
	}
	tenant := r.value(used, "token:tenantId", "token:TenantId", "tenantId")
	at := s.TokenURL
	if own := r.to.Value("token:tokenUrl", "tokenUrl"); own != "" {
		at = own
	}
	if at == "" && tenant == "" {
		return false, fmt.Errorf("the connection %q has a client and a secret, and neither tokenUrl nor token:tenantId says where tokens are", r.to.Name)
	}
	audience := r.to.Value("token:resourceUri", "resourceUri")
	if audience == "" {
		audience = audienceOf(r.to.Declared)
	}
	if tenant != "" && audience != "" {
		a := expression.NewObject("type", "ActiveDirectoryOAuth", "tenant", tenant, "audience", audience, "clientId", id, "secret", secret)
		if authority := r.to.Value("token:authority", "authority"); authority != "" {
			a = a.With("authority", authority)
		}
		r.credentials.authentication = a
		return true, nil
	}
	if at == "" {
		return false, fmt.Errorf("the connection %q says no token:resourceUri, for which a token would be", r.to.Name)
	}
	text, err := c.token(ctx, call, at, id, secret, audience, s.Scopes)
	if err != nil {
		return false, fmt.Errorf("the connection %q got no token: %w", r.to.Name, err)
	}
	r.to.Hidden = append(slices.Clone(r.to.Hidden), text)
	r.credentials.authentication = expression.NewObject("type", "Raw", "value", "Bearer "+text)
	return true, nil
}

// token asks for one, or gives one that is still good.
func (c *Connector) token(ctx context.Context, call *connector.Call, at, id, secret, audience string, scopes []string) (string, error) {
	key := strings.Join([]string{at, id, secret, audience}, "\x00")
	c.mu.Lock()
	have, ok := c.tokens[key]
	c.mu.Unlock()
	now := time.Now()
	if ok && now.Before(have.expires) {
		return have.text, nil
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}
	if len(scopes) > 0 {
		form.Set("scope", strings.Join(scopes, " "))
	}
	if audience != "" {
		form.Set("resource", audience)
	}
	next := connector.Call{Type: "Http", Who: call.Who, Timeout: tokenBudget, Secure: true, Inputs: expression.NewObject("method", "POST", "uri", at,
		"headers", expression.NewObject("Content-Type", "application/x-www-form-urlencoded", "Accept", "application/json"), "body", form.Encode())}
	a := c.o.HTTP.Do(ctx, &next)
	body, _ := a.Body.(*object)
	text := text(body, "access_token")
	switch {
	case a.Code != "" && a.Retryable || a.Timeout || a.Status >= 500 || a.Status == 429:
		return "", retryable{fmt.Errorf("%s cannot give one now (status %d)", at, a.Status)}
	case text == "":
		return "", fmt.Errorf("%s answered with status %d and no access_token", at, a.Status)
	}
	life := tokenSpan
	if v, ok := body.Get("expires_in"); ok {
		var seconds int64
		if _, err := fmt.Sscan(expression.Text(v), &seconds); err == nil {
			life = time.Duration(min(max(seconds, 0), 86400)) * time.Second
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.tokens) >= tokensMax {
		clear(c.tokens)
	}
	c.tokens[key] = token{text, now.Add(life - tokenAhead)}
	return text, nil
}
