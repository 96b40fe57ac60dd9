package trigger

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"weir/internal/dotnet"
	"weir/kernel/fault"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/fire"
	"weir/service/workflow/internal/host"
	"weir/service/workflow/internal/ledger"
	"weir/service/workflow/internal/run"
	"weir/service/workflow/internal/schedule"
)

// Message is one for a Batch trigger.
type Message struct {
	// Batch is the name of its configuration, Partition what it is gathered by.
	Batch, Partition string
	// ID names the message. Key is of who sends it: of two with the same ID and Key only the
	// first counts, as far as doneMax.
	ID, Key string
	Content any
}

// batched is what a Batch trigger remembers of itself: when each batch that recurs is
// let go. Its messages lie in slots, each remembered as if it were a trigger of its own:
// one is recorded when it comes, and those of a batch are emptied in one step with the
// run that they become. So they are in the memory of every replica, and bounded.
type batched struct {
	Next map[string]time.Time `json:"next,omitempty"`
	// Done are the prints of the last messages that were let go, eight bytes each: they may
	// be sent again by who has not heard that they are durable.
	Done []byte `json:"done,omitempty"`
}

// doneMax is how many messages that were let go are known when they are sent again.
const doneMax = 1_000

// done says that a message was let go before.
func (b *batched) done(id, key string) bool {
	if b == nil || key == "" {
		return false
	}
	one := messagePrint(id, key)
	for k := 0; k+8 <= len(b.Done); k += 8 {
		if bytes.Equal(b.Done[k:k+8], one) {
			return true
		}
	}
	return false
}

// with gives the memory with messages that were let go.
func (b *batched) with(taken []*slot) *batched {
	next := &batched{}
	if b != nil {
		*next = *b
	}
	next.Done = slices.Clone(next.Done)
	for _, s := range taken {
		if s.Key != "" {
			next.Done = append(next.Done, messagePrint(s.ID, s.Key)...)
		}
	}
	next.Done = next.Done[max(0, len(next.Done)-8*doneMax):]
	return next
}

func messagePrint(id, key string) []byte {
	sum := sha256.Sum256([]byte(id + "\x00" + key))
	return sum[:8]
}

// emptySlot is what is remembered of a slot whose message was let go.
const emptySlot = "-"

// slot is a message as it is remembered, in several slots when it is large.
type slot struct {
	Number    uint64 `json:"n"`
	Batch     string `json:"b,omitempty"`
	Partition string `json:"p,omitempty"`
	ID        string `json:"id,omitempty"`
	Key       string `json:"k,omitempty"`
	// Piece counts the pieces of a content from 0.
	Piece   int    `json:"i,omitempty"`
	Content []byte `json:"c"`

	at []int // which slots, of a whole message
}

// pieceBytes is how much of a content lies in one slot.
const pieceBytes = 40 << 10

func (s *slot) group() string { return s.Batch + "\x00" + s.Partition }

// batches are the messages of one trigger that wait, as they lie in its slots.
type batches struct {
	read bool
	all  []*slot // in the order in which they came
	last uint64
	free []int
	next int // slots from here on were never used
	size int64
}

// slotMark stands in the name that a slot is remembered under, and in no trigger's.
const slotMark = "\x00"

func (w *watch) slotName(at int) string { return fmt.Sprintf("%s%s%05d", w.trigger, slotMark, at) }

// load reads the slots, once in an ownership.
func (w *watch) load() error {
	b := &w.gathered
	if b.read {
		return nil
	}
	*b = batches{}
	var pieces []*slot
	for ; ; b.next++ {
		info, err := w.t.m.Host.Trigger(w.workflow, w.slotName(b.next))
		if err != nil {
			return err
		}
		if len(info.Memory) == 0 {
			break // slots are used from the first on, and stay
		}
		if string(info.Memory) == emptySlot {
			b.free = append(b.free, b.next)
			continue
		}
		s := &slot{at: []int{b.next}}
		if err := json.Unmarshal(info.Memory, s); err != nil {
			return fmt.Errorf("read a message of a batch: %w", err)
		}
		pieces = append(pieces, s)
	}
	slices.SortFunc(pieces, func(x, y *slot) int { return cmp.Or(cmp.Compare(x.Number, y.Number), cmp.Compare(x.Piece, y.Piece)) })
	for _, s := range pieces {
		if s.Piece == 0 {
			b.add(s)
			continue
		}
		if len(b.all) == 0 || b.all[len(b.all)-1].Number != s.Number {
			return fmt.Errorf("a message of a batch has lost its beginning")
		}
		whole := b.all[len(b.all)-1]
		whole.Content, whole.at = append(whole.Content, s.Content...), append(whole.at, s.at...)
		b.size += int64(len(s.Content))
	}
	b.read = true
	return nil
}

func (b *batches) add(s *slot) {
	b.all = append(b.all, s)
	b.last = max(b.last, s.Number)
	b.size += int64(len(s.Content))
}

// Send gives a Batch trigger a message. It returns when the message is durable.
func (m *Manager) Send(ctx context.Context, workflow, trigger string, one Message) error {
	w, d, err := m.called(workflow, trigger)
	if err != nil {
		return err
	}
	if stepOf(d.trigger) != stepBatch {
		return &Refusal{Status: 400, Code: "TriggerTypeNotBatch", Message: fmt.Sprintf("The trigger '%s' of the workflow '%s' is of type '%s'; messages go to a Batch trigger.", trigger, workflow, d.trigger.Type)}
	}
	in, failed := d.trigger.Evaluate(w.env(d))
	if failed != nil {
		return w.refuse(failed)
	}
	c := configuration(in, one.Batch)
	if c == nil {
		return &Refusal{Status: 400, Code: "BatchConfigurationNotFound", Message: fmt.Sprintf("The trigger '%s' of the workflow '%s' has no batch '%s'.", trigger, workflow, one.Batch)}
	}
	if one.Partition == "" {
		one.Partition = "DEFAULT"
	}
	w.memory.Lock()
	defer w.memory.Unlock()
	mem, err := w.recall()
	if err != nil {
		return err
	}
	if err := w.load(); err != nil {
		return err
	}
	if mem.Batch.done(one.ID, one.Key) {
		return nil
	}
	if err := w.put(ctx, one); err != nil {
		return err
	}
	if w.ripe(c, one.Partition) {
		w.t.now(w)
	}
	return nil
}

func configuration(in any, name string) *fire.Batch {
	for _, b := range fire.Batches(in) {
		if b.Name == name || b.Name == "" {
			return &b
		}
	}
	return nil
}

// put records a message in a slot.
func (w *watch) put(ctx context.Context, one Message) error {
	b, l := &w.gathered, w.t.m.limits
	if one.ID == "" {
		one.ID = fmt.Sprintf("%016x", w.t.m.Random())
	}
	for _, s := range b.all {
		if s.Key != "" && s.Key == one.Key && s.ID == one.ID {
			return nil // it was sent again
		}
	}
	s := &slot{Number: b.last + 1, Batch: one.Batch, Partition: one.Partition, ID: one.ID, Key: one.Key, Content: expression.AppendJSON(nil, one.Content)}
	switch n := int64(len(s.Content)); {
	case n > l.MessageBytes || len(s.ID)+len(s.Key)+len(s.Partition) > pieceBytes/4:
		return &Refusal{Status: 413, Code: "BatchMessageTooLarge", Message: fmt.Sprintf("The message for the batch '%s' has %d bytes; at most %d are kept.", one.Batch, n, l.MessageBytes)}
	case len(b.all) >= l.BatchMessages || b.size+n > l.BatchBytes:
		return &Refusal{Status: 429, Code: "BatchFull", Message: fmt.Sprintf("The trigger '%s' of the workflow '%s' holds %d messages of %d bytes; it takes more when some were let go.", w.trigger, w.workflow, len(b.all), b.size)}
	}
	f, free, next := w.slots(s)
	if _, err := w.t.m.Host.Fire(ctx, f); err != nil {
		b.read = false // whether it was recorded is read again
		return lost(ctx, err)
	}
	b.free, b.next = free, next
	b.add(s)
	return nil
}

// slots writes a message into slots, and says which are free then.
func (w *watch) slots(s *slot) (f host.Firing, free []int, next int) {
	b := &w.gathered
	free, next = slices.Clone(b.free), b.next
	type piece struct {
		at   string
		data []byte
	}
	var all []piece
	for k, rest := 0, s.Content; k == 0 || len(rest) > 0; k++ {
		at := next
		if n := len(free); n > 0 {
			at, free = free[n-1], free[:n-1]
		} else {
			next++
		}
		one := slot{Number: s.Number, Piece: k, Content: rest[:min(len(rest), pieceBytes)]}
		rest = rest[len(one.Content):]
		if k == 0 {
			one.Batch, one.Partition, one.ID, one.Key = s.Batch, s.Partition, s.ID, s.Key
		}
		data, _ := json.Marshal(one) // of texts, numbers and bytes
		all, s.at = append(all, piece{w.slotName(at), data}), append(s.at, at)
	}
	f = host.Firing{Workflow: w.workflow, Trigger: all[0].at, SetMemory: true, Memory: all[0].data}
	f.Also = func(l *ledger.Ledger, t ledger.Turn) error {
		for _, p := range all[1:] {
			if err := l.SetTrigger(t, w.workflow, p.at, 0, p.data); err != nil {
				return err
			}
		}
		return nil
	}
	return f, free, next
}

// ripe says that a partition has as many messages or bytes as let it go.
func (w *watch) ripe(c *fire.Batch, partition string) bool {
	count, size := 0, int64(0)
	for _, s := range w.gathered.all {
		if s.Batch == c.Name && s.Partition == partition || c.Name == "" && s.Partition == partition {
			count, size = count+1, size+int64(len(s.Content))
		}
	}
	return c.Messages > 0 && count >= c.Messages || c.Bytes > 0 && size >= c.Bytes
}

// batch lets go of what is ripe, and of what is due.
func (w *watch) batch(d *declared, mem *memory) (time.Time, error) {
	if d.view.Disabled {
		return time.Time{}, nil
	}
	in, failed := d.trigger.Evaluate(w.env(d))
	if failed != nil {
		return time.Time{}, w.note(*failed)
	}
	if err := w.load(); err != nil {
		return time.Time{}, err
	}
	if mem.Batch == nil {
		mem.Batch = &batched{}
	}
	if mem.Base.IsZero() {
		mem.Base = w.clock()
	}
	var next time.Time
	for _, c := range fire.Batches(in) {
		due, at, err := w.batchDue(c, mem)
		if err != nil {
			return time.Time{}, w.fails(fire.CodeTemplate, "The recurrence of the batch '%s' cannot be kept: %s.", c.Name, err)
		}
		if err := w.letGo(d, mem, in, c, due); err != nil {
			return time.Time{}, err
		}
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, nil
}

// batchDue says whether the recurrence of a batch lets it go now, and when next.
func (w *watch) batchDue(c fire.Batch, mem *memory) (bool, time.Time, error) {
	if c.Recurs == nil {
		return false, time.Time{}, nil
	}
	rule, err := schedule.Make(*c.Recurs, mem.Base, dotnet.Zone)
	if err != nil {
		return false, time.Time{}, err
	}
	now := w.clock()
	at, known := mem.Batch.Next[c.Name]
	if known && at.After(now) {
		return false, at, nil
	}
	next, _ := rule.Next(now, schedule.Share{})
	if mem.Batch.Next == nil {
		mem.Batch.Next = map[string]time.Time{}
	}
	mem.Batch.Next[c.Name] = next.At
	_, err = w.commit(noFiring, mem, next.At)
	return known, next.At, err
}

// letGo starts a run for each partition of a batch that is ripe, or for all.
func (w *watch) letGo(d *declared, mem *memory, in any, c fire.Batch, all bool) error {
	for {
		group := ""
		for _, s := range w.gathered.all {
			if (s.Batch == c.Name || c.Name == "") && (all || w.ripe(&c, s.Partition)) {
				group = s.group()
				break
			}
		}
		if group == "" {
			return nil
		}
		if err := w.fireBatch(d, mem, in, c, group, all); err != nil {
			return err
		}
	}
}

// fireBatch starts the run of the oldest messages of a partition, and forgets them.
func (w *watch) fireBatch(d *declared, mem *memory, in any, c fire.Batch, group string, all bool) error {
	b := &w.gathered
	var taken []*slot
	size := int64(0)
	for _, s := range b.all {
		if s.group() != group {
			continue
		}
		taken, size = append(taken, s), size+int64(len(s.Content))
		if !all && (c.Messages > 0 && len(taken) >= c.Messages || c.Bytes > 0 && size >= c.Bytes) {
			break
		}
	}
	var items []any
	for _, s := range taken {
		v, err := expression.ParseJSON(string(s.Content))
		if err != nil {
			return fmt.Errorf("read a message of a batch: %w", err)
		}
		items = append(items, expression.NewObject("content", v, "messageId", s.ID))
	}
	body := expression.NewObject("batchName", taken[0].Batch, "partitionName", taken[0].Partition, "items", items)
	v := d.trigger.Decide(w.env(d), fire.Input{Inputs: in, Outputs: expression.NewObject("body", body)})
	if v.Status == run.Failed {
		return w.stuck(v)
	}
	next := *mem
	next.Batch = mem.Batch.with(taken)
	f := w.firing(v, in)
	f.Also = func(l *ledger.Ledger, t ledger.Turn) error {
		for _, s := range taken {
			for _, at := range s.at {
				if err := l.SetTrigger(t, w.workflow, w.slotName(at), 0, []byte(emptySlot)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	if _, err := w.commit(f, &next, time.Time{}); err != nil {
		b.read = fault.Is(err, fault.TooManyRequests) // else what was recorded is read again
		return err
	}
	*mem = next
	b.all = slices.DeleteFunc(b.all, func(s *slot) bool { return slices.Contains(taken, s) })
	for _, s := range taken {
		b.free = append(b.free, s.at...)
	}
	b.size -= size
	return nil
}

// releaseAll lets go of everything, because a person asks for it.
func (w *watch) releaseAll(d *declared) error {
	w.memory.Lock()
	defer w.memory.Unlock()
	mem, err := w.recall()
	if err != nil {
		return err
	}
	in, failed := d.trigger.Evaluate(w.env(d))
	if failed != nil {
		return w.refuse(failed)
	}
	if err := w.load(); err != nil {
		return err
	}
	for _, c := range fire.Batches(in) {
		if err := w.letGo(d, mem, in, c, true); err != nil {
			return fault.Wrap(fault.Unavailable, err, "The batch '%s' could not be let go.", c.Name)
		}
	}
	return nil
}
