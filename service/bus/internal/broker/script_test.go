package broker

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/kernel/fault"
)

var update = flag.Bool("update", false, "write the answers of the script tests anew")

// TestScripts plays the conversations in testdata. A line "> TIME COMMAND" is said
// to the broker; what it answers, and what it says beside that, follows. Run with
// -update to write the answers anew, and read what changed.
//
// Each script ends with a look at replicas: one that folded the facts and one that
// was restored from a snapshot must be in the same state.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := newStage(t).play(string(script))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if got != string(script) {
				t.Errorf("%s is not what happens (run with -update to see):\n%s", file, diff(string(script), got))
			}
		})
	}
}

// diff shows the first lines in which two texts differ.
func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			have := "(end)"
			if i < len(g) {
				have = g[i]
			}
			return fmt.Sprintf("line %d\n- %s\n+ %s", i+1, w[i], have)
		}
	}
	return fmt.Sprintf("line %d\n+ %s", len(w)+1, g[len(w)])
}

// stage is where a script is played: one broker, its journal, and the names that
// the script has for things.
type stage struct {
	t         *testing.T
	b         *Broker
	log       *logbook
	receivers map[string]ReceiverID
	names     map[ReceiverID]string
	limits    map[string]uint32
	locks     map[string]LockToken
	given     map[string]int
	txns      map[string]TxnID
	wanted    []Event
	out       []string
}

func newStage(t *testing.T) *stage {
	s := &stage{
		t: t, b: New(7), log: newLogbook(), receivers: map[string]ReceiverID{}, names: map[ReceiverID]string{},
		limits: map[string]uint32{}, locks: map[string]LockToken{}, given: map[string]int{}, txns: map[string]TxnID{},
	}
	s.b.Tick(s.log)
	return s
}

// play returns the script with the answers that come now.
func (s *stage) play(script string) string {
	var out strings.Builder
	lines := strings.Split(strings.TrimRight(script, "\n"), "\n")
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, ">"):
			out.WriteString(line + "\n")
			for _, answer := range s.say(strings.TrimSpace(line[1:])) {
				out.WriteString(answer + "\n")
			}
		case line == "" || strings.HasPrefix(line, "#"):
			out.WriteString(line + "\n")
		}
	}
	s.replicas()
	return out.String()
}

// say plays one line.
func (s *stage) say(line string) []string {
	w := words(line)
	at, err := time.ParseDuration(w[0])
	if err != nil {
		s.t.Fatalf("%q: %v", line, err)
	}
	s.log.now = dawn.Add(at)
	s.out = nil
	play, ok := verbs[w[1]]
	if !ok {
		s.t.Fatalf("%q: no such verb", line)
	}
	play(s, parse(w[2:]))
	s.events()
	if len(s.out) == 0 {
		s.tell("ok")
	}
	s.out[len(s.out)-1] += s.wake()
	return s.out
}

func (s *stage) tell(format string, args ...any) { s.out = append(s.out, fmt.Sprintf(format, args...)) }

// refused tells of an error and reports whether there was one.
func (s *stage) refused(err error) bool {
	if err != nil {
		s.tell("refused: %v: %s", fault.KindOf(err), fault.Sentence(err))
	}
	return err != nil
}

func (s *stage) wake() string {
	at := s.b.NextWake()
	switch {
	case at.IsZero():
		return ""
	case !at.After(s.log.now):
		return "; wake now"
	}
	return "; wake at " + clock(at)
}

// clock shows a time as what has passed since the beginning.
func clock(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Sub(dawn).String()
}

func (s *stage) events() {
	for _, e := range s.b.Events(nil) {
		name := s.names[e.Receiver]
		switch e.Kind {
		case Delivered:
			s.tell("%s gets %s", name, s.delivery(e.Delivery))
		case Drained:
			s.tell("%s is drained", name)
		case SessionAccepted:
			s.tell("%s has session %q until %s", name, e.Session, clock(e.Until))
		case Refused:
			s.tell("%s is refused: %v: %s", name, fault.KindOf(e.Err), fault.Sentence(e.Err))
		case Closed:
			s.tell("%s is closed: %v: %s", name, fault.KindOf(e.Err), fault.Sentence(e.Err))
		case Idle:
			s.tell("%s is idle", e.Path)
		case Fetch:
			s.wanted = append(s.wanted, e)
			s.tell("wants to read %s", nameOf(s.log.read(e.Ref)))
		}
	}
}

// delivery shows a delivered message, and remembers its lock under its name.
func (s *stage) delivery(d Delivery) string {
	name := nameOf(s.log.read(d.Message.Ref))
	text := fmt.Sprintf("%s, attempt %d", s.shown(d.Message), d.Message.DeliveryCount+1)
	if d.Lock != (LockToken{}) {
		s.given[name]++
		s.locks[name] = d.Lock
		s.locks[fmt.Sprintf("%s#%d", name, s.given[name])] = d.Lock
		text += ", locked until " + clock(d.Message.LockedUntil)
	}
	return text
}

// shown is a message with what is special about it.
func (s *stage) shown(m Stored) string {
	text := fmt.Sprintf("%s (%d", nameOf(s.log.read(m.Ref)), m.Sequence)
	if m.EnqueuedSequence != 0 {
		text += fmt.Sprintf(", first %d", m.EnqueuedSequence)
	}
	text += ")"
	if m.State != MessageActive {
		text += [...]string{"", " deferred", " scheduled"}[m.State]
	}
	if m.HasSession {
		text += fmt.Sprintf(" session %q", m.SessionID)
	}
	if !m.Expires.IsZero() {
		text += " expires " + clock(m.Expires)
	}
	if !m.ScheduledAt.IsZero() {
		text += " at " + clock(m.ScheduledAt)
	}
	if m.DeadLetterSource != "" {
		text += " from " + m.DeadLetterSource
	}
	if e := m.Edit; e != nil {
		for _, p := range e.Application {
			text += fmt.Sprintf(" %s=%v", p.Name, p.Value)
		}
		for _, name := range e.Removed {
			text += " -" + name
		}
		for _, p := range e.System {
			text += fmt.Sprintf(" sys.%s=%v", p.Name, p.Value)
		}
	}
	return text
}

// replicas holds a follower and a restored replica against the one on stage.
func (s *stage) replicas() {
	s.t.Helper()
	want := s.b.Snapshot(nil)
	folded := s.log.follow(s.t, follower(), 0)
	if !bytes.Equal(folded.Snapshot(nil), want) {
		s.t.Errorf("a replica that folded the facts is in another state")
	}
	restored := follower()
	if err := restored.Restore(want); err != nil {
		s.t.Fatalf("the snapshot does not restore: %v", err)
	}
	if !bytes.Equal(restored.Snapshot(nil), want) {
		s.t.Errorf("a replica that was restored is in another state")
	}
}
