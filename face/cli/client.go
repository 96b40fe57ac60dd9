package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"weir/face/answer"
	"weir/internal/groups"
	"weir/internal/localca"
	"weir/internal/rendezvous"
)

const (
	serverDefault  = "http://127.0.0.1:8080"
	requestTimeout = time.Minute
	answerBytesMax = 64 << 20
)

// door is a server's HTTP door as a command sees it.
type door struct {
	url     string
	token   string
	guessed string // why url is a guess; empty when it is none
	client  *http.Client
}

// door finds the server and the token.
func (l *line) door() (*door, error) {
	d := &door{url: strings.TrimSuffix(l.server, "/"), token: l.token}
	if d.url == "" {
		found, err := rendezvous.Find(l.data)
		switch {
		case err == nil:
			d.url = found.Admin
		case errors.Is(err, fs.ErrNotExist):
			d.url, d.guessed = serverDefault, "none has announced itself in "+l.data+", and "
		default:
			return nil, err
		}
	}
	if u, err := url.Parse(d.url); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, usageError{fmt.Errorf("%q is no server: write a URL as http://127.0.0.1:8080", d.url)}
	}
	d.client = &http.Client{Timeout: requestTimeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: l.trust()}}
	if d.token == "" {
		d.token = l.loggedIn(d)
	}
	if d.token == "" {
		token, err := rendezvous.ReadToken(l.data)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		d.token = token // without one the server's refusal says what to do
	}
	if d.token != "" && groups.InTheClear(d.url) {
		fmt.Fprintln(l.Err, groups.ClearWarning(d.url))
	}
	return d, nil
}

// trust adds the local CA of the data directory to what the system trusts.
func (l *line) trust() *tls.Config {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if pem, err := os.ReadFile(localca.CAFile(filepath.Join(l.data, "tls"))); err == nil {
		pool.AppendCertsFromPEM(pem)
	}
	return &tls.Config{RootCAs: pool}
}

// refusal is an error answer of the server.
type refusal struct {
	status int
	answer.Detail
}

func (r *refusal) Error() string {
	text := r.Message
	if r.Message == "" {
		text = "the server answered " + http.StatusText(r.status)
	}
	for _, one := range r.Details {
		if !strings.Contains(text, one.Message) {
			text += "\n  " + one.Message
		}
	}
	return text
}

// call asks the door and decodes the answer into result; nil takes none.
func (d *door) call(ctx context.Context, method, path string, body []byte, result any) error {
	request, err := http.NewRequestWithContext(ctx, method, d.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if d.token != "" {
		request.Header.Set("Authorization", "Bearer "+d.token)
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := d.client.Do(request)
	if err != nil {
		return d.unreachable(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", d.url, err)
	}
	if answer.StatusCode >= 300 {
		return refused(answer.StatusCode, data)
	}
	if result == nil || len(data) == 0 {
		return nil
	}
	if raw, ok := result.(*json.RawMessage); ok {
		*raw = data
		return nil
	}
	if err := json.Unmarshal(data, result); err != nil {
		return fmt.Errorf("%s answered something else than a Weir server would (%w); is --server right?", d.url, err)
	}
	return nil
}

func refused(status int, data []byte) error {
	var body answer.Body
	_ = json.Unmarshal(data, &body) // anything else has no message
	return &refusal{status, body.Error}
}

// unreachable says what to do when nobody answers.
func (d *door) unreachable(err error) error {
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%sno server answers at %s; start one with \"weir serve\", or say where one is with --data DIR or --server URL", d.guessed, d.url)
	case errors.As(err, &dns):
		return fmt.Errorf("the host of %s is not known; name another server with --server", d.url)
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return fmt.Errorf("the certificate of %s is not trusted; with the server's CA in a file, set SSL_CERT_FILE to it (\"weir ca\" prints it where the data directory is)", d.url)
	}
	return fmt.Errorf("ask the server: %w", err)
}
