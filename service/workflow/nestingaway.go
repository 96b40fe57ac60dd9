package workflow

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"weir/kernel/fault"
	"weir/service/workflow/connector/nested"
	"weir/service/workflow/internal/expression"
)

// nestedPath is where nodes ask each other about workflows that start each other. Only
// nodes reach it: no door serves it to others.
const nestedPath = "/weir/workflows/nested"

const (
	// nestedBytesMax bounds what is asked and answered.
	nestedBytesMax = 256 << 20
	// nestedWaitMax is how long one question waits at the other node, nestedSpare how much
	// longer its answer may take.
	nestedWaitMax = 10 * time.Second
	nestedSpare   = 5 * time.Second
)

func beginning(i nested.Invocation) *expression.Object {
	return expression.NewObject("do", "begin", "workflow", i.Workflow, "trigger", i.Trigger, "run", i.Run, "headers", orEmptyObject(i.Headers), "body", i.Body, "tracking", i.Tracking)
}

func sending(m nested.Message) *expression.Object {
	return expression.NewObject("do", "send", "workflow", m.Workflow, "trigger", m.Trigger, "batch", m.Batch, "partition", m.Partition, "id", m.ID, "key", m.Key, "content", m.Content)
}

// waiting asks the other node to wait somewhat shorter than who asks does.
func waiting(ctx context.Context, workflow, run string) *expression.Object {
	wait := nestedWaitMax
	if ctx.Err() != nil {
		wait = 0
	} else if end, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(end)*9/10)
	}
	return expression.NewObject("do", "wait", "workflow", workflow, "run", run, "milliseconds", wait.Milliseconds())
}

// away asks the node that owns a unit.
func (n *Nesting) away(ctx context.Context, sp *space, ask *expression.Object) (nested.Reply, error) {
	if ctx.Err() != nil {
		// Who waits no more still learns how it is.
		ctx = context.WithoutCancel(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, nestedWaitMax+nestedSpare)
	defer cancel()
	owner, err := sp.unit.WaitOwner(ctx)
	if err != nil {
		return nested.Reply{}, err
	}
	if owner.Self || n.s.o.PassHTTP == nil {
		return nested.Reply{}, errAway
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://owner"+nestedPath, bytes.NewReader(expression.AppendJSON(nil, ask)))
	if err != nil {
		return nested.Reply{}, err
	}
	r.RemoteAddr = "127.0.0.1:0" // this very program asks
	w := &heard{header: http.Header{}}
	n.s.o.PassHTTP(w, r, sp.name, owner.Address)
	if w.status != http.StatusOK {
		return nested.Reply{}, fault.New(fault.Unavailable, "the node at %s answered %d", owner.Address, w.status)
	}
	v, err := expression.ParseJSON(w.body.String())
	o, ok := v.(*expression.Object)
	if err != nil || !ok {
		return nested.Reply{}, fault.New(fault.Unavailable, "the node at %s answered what cannot be read", owner.Address)
	}
	return replyOf(o), nil
}

// heard is an answer that stays here.
type heard struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *heard) Header() http.Header { return k.header }

func (k *heard) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

func (k *heard) Write(b []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	if k.body.Len()+len(b) > nestedBytesMax {
		return 0, fmt.Errorf("an answer has more than %d bytes", nestedBytesMax)
	}
	return k.body.Write(b)
}

func replyOf(o *expression.Object) nested.Reply {
	is := func(name string) bool { v, _ := o.Exact(name); return v == true }
	r := nested.Reply{Missing: is("missing"), Pending: is("pending"), Accepted: is("accepted")}
	if n, _ := o.Exact("status"); n != nil {
		status, _ := n.(int64)
		r.Status = int(status)
	}
	if h, _ := o.Exact("headers"); h != nil {
		r.Headers = h
	}
	r.Body, _ = o.Exact("body")
	return r
}

// TakesPassed reports whether a request that another node passed on is for workflows'
// own addresses, or is that node's own.
func (d *Door) TakesPassed(r *http.Request) bool { return r.URL.Path == nestedPath || d.Takes(r) }

// ServePassed answers a request that another node passed on.
func (d *Door) ServePassed(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == nestedPath {
		d.s.serveNested(w, r)
		return
	}
	d.Door.ServePassed(w, r)
}

// serveNested answers another node about a workflow that this one decides about.
func (s *Service) serveNested(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, nestedBytesMax))
	if err != nil {
		http.Error(w, "The question cannot be read.", http.StatusBadRequest)
		return
	}
	v, err := expression.ParseJSON(string(data))
	o, ok := v.(*expression.Object)
	if err != nil || !ok {
		http.Error(w, "The question cannot be read.", http.StatusBadRequest)
		return
	}
	text := func(name string) string { v, _ := o.Exact(name); return expression.Text(v) }
	value := func(name string) any { v, _ := o.Exact(name); return v }
	n := Nesting{s}
	var reply nested.Reply
	switch do := strings.ToLower(text("do")); do {
	case "begin":
		headers, _ := value("headers").(*expression.Object)
		reply, err = n.begin(r.Context(), nested.Invocation{Workflow: text("workflow"), Trigger: text("trigger"), Run: text("run"), Headers: headers, Body: value("body"), Tracking: text("tracking")})
	case "send":
		reply, err = n.send(r.Context(), nested.Message{Workflow: text("workflow"), Trigger: text("trigger"), Batch: text("batch"), Partition: text("partition"), ID: text("id"), Key: text("key"), Content: value("content")})
	case "wait":
		wait, _ := value("milliseconds").(int64)
		ctx, cancel := context.WithTimeout(r.Context(), min(time.Duration(wait)*time.Millisecond, nestedWaitMax))
		reply, err = n.wait(ctx, text("workflow"), text("run"))
		cancel()
	default:
		http.Error(w, "Nodes of this version do not ask that.", http.StatusNotImplemented)
		return
	}
	if err != nil {
		http.Error(w, fault.Sentence(err), http.StatusServiceUnavailable)
		return
	}
	answer := expression.NewObject("missing", reply.Missing, "pending", reply.Pending, "accepted", reply.Accepted, "status", int64(reply.Status), "headers", reply.Headers, "body", reply.Body)
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(expression.AppendJSON(nil, answer))
}
