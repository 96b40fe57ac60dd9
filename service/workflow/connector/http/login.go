package http

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	nethttp "net/http"
	"strings"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// codeLogin is the code of a login that could not be made.
const codeLogin = "Unauthorized"

// login is how an exchange says who asks.
type login struct {
	header, value string // a header that says it
	certificate   *tls.Certificate
	key           string // of the certificate
	// bearer gives a token; name is what it is remembered by.
	bearer func(ctx context.Context) (string, time.Time, error)
	name   string
	tokens *tokens
	used   string
	fresh  bool
}

// loginError is a login that could not be made.
type loginError struct{ answer connector.Answer }

func (e *loginError) Error() string { return e.answer.Message }

// apply puts the credentials on a request and gives the connections to send it on.
func (l *login) apply(ctx context.Context, out *nethttp.Request, c *clients) (*nethttp.Transport, error) {
	if l.header != "" {
		out.Header.Set(l.header, l.value)
	}
	if l.bearer != nil {
		token, fresh, err := l.tokens.get(ctx, l.name, l.bearer)
		if err != nil {
			return nil, err
		}
		l.used, l.fresh = token, fresh
		out.Header.Set("Authorization", "Bearer "+token)
	}
	return c.of(l.key, l.certificate), nil
}

// forget throws away the token that was used, and reports whether another one may do
// better: one that has just been given will not.
func (l *login) forget() bool {
	if l.bearer == nil {
		return false
	}
	l.tokens.forget(l.name, l.used)
	return !l.fresh
}

// loginMembers are what each kind of authentication has.
var loginMembers = map[string][]string{
	"none":                   {},
	"basic":                  {"username", "password"},
	"clientcertificate":      {"pfx", "password"},
	"activedirectoryoauth":   {"tenant", "authority", "audience", "clientId", "credentialType", "secret", "pfx", "password"},
	"managedserviceidentity": {"identity", "audience"},
	"raw":                    {"value", "parameter", "scheme"},
}

// audienceDefault is whom tokens are for when nothing is said.
const audienceDefault = "https://management.azure.com/"

// loginOf reads the authentication of a call's inputs.
func (c *Connector) loginOf(call *connector.Call, inputs *expression.Object) (login, *connector.Answer) {
	v, _ := inputs.Get("authentication")
	if s, ok := v.(string); ok && strings.TrimSpace(s) != "" {
		// A parameter may hold it as a text.
		if v, _ = expression.ParseJSON(s); v == nil {
			return login{}, refuse("The authentication of '%s' is a text that is no JSON.", call.Who.Action)
		}
	}
	o, ok := v.(*expression.Object)
	if !ok {
		if v != nil && v != "" {
			return login{}, refuse("The authentication of '%s' is no object.", call.Who.Action)
		}
		return login{}, nil
	}
	kind := text(o, "type")
	members, known := loginMembers[strings.ToLower(kind)]
	if !known {
		return login{}, refuse("The authentication of '%s' has the type '%s'; it may be Basic, ClientCertificate, ActiveDirectoryOAuth, ManagedServiceIdentity or Raw.", call.Who.Action, kind)
	}
	for _, m := range o.Members {
		found := strings.EqualFold(m.Name, "type")
		for _, name := range members {
			found = found || strings.EqualFold(name, m.Name)
		}
		if !found {
			return login{}, refuse("The authentication of '%s' has a member '%s', which %s does not have.", call.Who.Action, m.Name, kind)
		}
	}
	switch strings.ToLower(kind) {
	case "basic":
		v, _ := o.Get("username")
		p, _ := o.Get("password")
		return login{header: "Authorization", value: "Basic " + base64.StdEncoding.EncodeToString([]byte(expression.Text(v)+":"+expression.Text(p)))}, nil
	case "raw":
		value := text(o, "value")
		if value == "" {
			value = strings.TrimSpace(text(o, "scheme") + " " + text(o, "parameter"))
		}
		if value == "" || !validValue(value) {
			return login{}, refuse("The authentication of '%s' is Raw and has no value that a header can hold.", call.Who.Action)
		}
		return login{header: "Authorization", value: value}, nil
	case "clientcertificate":
		cert, key, err := certificateOf(o)
		if err != nil {
			return login{}, refuse("The certificate of '%s' cannot be used: %v.", call.Who.Action, err)
		}
		return login{certificate: cert, key: key}, nil
	case "activedirectoryoauth":
		return c.directoryLogin(call, o)
	case "managedserviceidentity":
		return c.identityLogin(call, o)
	}
	return login{}, nil
}

// identityLogin asks for tokens of a managed identity.
func (c *Connector) identityLogin(call *connector.Call, o *expression.Object) (login, *connector.Answer) {
	if c.o.Tokens == nil {
		a := connector.Refusal(codeUnsupported, fmt.Sprintf("'%s' uses a managed identity, and nobody here gives tokens of them.", call.Who.Action))
		return login{}, &a
	}
	identity, audience := text(o, "identity"), text(o, "audience")
	if strings.EqualFold(identity, "SystemAssigned") {
		identity = ""
	}
	if audience == "" {
		audience = audienceDefault
	}
	owner := call.Who.Identity
	if owner == "" {
		owner = call.Who.Workflow
	}
	return login{tokens: c.tokens, name: strings.Join([]string{"identity", owner, identity, audience}, "\n"), bearer: func(ctx context.Context) (string, time.Time, error) {
		token, ends, err := c.o.Tokens.Token(ctx, owner, identity, audience)
		if err != nil {
			if ctx.Err() != nil {
				return "", ends, ctx.Err()
			}
			return "", ends, &loginError{connector.Answer{Code: codeLogin, Message: fmt.Sprintf("Http request failed as there is an error getting a token of the managed identity for '%s': %v", audience, err)}}
		}
		return token, ends, nil
	}}, nil
}

// certificateOf reads a certificate with its key, and a name to remember it by.
func certificateOf(o *expression.Object) (*tls.Certificate, string, error) {
	encoded := strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == ' ' {
			return -1
		}
		return r
	}, text(o, "pfx"))
	v, _ := o.Get("password")
	password := expression.Text(v)
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(data) == 0 {
		return nil, "", errors.New("its pfx is no base64")
	}
	key, cert, chain, err := pkcs12.DecodeChain(data, password)
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return nil, "", errors.New("its password is another one")
	}
	if err != nil {
		return nil, "", errors.New("its pfx is no PKCS #12 file with one certificate and its key")
	}
	t := &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
	for _, c := range chain {
		t.Certificate = append(t.Certificate, c.Raw)
	}
	sum := sha256.Sum256(append([]byte(password+"\n"), data...))
	return t, hex.EncodeToString(sum[:]), nil
}
