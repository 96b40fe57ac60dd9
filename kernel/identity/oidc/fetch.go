package oidc

import (
	"context"
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
}

type fetcher struct{ client *http.Client }

func newFetcher(o FetchOptions) fetcher {
	return fetcher{&http.Client{Transport: o.Transport, Timeout: fetchTimeout, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > redirectsMax {
			return errors.New("too many redirections")
		}
		return CheckURL(r.URL.String())
	}}}
}

// keys finds and reads the key set of an issuer.
func (f fetcher) keys(ctx context.Context, i Issuer) ([]jwt.Key, error) {
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
	return keys, nil
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
