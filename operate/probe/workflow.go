package probe

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Workflow is the path of a workflow that answers: one with a Request trigger and a
// Response action. It may look at what it depends on before it answers; what it answers
// counts.
type Workflow struct {
	URL    string // its callback URL, which is a secret
	Method string // POST
	Within time.Duration
	TLS    *tls.Config // trust; nil: the system's

	client *http.Client
}

// NewWorkflow checks the address; nothing is called yet.
func NewWorkflow(p Workflow) (*Workflow, error) {
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("this is no callback URL: the action listCallbackUrl of the workflow's trigger gives it")
	}
	if p.Method == "" {
		p.Method = http.MethodPost
	}
	if p.Within == 0 {
		p.Within = WithinDefault
	}
	// A connection of its own for every call: a router chooses the location by connection.
	p.client = &http.Client{
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: p.TLS, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &p, nil
}

// ReadWorkflow reads what a file or a flag says: the URL, a method before it if it is not
// POST.
func ReadWorkflow(text string) (method, address string) {
	if word, rest, ok := strings.Cut(strings.TrimSpace(text), " "); ok {
		return word, strings.TrimSpace(rest)
	}
	return "", strings.TrimSpace(text)
}

const workflowBytesMax = 64 << 10

// Check calls the workflow once, and reads what it answers.
func (p *Workflow) Check(ctx context.Context) Result {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, p.Within)
	defer cancel()
	if err := p.call(ctx); err != nil {
		return fail("workflow", began, inTime(ctx, p.Within, err))
	}
	return Result{OK: true, Seconds: time.Since(began).Seconds()}
}

func (p *Workflow) call(ctx context.Context) error {
	var body io.Reader
	if p.Method == http.MethodPost || p.Method == http.MethodPut || p.Method == http.MethodPatch {
		body = strings.NewReader(`{"probe":true}`)
	}
	r, err := http.NewRequestWithContext(ctx, p.Method, p.URL, body)
	if err != nil {
		return withoutURL(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("x-ms-client-tracking-id", "weir-probe-"+rand.Text()) // so that its runs are told from others
	answer, err := p.client.Do(r)
	if err != nil {
		return withoutURL(err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, workflowBytesMax))
	switch {
	case err != nil:
		return withoutURL(err)
	case answer.StatusCode == http.StatusAccepted:
		return errors.New("it accepted the call and did not answer it: a workflow that is asked for health needs a Response action")
	case answer.StatusCode < 300:
		return nil
	}
	var said struct {
		Error   struct{ Message string }
		Message string
	}
	if json.Unmarshal(data, &said) == nil && said.Error.Message+said.Message != "" {
		return fmt.Errorf("it answers %s: %s", answer.Status, said.Error.Message+said.Message)
	}
	return fmt.Errorf("it answers %s", answer.Status)
}

// withoutURL leaves the address out: its signature lets whoever has it call.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// All is several probes as one: what fails first in their order is told.
type All []Probe

// Check asks all of them at the same time. What it takes is what the slowest took.
func (all All) Check(ctx context.Context) Result {
	results := make([]Result, len(all))
	var asking sync.WaitGroup
	for i, p := range all {
		asking.Go(func() { results[i] = p.Check(ctx) })
	}
	asking.Wait()
	sum := Result{OK: true}
	for _, r := range results {
		seconds := max(sum.Seconds, r.Seconds)
		if sum.OK && !r.OK {
			sum = r
		}
		sum.SendSeconds, sum.ReceiveSeconds = max(sum.SendSeconds, r.SendSeconds), max(sum.ReceiveSeconds, r.ReceiveSeconds)
		sum.Seconds = seconds
	}
	return sum
}

var _ = []Probe{(*Workflow)(nil), All(nil)}
