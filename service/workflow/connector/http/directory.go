package http

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	nethttp "net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// issuerBytesMax bounds what an issuer of tokens answers.
const issuerBytesMax = 1 << 20

// application is who asks for tokens with ActiveDirectoryOAuth.
type application struct {
	endpoint, client, secret, audience string
	certificate                        *x5
}

// x5 signs for an application that shows a certificate.
type x5 struct {
	key        *rsa.PrivateKey
	thumbprint string
	chain      []string
}

// directoryLogin asks the token endpoint of an authority.
func (c *Connector) directoryLogin(call *connector.Call, o *expression.Object) (login, *connector.Answer) {
	a := application{client: text(o, "clientId"), audience: text(o, "audience"), secret: text(o, "secret")}
	tenant, authority := text(o, "tenant"), text(o, "authority")
	if authority == "" {
		authority = c.o.Authority
	}
	if a.audience == "" {
		a.audience = audienceDefault
	}
	for _, must := range [][2]string{{"tenant", tenant}, {"clientId", a.client}} {
		if must[1] == "" {
			return login{}, refuse("The authentication of '%s' is ActiveDirectoryOAuth and has no '%s'.", call.Who.Action, must[0])
		}
	}
	at, err := url.Parse(strings.TrimSuffix(authority, "/"))
	if err != nil || at.Host == "" || at.Scheme != "https" && at.Scheme != "http" {
		return login{}, refuse("The authority of '%s' is no address.", call.Who.Action)
	}
	a.endpoint = at.JoinPath(tenant, "oauth2", "token").String()
	remembered := sha256.New()
	remembered.Write([]byte(a.secret))
	switch {
	case text(o, "pfx") != "":
		cert, key, err := certificateOf(o)
		if err != nil {
			return login{}, refuse("The certificate of '%s' cannot be used: %v.", call.Who.Action, err)
		}
		private, ok := cert.PrivateKey.(*rsa.PrivateKey)
		if !ok {
			return login{}, refuse("The certificate of '%s' has no RSA key, which ActiveDirectoryOAuth signs with.", call.Who.Action)
		}
		sum := sha1.Sum(cert.Certificate[0])
		a.certificate = &x5{key: private, thumbprint: base64.RawURLEncoding.EncodeToString(sum[:])}
		for _, raw := range cert.Certificate {
			a.certificate.chain = append(a.certificate.chain, base64.StdEncoding.EncodeToString(raw))
		}
		remembered.Write([]byte(key))
	case a.secret == "":
		return login{}, refuse("The authentication of '%s' is ActiveDirectoryOAuth and has neither a secret nor a pfx.", call.Who.Action)
	}
	name := strings.Join([]string{"application", a.endpoint, a.client, a.audience, hex.EncodeToString(remembered.Sum(nil))}, "\n")
	return login{tokens: c.tokens, name: name, bearer: func(ctx context.Context) (string, time.Time, error) { return c.issue(ctx, &a) }}, nil
}

// issue asks for a token.
func (c *Connector) issue(ctx context.Context, a *application) (string, time.Time, error) {
	now := c.o.Now()
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {a.client}, "resource": {a.audience}}
	if a.certificate != nil {
		signed, err := a.certificate.assertion(a, now)
		if err != nil {
			return "", now, noToken("the certificate cannot sign", false)
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", signed)
	} else {
		form.Set("client_secret", a.secret)
	}
	out, err := nethttp.NewRequestWithContext(ctx, "POST", a.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return "", now, noToken("its address is none", false)
	}
	out.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	out.Header.Set("Accept", "application/json")
	out.Header.Set("User-Agent", c.o.Agent)
	got, err := c.clients.plain.RoundTrip(out)
	if err != nil {
		if ctx.Err() != nil {
			return "", now, ctx.Err()
		}
		return "", now, noToken(fmt.Sprintf("%s: %v", out.URL.Host, plain(err)), true)
	}
	defer got.Body.Close()
	data, err := io.ReadAll(io.LimitReader(got.Body, issuerBytesMax))
	if err != nil {
		return "", now, noToken(fmt.Sprintf("%s: %v", out.URL.Host, plain(err)), true)
	}
	var said struct {
		Token       string          `json:"access_token"`
		In          json.RawMessage `json:"expires_in"`
		Error       string          `json:"error"`
		Description string          `json:"error_description"`
	}
	_ = json.Unmarshal(data, &said)
	if got.StatusCode != 200 || said.Token == "" {
		what := strings.TrimSpace(said.Error + ": " + said.Description)
		if said.Error == "" {
			what = fmt.Sprintf("%s answered %d without a token", out.URL.Host, got.StatusCode)
		}
		if a.secret != "" {
			what = strings.ReplaceAll(what, a.secret, "*sanitized*")
		}
		return "", now, noToken(what[:min(len(what), 500)], got.StatusCode == 429 || got.StatusCode >= 500)
	}
	seconds, err := strconv.ParseFloat(strings.Trim(string(said.In), `"`), 64)
	if err != nil || seconds < 0 || seconds > 1e8 {
		seconds = 600
	}
	return said.Token, now.Add(time.Duration(seconds * float64(time.Second))), nil
}

func noToken(why string, again bool) error {
	return &loginError{connector.Answer{Code: codeLogin, Retryable: again, Message: "Http request failed as there is an error getting AD OAuth token: '" + why + "'"}}
}

// assertion is a token that the application signs itself, to show its certificate.
func (x *x5) assertion(a *application, now time.Time) (string, error) {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return "", err
	}
	head, err := json.Marshal(map[string]any{"alg": "RS256", "typ": "JWT", "x5t": x.thumbprint, "kid": x.thumbprint, "x5c": x.chain})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"aud": a.endpoint, "iss": a.client, "sub": a.client, "jti": hex.EncodeToString(id),
		"nbf": now.Add(-time.Minute).Unix(), "iat": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, x.key, crypto.SHA256, sum[:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), err
}
