package rest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"weir/kernel/identity"
	"weir/service/bus/bustest"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
)

// The stories every front end must tell, as far as HTTP has them.
func TestSuite(t *testing.T) {
	bustest.Run(t, &door{newRig(t)})
}

type door struct{ r *rig }

func (d *door) Declare(t *testing.T, ds ...bustest.Definition) {
	d.r.t = t
	d.r.declare(ds...)
}

func (d *door) Connect(t *testing.T) bustest.Client { return &client{t, d.r} }

// client is net/http and nothing else.
type client struct {
	t *testing.T
	r *rig
}

func (c *client) do(ctx context.Context, method, path string, body []byte, header http.Header) (int, http.Header, []byte, error) {
	q, err := http.NewRequestWithContext(ctx, method, c.r.url+"/"+path, strings.NewReader(string(body)))
	if err != nil {
		return 0, nil, nil, err
	}
	if header != nil {
		q.Header = header
	}
	q.Header.Set("Authorization", sign("", identity.EmulatorKeyName, identity.EmulatorKey))
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0, nil, nil, err
	}
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	if err == nil && a.StatusCode >= 300 {
		err = errors.New(string(data))
	}
	return a.StatusCode, a.Header, data, err
}

func brokerProperties(l bustest.Letter, at time.Time) map[string]any {
	p := map[string]any{"MessageId": l.ID}
	if l.Session != nil {
		p["SessionId"] = *l.Session
	}
	if l.TTL > 0 {
		p["TimeToLive"] = l.TTL.Seconds()
	}
	if !at.IsZero() {
		p["ScheduledEnqueueTimeUtc"] = at.UTC().Format(time.RFC3339Nano)
	}
	return p
}

func (c *client) Send(ctx context.Context, path string, letters ...bustest.Letter) error {
	if len(letters) > 1 {
		var batch []any
		for _, l := range letters {
			batch = append(batch, map[string]any{"Body": l.Body, "BrokerProperties": brokerProperties(l, time.Time{}), "UserProperties": l.Properties})
		}
		body, err := json.Marshal(batch)
		if err != nil {
			return err
		}
		_, _, _, err = c.do(ctx, "POST", path+"/messages", body, http.Header{"Content-Type": {batchType}})
		return err
	}
	return c.sendOne(ctx, path, letters[0], time.Time{})
}

func (c *client) sendOne(ctx context.Context, path string, l bustest.Letter, at time.Time) error {
	p, err := json.Marshal(brokerProperties(l, at))
	if err != nil {
		return err
	}
	h := http.Header{"BrokerProperties": {string(p)}}
	c.r.spelling = map[string]string{}
	for name, v := range l.Properties {
		h[name] = []string{fmt.Sprintf("%q", v)}
		c.r.spelling[http.CanonicalHeaderKey(name)] = name
	}
	_, _, _, err = c.do(ctx, "POST", path+"/messages", []byte(l.Body), h)
	return err
}

// Schedule sends for later; what numbers they got is found by looking.
func (c *client) Schedule(ctx context.Context, path string, at time.Time, letters ...bustest.Letter) (numbers []int64, err error) {
	for _, l := range letters {
		if err := c.sendOne(ctx, path, l, at); err != nil {
			return nil, err
		}
	}
	seen, err := c.Peek(ctx, path, 0, 100)
	for _, l := range seen {
		numbers = append(numbers, l.Sequence)
	}
	return numbers, err
}

// Cancel is not offered over HTTP: it is done beside it, for the story's sake.
func (c *client) Cancel(ctx context.Context, path string, sequences ...int64) error {
	var failed error
	err := c.r.ns.Call(ctx, func(t *namespace.Turn) { failed = t.Broker.CancelScheduled(t, path, sequences) })
	return errors.Join(err, failed)
}

// Peek is not offered over HTTP: it looks beside it, at what the requests have done.
func (c *client) Peek(ctx context.Context, path string, from int64, most int) (all []bustest.Letter, err error) {
	var found []broker.Stored
	var failed error
	err = c.r.ns.Call(ctx, func(t *namespace.Turn) { found, failed = t.Broker.Peek(t, path, from, most, nil) })
	if err = errors.Join(err, failed); err != nil {
		return nil, err
	}
	for _, m := range found {
		encoded, err := c.r.ns.Read(ctx, m.Ref)
		if err != nil {
			return nil, err
		}
		in, err := open(encoded, m.Edit)
		if err != nil {
			return nil, err
		}
		l := bustest.Letter{Body: string(in.body), Sequence: m.Sequence, State: m.State, DeliveryCount: m.DeliveryCount, Properties: map[string]any{}}
		for _, x := range in.application {
			l.Properties[x.Key.(string)] = x.Value
		}
		all = append(all, l)
	}
	return all, nil
}

func (c *client) Open(_ context.Context, path string, w bustest.Wish) (bustest.Hand, error) {
	if w.Session != nil || w.Next {
		return nil, errors.ErrUnsupported
	}
	return &hand{c: c, path: path, method: map[bool]string{false: "POST", true: "DELETE"}[w.Delete]}, nil
}

// spelled gives names their case back, which net/http takes from them.
var spelled = map[string]string{"Deadletterreason": "DeadLetterReason", "Deadlettererrordescription": "DeadLetterErrorDescription"}

type hand struct {
	c            *client
	path, method string
}

func (h *hand) Take(ctx context.Context, n int) (got []bustest.Letter, err error) {
	for len(got) < n {
		status, header, body, err := h.c.do(ctx, h.method, h.path+"/messages/head?timeout=30", nil, nil)
		if err != nil {
			return got, err
		}
		if status == http.StatusNoContent {
			return got, fmt.Errorf("nothing came")
		}
		var p received
		if err := json.Unmarshal([]byte(header.Get("BrokerProperties")), &p); err != nil {
			return got, err
		}
		l := bustest.Letter{ID: p.MessageID, Body: string(body), Sequence: p.SequenceNumber, DeliveryCount: p.DeliveryCount - 1, Properties: map[string]any{}, Token: header.Get("Location")}
		for name, values := range header {
			if text, ok := headerValue(values[0]).(string); ok && !isOwn(name) {
				l.Properties[cmp.Or(spelled[name], strings.ToLower(name))] = text
			}
		}
		got = append(got, l)
	}
	return got, nil
}

func (h *hand) Fetch(context.Context, ...int64) ([]bustest.Letter, error) {
	return nil, errors.ErrUnsupported
}

func (h *hand) Settle(ctx context.Context, l bustest.Letter, how bustest.Disposition, _ string) error {
	method, ok := map[bustest.Disposition]string{broker.Complete: "DELETE", broker.Abandon: "PUT"}[how]
	if !ok {
		return errors.ErrUnsupported
	}
	return h.at(ctx, method, l)
}

func (h *hand) Renew(ctx context.Context, l bustest.Letter) error { return h.at(ctx, "POST", l) }

// at does something with a locked message, at the address it came with.
func (h *hand) at(ctx context.Context, method string, l bustest.Letter) error {
	path := strings.TrimPrefix(l.Token.(string), h.c.r.url+"/")
	_, _, _, err := h.c.do(ctx, method, path, nil, nil)
	return err
}

func (h *hand) Session() string                        { return "" }
func (h *hand) State(context.Context) ([]byte, error)  { return nil, errors.ErrUnsupported }
func (h *hand) SetState(context.Context, []byte) error { return errors.ErrUnsupported }
func (h *hand) Close(context.Context) error            { return nil }
