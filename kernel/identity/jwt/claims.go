package jwt

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Claims are the registered claims, and those that Entra's tokens of both versions
// carry about a caller.
type Claims struct {
	Issuer    string `json:"iss,omitempty"`
	Subject   string `json:"sub,omitempty"`
	Audience  Texts  `json:"aud,omitempty"`
	Expires   Date   `json:"exp,omitzero"`
	NotBefore Date   `json:"nbf,omitzero"`
	IssuedAt  Date   `json:"iat,omitzero"`
	ID        string `json:"jti,omitempty"`

	Version     string `json:"ver,omitempty"`
	Tenant      string `json:"tid,omitempty"`
	Object      string `json:"oid,omitempty"`
	AppID       string `json:"appid,omitempty"` // version 1
	Authorized  string `json:"azp,omitempty"`   // version 2's name of it
	IDType      string `json:"idtyp,omitempty"` // app or user
	Roles       Texts  `json:"roles,omitempty"`
	Scopes      string `json:"scp,omitempty"` // separated by spaces
	Groups      Texts  `json:"groups,omitempty"`
	Name        string `json:"name,omitempty"`
	Preferred   string `json:"preferred_username,omitempty"`
	UPN         string `json:"upn,omitempty"`
	UniqueName  string `json:"unique_name,omitempty"`
	Nonce       string `json:"nonce,omitempty"`
	AppIDAuth   string `json:"appidacr,omitempty"`
	AuthTime    Date   `json:"auth_time,omitzero"`
	ResourceID  string `json:"xms_mirid,omitempty"` // of a managed identity
	LoopbackFor string `json:"weir_peer,omitempty"` // "loopback": good from the server's own machine alone
	Use         string `json:"weir_use,omitempty"`  // what the issuer made it for, where it is no access token
	Stamp       string `json:"weir_stamp,omitempty"`
	Challenge   string `json:"weir_challenge,omitempty"`
	Redirect    string `json:"weir_redirect,omitempty"`
}

// Texts is a claim that is one text or a list of them.
type Texts []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *Texts) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*t = Texts{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(data, &many); err != nil {
		return err
	}
	*t = many
	return nil
}

// audienceText writes one audience as a text, as issuers do.
type audienceText Texts

// MarshalJSON implements json.Marshaler.
func (t audienceText) MarshalJSON() ([]byte, error) {
	if len(t) == 1 {
		return json.Marshal(t[0])
	}
	return json.Marshal([]string(t))
}

// Date is a time in seconds since 1970, whole or not.
type Date struct{ time.Time }

// secondsMax is the last second of the year 9999.
const secondsMax = 253402300799

// UnmarshalJSON implements json.Unmarshaler.
func (d *Date) UnmarshalJSON(data []byte) error {
	var seconds float64
	if err := json.Unmarshal(data, &seconds); err != nil {
		return err
	}
	if !(seconds >= 0 && seconds <= secondsMax) {
		return errors.New("a time is out of range")
	}
	d.Time = time.Unix(int64(seconds), 0).UTC()
	return nil
}

// MarshalJSON implements json.Marshaler.
func (d Date) MarshalJSON() ([]byte, error) { return json.Marshal(d.Unix()) }

// bounded refuses lists no honest token has.
func (c *Claims) bounded() error {
	if max(len(c.Audience), len(c.Roles), len(c.Groups)) > listMax {
		return fmt.Errorf("a claim lists more than %d values", listMax)
	}
	return nil
}

// App is the application the token was given to, in either version's claim.
func (c *Claims) App() string {
	if c.AppID != "" {
		return c.AppID
	}
	return c.Authorized
}

// Display is the name to show people, empty for an application.
func (c *Claims) Display() string {
	for _, name := range []string{c.Preferred, c.UPN, c.UniqueName, c.Name} {
		if name != "" {
			return name
		}
	}
	return ""
}

// ScopeList are the delegated scopes.
func (c *Claims) ScopeList() []string { return strings.Fields(c.Scopes) }

// For says whether the token was made for one of the audiences. A slash at the end
// makes no difference, nor does case: they are URLs of hosts.
func (c *Claims) For(audiences []string) bool {
	for _, a := range c.Audience {
		for _, good := range audiences {
			if strings.EqualFold(strings.TrimRight(a, "/"), strings.TrimRight(good, "/")) {
				return true
			}
		}
	}
	return false
}
