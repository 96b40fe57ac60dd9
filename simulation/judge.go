package simulation

import (
	"bytes"
	"fmt"
	"sort"
	"strings"

	"weir/service/bus/bustest"
)

// judge hears everything that clients were told, at the moment they were told,
// and holds it against what must be.
type judge struct {
	w          *World
	violations []string
	tail       []string
	counts     map[string]int

	attempts map[string]int             // door/id → times tried
	acked    map[string]bool            // door/id
	rolled   map[string]bool            // id of a pair that was rolled back
	out      map[string]map[string]bool // path → ids that came out of it
	bodies   map[string]string          // path#sequence → id
	copies   map[string]map[int64]bool  // path/id → sequences it came out under
	finished map[string]bool            // path#sequence settled for good
	newest   map[string]int64           // session → highest sequence seen
}

func newJudge(w *World) *judge {
	return &judge{w: w, counts: map[string]int{}, attempts: map[string]int{}, acked: map[string]bool{}, rolled: map[string]bool{},
		out: map[string]map[string]bool{}, bodies: map[string]string{}, copies: map[string]map[int64]bool{},
		finished: map[string]bool{}, newest: map[string]int64{}}
}

const violationsMax = 20

func (j *judge) violation(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	j.w.Say("VIOLATION %s", line)
	if len(j.violations) == 0 {
		j.tail = j.w.Tail()
	}
	if len(j.violations) < violationsMax {
		j.violations = append(j.violations, line)
	}
}

func (j *judge) attempted(door, id string) {
	j.attempts[door+"/"+id]++
	j.counts["attempted"]++
}

func (j *judge) confirmed(door, id string) {
	j.w.Say("sent %s", id)
	j.acked[door+"/"+id] = true
	j.counts["confirmed"]++
}

func (j *judge) rolledBack(id string) {
	j.w.Say("rolled back %s", id)
	j.rolled[id] = true
	j.counts["rolled back"]++
}

func dead(path string) bool { return strings.HasSuffix(path, "/$DeadLetterQueue") }

// delivered checks one message at the moment a receiver gets it. A delivery under
// lock records nothing, so the log can not fence it: what keeps a deposed owner
// from making one is the lease. Where the lease itself was given to two, such a
// delivery is stale: it is counted, and its settlement must fail.
func (j *judge) delivered(path string, d bustest.Delivery, encoded []byte, stale bool) {
	j.counts["delivered"]++
	m := d.Message
	key := fmt.Sprintf("%s#%d", path, m.Sequence)
	if len(encoded) < 5 {
		j.violation("%s: the payload at %v can not be read", key, m.Ref)
		return
	}
	id := string(encoded[5:])
	j.w.Say("got %s from %s, attempt %d", id, key, m.DeliveryCount+1)
	if was, ok := j.bodies[key]; ok && was != id {
		j.violation("%s was %s and is %s", key, was, id)
	}
	if stale {
		j.counts["stale"]++
		return
	}
	if j.finished[key] {
		j.violation("%s (%s) comes again although it was settled", key, id)
	}
	first := j.bodies[key] == ""
	j.bodies[key] = id
	j.origin(path, id, m.Sequence)
	if path == "gone" && !first {
		j.violation("%s (%s) comes twice although it was received and deleted", key, id)
	}
	if path == "sessions" && first {
		j.inOrder(m.SessionID, m.Sequence)
	}
}

// origin holds a message against what was sent.
func (j *judge) origin(path, id string, seq int64) {
	home := strings.TrimSuffix(path, "/$DeadLetterQueue")
	if j.out[home] == nil {
		j.out[home] = map[string]bool{}
	}
	j.out[home][id] = true
	door := home
	for d, outs := range comesOut {
		if outs[0] == home {
			door = d
		}
	}
	tries := j.attempts[door+"/"+id]
	if tries == 0 {
		j.violation("%s came out of %s and was never sent there", id, path)
	}
	if j.rolled[id] {
		j.violation("%s came out of %s although its transaction was rolled back", id, path)
	}
	if dead(path) {
		return
	}
	if j.copies[home+"/"+id] == nil {
		j.copies[home+"/"+id] = map[int64]bool{}
	}
	copies := j.copies[home+"/"+id]
	copies[seq] = true
	if len(copies) > tries {
		j.violation("%s came out of %s as %d messages for %d sends", id, path, len(copies), tries)
	}
	if home == "once" && len(copies) > 1 {
		j.violation("%s came out of %s twice although duplicates are detected", id, path)
	}
}

// inOrder: within a session, a message is first seen after all with lower
// numbers, whoever owned the queue meanwhile.
func (j *judge) inOrder(session string, seq int64) {
	if seq <= j.newest[session] {
		j.violation("session %s: message %d is first seen after %d", session, seq, j.newest[session])
	}
	j.newest[session] = seq
}

func (j *judge) settled(path string, seq int64) {
	j.counts["settled"]++
	j.finished[fmt.Sprintf("%s#%d", path, seq)] = true
	j.w.Say("settled %s#%d", path, seq)
}

// verdict is given when all is quiet.
func (j *judge) verdict(b *bus) {
	for _, key := range keys(j.acked) {
		door, id, _ := strings.Cut(key, "/")
		for _, path := range comesOut[door] {
			if !j.out[path][id] {
				j.violation("%s was confirmed at %s and never came out of %s", id, door, path)
			}
		}
	}
	for _, id := range keys(j.out["left"]) {
		if !j.out["right"][id] {
			j.violation("half a transaction: %s is left and not right", id)
		}
	}
	for _, id := range keys(j.out["right"]) {
		if !j.out["left"][id] {
			j.violation("half a transaction: %s is right and not left", id)
		}
	}
	if n := len(j.out["news/Subscriptions/none"]); n > 0 {
		j.violation("%d messages in a subscription whose filter takes none", n)
	}
	j.replicas(b)
}

// replicas: whoever folded the log has the state of whoever wrote it.
func (j *judge) replicas(b *bus) {
	owner := b.owner()
	if owner == nil {
		j.violation("nobody owns the unit in peace")
		return
	}
	want := owner.machine.Snapshot(nil)
	for _, n := range b.nodes {
		if n != owner && n.replica.Tail().Last == owner.replica.Tail().Last && !bytes.Equal(want, n.machine.Snapshot(nil)) {
			j.violation("%s and %s hold different states at %d", n.name, owner.name, owner.replica.Tail().Last)
		}
	}
	for _, d := range entities {
		if c, err := owner.machine.(*machine).Counts(d.Name); err != nil || c.Active+c.Scheduled+c.DeadLetter+c.Deferred != 0 {
			j.violation("%s is not empty at the end: %+v %v", d.Name, c, err)
		}
	}
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
