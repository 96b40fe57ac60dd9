package workflow

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/workflow/internal/rest"
)

// Act runs an action of what lies below a workflow, such as listCallbackUrl of a trigger,
// for who makes no HTTP request: a template that asks for it. endpoint is where clients
// reach this node. It is not its business when taken is false.
func (d *Door) Act(ctx context.Context, endpoint string, id resource.ID, action string, body map[string]any) (answer map[string]any, taken bool, err error) {
	flow, below := id, []string{action}
	for !strings.EqualFold(flow.Type(), rest.TypeWorkflow) {
		parent := flow.Parent()
		if parent.IsZero() || parent.IsScope() {
			return nil, false, nil
		}
		step := flow.Type()[strings.LastIndexByte(flow.Type(), '/')+1:]
		below = append([]string{step, flow.Name()}, below...)
		flow = parent
	}
	if rest.Operation(http.MethodPost, flow, below) == "" {
		return nil, false, nil // an action of the resource itself
	}
	at, err := url.Parse(endpoint)
	if err != nil {
		return nil, true, fault.Wrap(fault.Internal, err, "The endpoint of this node cannot be read.")
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil, true, fault.Wrap(fault.Invalid, err, "The body cannot be written.")
	}
	at.Path = id.String() + "/" + action
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), bytes.NewReader(text))
	if err != nil {
		return nil, true, fault.Wrap(fault.Internal, err, "The request cannot be made.")
	}
	if at.Scheme == "https" {
		r.TLS = &tls.ConnectionState{}
	}
	w := &kept{header: http.Header{}}
	if err := d.Manage(w, r, flow, below); err != nil {
		return nil, true, err
	}
	if len(bytes.TrimSpace(w.body.Bytes())) == 0 {
		return nil, true, nil
	}
	if err := json.Unmarshal(w.body.Bytes(), &answer); err != nil {
		return nil, true, fault.Wrap(fault.Internal, err, "The answer of %s cannot be read.", action)
	}
	return answer, true, nil
}

// kept is an answer that is kept.
type kept struct {
	header http.Header
	body   bytes.Buffer
}

func (k *kept) Header() http.Header         { return k.header }
func (k *kept) WriteHeader(int)             {}
func (k *kept) Write(b []byte) (int, error) { return k.body.Write(b) }
