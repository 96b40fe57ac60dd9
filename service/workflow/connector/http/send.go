package http

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/content"
	"weir/service/workflow/internal/run"
)

// answer is what came back.
type incoming struct {
	status int
	header nethttp.Header
	body   []byte
	at     *url.URL
	// raw says that the body is encoded in a way that was not undone.
	raw bool
}

// certificatesMax bounds the clients that are kept for certificates.
const certificatesMax = 64

// clients keeps connections: one pool for all, and one for each certificate.
type clients struct {
	o     Options
	mu    sync.Mutex
	plain *nethttp.Transport
	named map[string]*nethttp.Transport
}

func newClients(o Options) *clients {
	c := &clients{o: o, named: map[string]*nethttp.Transport{}}
	c.plain = c.transport(nil)
	return c
}

func (c *clients) transport(own *tls.Certificate) *nethttp.Transport {
	dial := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second, Control: c.o.Reach.control}
	t := &nethttp.Transport{
		DialContext: dial.DialContext, ForceAttemptHTTP2: true, DisableCompression: true,
		TLSClientConfig:     &tls.Config{RootCAs: c.o.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 30 * time.Second, IdleConnTimeout: 90 * time.Second,
		MaxIdleConns: 1024, MaxIdleConnsPerHost: 512, MaxResponseHeaderBytes: 256 << 10,
	}
	if own != nil {
		t.TLSClientConfig.Certificates = []tls.Certificate{*own}
	}
	return t
}

// of gives the pool of a certificate.
func (c *clients) of(key string, own *tls.Certificate) *nethttp.Transport {
	if own == nil {
		return c.plain
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.named[key]; t != nil {
		return t
	}
	if len(c.named) >= certificatesMax {
		for k, t := range c.named {
			delete(c.named, k)
			t.CloseIdleConnections()
			break
		}
	}
	t := c.transport(own)
	c.named[key] = t
	return t
}

func (c *clients) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.plain.CloseIdleConnections()
	for _, t := range c.named {
		t.CloseIdleConnections()
	}
}

// tooLarge is the refusal of an answer with too many bytes.
type tooLarge int64

func (e tooLarge) Error() string {
	return fmt.Sprintf("the answer has more than %d bytes", int64(e))
}

// send makes one request. A token that is refused is thrown away and asked for anew, once.
func (x *exchange) send(ctx context.Context, r *request) (*incoming, error) {
	in, err := x.once(ctx, r)
	if err == nil && in.status == 401 && sameOrigin(r.url, x.request.url) && x.login.forget() {
		return x.once(ctx, r)
	}
	return in, err
}

func (x *exchange) once(ctx context.Context, r *request) (*incoming, error) {
	var body io.Reader
	if len(r.body) > 0 {
		body = bytes.NewReader(r.body)
	}
	out, err := nethttp.NewRequestWithContext(ctx, r.method, r.url.String(), body)
	if err != nil {
		return nil, err
	}
	out.Header = r.header.Clone()
	track(out.Header, x.call, x.c.o.Agent)
	decode := !hasOption(x.call, "DisableAutomaticDecompression")
	if decode {
		out.Header.Set("Accept-Encoding", "gzip, deflate")
	}
	// A transport adds an encoding of its own unless it is told one.
	client := x.c.clients.plain
	if sameOrigin(r.url, x.request.url) {
		if client, err = x.login.apply(ctx, out, x.c.clients); err != nil {
			return nil, err
		}
	}
	got, err := client.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	defer got.Body.Close()
	in := &incoming{status: got.StatusCode, header: got.Header, at: r.url}
	// The body is closed, not drained, when it is too large: the connection is given up.
	err = in.read(got.Body, x.limit, decode)
	return in, err
}

func (in *incoming) read(from io.Reader, limit int64, decode bool) error {
	encoding := strings.ToLower(strings.TrimSpace(in.header.Get("Content-Encoding")))
	in.raw = encoding != "" && encoding != "identity"
	if in.raw && decode {
		buffered := &peeker{from: from}
		switch {
		case !buffered.any():
			return nil
		case encoding == "gzip" || encoding == "x-gzip":
			z, err := gzip.NewReader(buffered)
			if err != nil {
				return fmt.Errorf("the answer says that it is compressed, and is not: %w", err)
			}
			from, in.raw = z, false
		case encoding == "deflate":
			z, err := zlib.NewReader(buffered)
			if err != nil {
				return fmt.Errorf("the answer says that it is compressed, and is not: %w", err)
			}
			from, in.raw = z, false
		default:
			from = buffered
		}
		if !in.raw {
			in.header.Del("Content-Encoding")
			in.header.Del("Content-Length")
		}
	}
	data, err := io.ReadAll(io.LimitReader(from, limit+1))
	if err == nil && int64(len(data)) > limit {
		return tooLarge(limit)
	}
	in.body = data
	return err
}

// peeker knows whether there is anything at all.
type peeker struct {
	from  io.Reader
	first []byte
}

func (p *peeker) any() bool {
	var b [1]byte
	n, _ := io.ReadFull(p.from, b[:])
	p.first = b[:n]
	return n > 0
}

func (p *peeker) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return p.from.Read(b)
}

// hops are headers between two machines, which are not of the answer.
var hops = []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// answer gives what came back as the engine knows it.
func (x *exchange) answer(in *incoming, err error) connector.Answer {
	if err != nil {
		return x.failure(err)
	}
	a := connector.Answer{Status: in.status, Headers: headersAs(in.header)}
	kind := in.header.Get("Content-Type")
	if in.raw {
		a.Body = content.Raw(kind, in.body)
		if len(in.body) == 0 {
			a.Body = nil
		}
		return a
	}
	body, err := content.Read(kind, in.body)
	if err != nil {
		if media := strings.ToLower(kind); in.status < 300 && strings.Contains(media, "json") {
			return connector.Refusal(codeBadRequest, fmt.Sprintf("Http request failed: the content was not a valid JSON: '%v'", err))
		}
		body = content.Raw(kind, in.body)
	}
	a.Body = body
	return a
}

// failure says why there is no answer, without the address: its query may be a secret.
func (x *exchange) failure(err error) connector.Answer {
	var (
		name    *net.DNSError
		refused *unreachable
		large   tooLarge
		login   *loginError
		tlsErr  *tls.CertificateVerificationError
		remote  *net.OpError
		record  tls.RecordHeaderError
		failed  *protocolError
	)
	host := x.request.url.Host
	a := connector.Answer{Code: "ConnectionFailed", Retryable: true}
	switch {
	case errors.As(err, &login):
		return login.answer
	case errors.As(err, &failed):
		return connector.Refusal(codeBadRequest, failed.what)
	case errors.As(err, &refused):
		return connector.Refusal("AddressNotAllowed", fmt.Sprintf("Http request failed: '%s' stands for %s, and %s. Who runs this can allow it by name.", x.request.url.Hostname(), refused.at, refused.why))
	case errors.As(err, &large):
		return connector.Refusal(codeTooLarge, fmt.Sprintf("Http request failed: %v.", err))
	case errors.Is(err, context.DeadlineExceeded):
		return connector.Answer{Code: "ActionTimedOut", Timeout: true, Message: fmt.Sprintf("Http request failed: '%s' did not respond within the timeout limit.", host)}
	case errors.Is(err, context.Canceled):
		a.Code, a.Message = "RequestCancelled", "Http request failed: it was given up."
	case errors.As(err, &name):
		a.Code, a.Message = "UnresolvableHostName", fmt.Sprintf("The provided host name '%s' could not be resolved.", x.request.url.Hostname())
	case errors.As(err, &tlsErr), errors.As(err, &record), errors.As(err, &remote) && remote.Op == "remote error": // an alert
		a.Code, a.Retryable = "SecureConnectionFailed", false
		a.Message = fmt.Sprintf("Http request failed as there is an error: 'the secure connection to %s could not be made: %v'", host, plain(err))
	default:
		a.Message = fmt.Sprintf("Http request failed as there is an error: '%s: %v'", host, plain(err))
	}
	return a
}

// plain takes off what holds the address.
func plain(err error) error {
	for {
		u, ok := err.(*url.Error)
		if !ok {
			return err
		}
		err = u.Err
	}
}

// protocolError says what the other side did that its protocol does not have.
type protocolError struct{ what string }

func (e *protocolError) Error() string { return e.what }

func breach(format string, args ...any) error { return &protocolError{fmt.Sprintf(format, args...)} }

// statusName is what the engine calls a status.
func statusName(status int) string { return run.StatusName(status) }
