package trigger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"weir/kernel/fault"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/fire"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/ledger"
	"weir/service/workflow/internal/run"
	"weir/service/workflow/internal/schedule"
)

// declared is a trigger as it is declared.
type declared struct {
	view       host.View
	trigger    *fire.Trigger
	parameters *expression.Object
	share      schedule.Share
	broken     error  // of the share
	gone       bool   // the definition has it no more
	print      string // changes with the definition and the parameters
}

// print tells one declaration of a trigger from another.
func print(d *declared) string {
	h := sha256.New()
	h.Write(d.trigger.Value.Raw)
	if d.parameters != nil {
		h.Write(expression.AppendJSON(nil, d.parameters))
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// kind is what the steps of a trigger are.
type kind uint8

const (
	stepNone   kind = iota // it is called
	stepRecur              // fires at its times
	stepWindow             // fires for each window
	stepLook               // looks for something
	stepHook               // keeps a subscription
	stepBatch              // lets go of what was gathered
)

func stepOf(t *fire.Trigger) kind {
	switch t.Type {
	case "Recurrence":
		return stepRecur
	case "SlidingWindow":
		return stepWindow
	case "Http", "ApiConnection", "OpenApiConnection", "ApiManagement", "ServiceProvider":
		return stepLook
	case "HttpWebhook", "ApiConnectionWebhook", "OpenApiConnectionWebhook", "ApiConnectionNotification", "OpenApiConnectionNotification":
		return stepHook
	case "Batch":
		return stepBatch
	}
	return stepNone
}

// watch is one trigger of a workflow that is declared.
type watch struct {
	key
	t        *tenure
	ctx      context.Context // ends with the declaration
	end      context.CancelFunc
	declared atomic.Pointer[declared]

	// One step at a time; who changes the memory holds it.
	memory   sync.Mutex
	hands    hands
	tries    int       // looks or calls that failed in a row
	looked   time.Time // when the last look began
	gathered batches

	// The tenure's lock guards what follows.
	step     kind
	index    int
	next     time.Time
	running  bool
	again    time.Time
	looking  context.CancelFunc // ends the look that is under way
	failures int
}

// take takes one step and says when the next one is due; zero, none is.
func (w *watch) take() (time.Time, error) {
	w.memory.Lock()
	defer w.memory.Unlock()
	d := w.declared.Load()
	mem, err := w.recall()
	if err != nil {
		return time.Time{}, err
	}
	if mem.Hook != nil && (d.gone || stepOf(d.trigger) != stepHook) {
		if next, err := w.hook(d, mem); err != nil || mem.Hook != nil || d.gone {
			return next, err
		}
	}
	if d.gone {
		return time.Time{}, nil
	}
	switch stepOf(d.trigger) {
	case stepRecur:
		return w.recur(d, mem)
	case stepWindow:
		return w.windows(d, mem)
	case stepLook:
		return w.look(d, mem)
	case stepHook:
		return w.hook(d, mem)
	case stepBatch:
		return w.batch(d, mem)
	}
	return time.Time{}, nil
}

func (w *watch) clock() time.Time { return w.t.m.Now().UTC() }

// env is what the trigger's expressions know.
func (w *watch) env(d *declared) *fire.Env {
	e := &fire.Env{Now: w.clock(), Random: w.t.m.Random(), Parameters: d.parameters, Callback: func() string { return w.callback(d) },
		Workflow: expression.NewObject("id", d.view.ID, "name", d.view.Name, "type", typeOf(d.view.ID), "location", d.view.Location, "tags", tagsOf(d.view.Tags))}
	if set := w.t.m.Setting; set != nil {
		e.Setting = func(name string) (any, bool) { return set(d.view.Name, name) }
	}
	return e
}

func typeOf(id string) string {
	if strings.Contains(strings.ToLower(id), "/microsoft.web/sites/") {
		return "Microsoft.Web/sites/workflows"
	}
	return "Microsoft.Logic/workflows"
}

func tagsOf(tags map[string]string) *expression.Object {
	o := &expression.Object{}
	for _, name := range sorted(tags) {
		o.Members = append(o.Members, expression.Member{Name: name, Value: tags[name]})
	}
	return o
}

// callback is the address the trigger is called at; empty, there is none.
func (w *watch) callback(d *declared) string {
	if w.t.m.Callback == nil {
		return ""
	}
	return w.t.m.Callback(d.view, w.trigger)
}

// who is who asks connectors.
func (w *watch) who(d *declared, key string, attempt int) connector.Who {
	identity := w.t.m.Identity
	if identity == "" {
		identity = d.view.ID
	}
	return connector.Who{Workflow: d.view.ID, Identity: identity, Action: w.trigger, Key: key, Attempt: int32(attempt)}
}

// firing makes of a verdict what the host records.
func (w *watch) firing(v fire.Verdict, inputs any) host.Firing {
	f := host.Firing{Workflow: w.workflow, Trigger: w.trigger, Inputs: inputs}
	for _, p := range v.Parts {
		f.Outputs = append(f.Outputs, p.Outputs)
		f.Tracking = append(f.Tracking, p.Tracking)
	}
	if len(v.Parts) == 0 {
		f.History = &host.Note{Status: v.Status, Code: v.Code, Message: message(v), Began: w.clock()}
	}
	return f
}

// message tells why a trigger started nothing, with what its condition gave.
func message(v fire.Verdict) string {
	text := v.Message
	for _, trace := range v.Traces {
		value := "failed"
		if trace.Error == nil {
			value = fmt.Sprintf("gave %.200s", expression.AppendJSON(nil, trace.Value))
		}
		text += fmt.Sprintf(" %s %s.", trace.Text, value)
	}
	return text
}

// commit records a memory, with what came of it.
func (w *watch) commit(f host.Firing, mem *memory, due time.Time) ([]string, error) {
	mem.Location = w.t.here()
	data, err := mem.encode()
	if err != nil {
		return nil, err
	}
	before := mem.read
	f.Workflow, f.Trigger = w.workflow, w.trigger
	f.SetMemory, f.Memory, f.Due = true, data, due
	f.Check = func(t *ledger.Trigger) error {
		if t == nil && before == "" || t != nil && string(t.Memory) == before {
			return nil
		}
		return fault.New(fault.Conflict, "The trigger '%s' of '%s' was changed at the same time; it looks again.", w.trigger, w.workflow)
	}
	names, err := w.t.m.Host.Fire(w.ctx, f)
	if err == nil {
		mem.read = string(data)
	}
	return names, err
}

// note writes a firing without a run into the trigger's history.
func (w *watch) note(v fire.Verdict) error {
	f := w.firing(fire.Verdict{Status: v.Status, Code: v.Code, Message: v.Message, Traces: v.Traces}, nil)
	_, err := w.t.m.Host.Fire(w.ctx, f)
	return err
}

// fails notes that a trigger failed and waits for another declaration.
func (w *watch) fails(code, format string, args ...any) error {
	return w.note(fire.Verdict{Status: run.Failed, Code: code, Message: fmt.Sprintf(format, args...)})
}

// ShareTag is the tag of a workflow that says which share of its times is fired here;
// sharesMax bounds how many there may be.
const (
	ShareTag  = "weir-share"
	sharesMax = 16
)

// ShareOf reads "1/2": the first of two shares.
func ShareOf(tag string) (schedule.Share, error) {
	if tag == "" {
		return schedule.Share{}, nil
	}
	first, second, ok := strings.Cut(tag, "/")
	n, err1 := strconv.Atoi(strings.TrimSpace(first))
	of, err2 := strconv.Atoi(strings.TrimSpace(second))
	if !ok || err1 != nil || err2 != nil || n < 1 || n > of || of > sharesMax {
		return schedule.Share{}, fault.New(fault.Invalid, "The tag %s is %q; write the number of the share and how many there are, such as 1/2, at most %d.", ShareTag, tag, sharesMax)
	}
	return schedule.Share{Index: int64(n - 1), Of: int64(of)}, nil
}
