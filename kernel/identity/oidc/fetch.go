package oidc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"weir/kernel/identity/jwt"
)

// Bounds of what is fetched.
const (
	fetchTimeout      = 10 * time.Second // for both documents together
	discoveryBytesMax = 64 << 10
	redirectsMax      = 3
)

// FetchOptions say how providers are reached.
type FetchOptions struct {
	Transport http.RoundTripper // nil: the usual one
	// Shelf keeps key sets over a restart; nil: they are forgotten with the process.
	Shelf Shelf
}

// Shelf keeps texts by name. What it gives back is judged like what comes from the
// provider itself, so it must be as safe from others as the rest of a server's data.
type Shelf interface {
	Load(name string) ([]byte, error)
	Save(name string, data []byte) error
}

type fetcher struct {
	client *http.Client
	shelf  Shelf
}

func newFetcher(o FetchOptions) fetcher {
	return fetcher{shelf: o.Shelf, client: &http.Client{Transport: o.Transport, Timeout: fetchTimeout, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > redirectsMax {
			return errors.New("too many redirections")
		}
		return CheckURL(r.URL.String())
	}}}
}

// keys finds and reads the key set of an issuer, and puts it on the shelf.
func (f fetcher) keys(ctx context.Context, i Issuer, now time.Time) ([]jwt.Key, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	at := i.KeysURL
	if at == "" {
		var err error
		if at, err = f.discover(ctx, i); err != nil {
			return nil, err
		}
	}
	data, err := f.get(ctx, at, jwt.SetBytesMax)
	if err != nil {
		return nil, err
	}
	keys, err := jwt.ParseSet(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	f.put(i, shelved{i.URL, i.KeysURL, now, data})
	return keys, nil
}

// shelved is a key set and when it was fetched.
type shelved struct {
	Issuer  string          `json:"issuer"`
	KeysURL string          `json:"jwksUri,omitempty"`
	Fetched time.Time       `json:"fetched"`
	Keys    json.RawMessage `json:"keys"`
}

// shelfName is where an issuer's keys are.
func shelfName(i Issuer) string {
	sum := sha256.Sum256([]byte(i.URL + "\x00" + i.KeysURL))
	return hex.EncodeToString(sum[:16])
}

func (f fetcher) put(i Issuer, s shelved) {
	if f.shelf == nil {
		return
	}
	if data, err := json.Marshal(s); err == nil {
		_ = f.shelf.Save(shelfName(i), data) // then they are forgotten with the process
	}
}

// taken are the keys on the shelf, and when they were fetched; none when there are none
// that can be read.
func (f fetcher) taken(i Issuer) ([]jwt.Key, time.Time) {
	if f.shelf == nil {
		return nil, time.Time{}
	}
	data, err := f.shelf.Load(shelfName(i))
	var s shelved
	if err != nil || json.Unmarshal(data, &s) != nil || s.Issuer != i.URL || s.KeysURL != i.KeysURL {
		return nil, time.Time{}
	}
	keys, err := jwt.ParseSet(s.Keys)
	if err != nil {
		return nil, time.Time{}
	}
	return keys, s.Fetched
}

// discover reads where an issuer has its keys, and that it is the one we mean.
func (f fetcher) discover(ctx context.Context, i Issuer) (string, error) {
	at := strings.TrimSuffix(i.URL, "/") + "/.well-known/openid-configuration"
	data, err := f.get(ctx, at, discoveryBytesMax)
	if err != nil {
		return "", err
	}
	var said struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(data, &said); err != nil {
		return "", fmt.Errorf("%s is no discovery document: %w", at, err)
	}
	if strings.TrimSuffix(said.Issuer, "/") != strings.TrimSuffix(i.URL, "/") {
		return "", fmt.Errorf("%s is about the issuer %q", at, said.Issuer)
	}
	return said.Keys, nil
}

func (f fetcher) get(ctx context.Context, at string, most int64) ([]byte, error) {
	if err := CheckURL(at); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	answer, err := f.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", at, answer.Status)
	}
	data, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s answered more than %d bytes", at, most)
	}
	return data, err
}

// CheckURL refuses addresses from which keys would not be safe to fetch.
func CheckURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil {
		return fmt.Errorf("%q is no URL", shown(text))
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	own := strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && !(u.Scheme == "http" && own) {
		return fmt.Errorf("%q must begin with https://", shown(text))
	}
	return nil
}
