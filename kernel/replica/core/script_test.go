package core_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir/kernel/journal/record"
	"weir/kernel/replica/core"
)

var update = flag.Bool("update", false, "write the answers of the scripts; read the difference before you commit it")

// TestScripts plays the conversations in testdata: a line that begins with > is
// said to a replica, the lines below are what happened.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(string(want))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want) {
				t.Errorf("%s tells another story now (-update rewrites it):\n%s", file, got)
			}
		})
	}
}

// stage is the world of one script.
type stage struct {
	log   memoryLog
	nodes map[string]*node
	saved map[string]snapshot
	out   strings.Builder
}

type snapshot struct {
	at   record.Tail
	data []byte
}

func play(script string) string {
	s := &stage{nodes: map[string]*node{}, saved: map[string]snapshot{}}
	for line := range strings.Lines(script) {
		switch {
		case strings.HasPrefix(line, "> "):
			s.out.WriteString(line)
			s.say(strings.Fields(line[2:]))
		case strings.HasPrefix(line, "#"), line == "\n":
			s.out.WriteString(line)
		}
	}
	return s.out.String()
}

func (s *stage) tell(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

func (s *stage) say(words []string) {
	n := s.nodes[words[0]]
	if n == nil {
		n = newNode(words[0])
		s.nodes[words[0]] = n
	}
	before := n.r.Role()
	if wrong := s.do(n, words[1], words[2:]); wrong != nil {
		s.tell("%v", wrong)
	}
	s.ready(n)
	if now := n.r.Role(); now != before {
		s.tell("%s is %s", n.name, now)
	}
}

func (s *stage) do(n *node, verb string, args []string) error {
	switch verb {
	case "lease":
		floor, _ := strconv.ParseUint(args[0], 10, 64)
		n.r.LeaseGranted(floor)
	case "lose-lease":
		n.r.LeaseLost()
	case "fold":
		return s.fold(n)
	case "open":
		end, err := s.log.replay(n.r.Tail(), 0xffff, func(record.Batch) error { return errors.New("there is more to fold") })
		if err != nil {
			return err
		}
		n.r.Open(end, clock(args[0]))
	case "turn":
		if !n.r.Turn(clock(args[0]), func(t *core.Turn) { s.turn(n, t, args[1:]) }) {
			s.tell("refused: not the owner")
		}
	case "seal":
		n.r.Seal()
	case "log":
		if len(n.wire) == 0 {
			return errors.New("nothing is on the wire")
		}
		s.tell("%s", cmpOr(n.store(&s.log), "one record stored"))
	case "delay":
		n.wire = append(n.wire[1:], n.wire[0])
	case "commit-all":
		for len(n.wire)+len(n.acks) > 0 {
			for len(n.wire) > 0 {
				n.store(&s.log)
			}
			s.do(n, "hear", nil)
			s.ready(n)
		}
	case "drop":
		id := n.wire[0].id
		n.wire = n.wire[1:]
		n.acks = append(n.acks, ack{id, errUnknown})
	case "hear":
		if len(n.acks) == 0 {
			return errors.New("no answer yet")
		}
		a := n.acks[0]
		n.acks = n.acks[1:]
		if a.err != nil {
			n.r.AppendFailed(a.id, a.err)
		} else {
			n.r.Appended(a.id)
		}
	case "snapshot":
		at, data := n.r.Snapshot(nil)
		s.saved[args[0]] = snapshot{at, data}
		s.tell("snapshot at %d, epoch %d", at.Last, at.Epoch)
	case "restore":
		return n.r.Restore(s.saved[args[0]].at, s.saved[args[0]].data)
	case "spoil":
		s.saved[args[0]] = snapshot{s.saved[args[0]].at, []byte(args[1])}
	case "refuse-facts":
		n.ledger.lies = true
	case "show":
		s.tell("%s at %d, epoch %d, time %s, %d facts, last %q", n.r.Role(), n.r.Tail().Last, n.r.Epoch(), n.r.Now().Format("15:04:05.0"), n.ledger.count, n.ledger.last)
	default:
		return fmt.Errorf("no such verb %q", verb)
	}
	return nil
}

func (s *stage) fold(n *node) error {
	_, err := s.log.replay(n.r.Tail(), 0xffff, func(b record.Batch) error {
		h, err := core.DecodeBatch(b, func(ref record.Ref, fact []byte) error {
			s.tell("%d+%d: %s", ref.At, ref.Off, fact[:min(len(fact), 40)])
			return nil
		})
		if err == nil && h.Opening {
			s.tell("that opened epoch %d", h.Epoch)
		}
		return n.r.Folded(b)
	})
	return err
}

// turn does the turn's words: reveal:x, big:bytes, or the text of a fact.
func (s *stage) turn(n *node, t *core.Turn, words []string) {
	for _, w := range words {
		what, arg, _ := strings.Cut(w, ":")
		switch what {
		case "reveal":
			t.Reveal(func() { s.tell("%s reveals %s", n.name, arg) })
		case "now":
			s.tell("it is %s", t.Now().Format("15:04:05.0"))
		case "big":
			size, _ := strconv.Atoi(arg)
			fact := make([]byte, size)
			copy(fact, w)
			s.apply(n, t.RecordParts(fact[:1], fact[1:]), fact)
		default:
			s.apply(n, t.Record([]byte(w)), []byte(w))
		}
	}
}

func (s *stage) apply(n *node, ref record.Ref, fact []byte) {
	s.tell("fact at %d+%d, %d bytes", ref.At, ref.Off, ref.Len)
	if err := n.ledger.Apply(ref, fact); err != nil {
		s.tell("%v", err)
	}
}

// ready does what the replica says must be done.
func (s *stage) ready(n *node) {
	rd := n.r.Ready()
	if rd.Lost != nil {
		s.tell("epoch %d is lost: %s %v", rd.Lost.Epoch, rd.Lost.Why, rd.Lost.Err)
	}
	if a := rd.Append; a != nil {
		s.tell("append %d of epoch %d after %d: %d facts, %d bytes", a.ID, a.Epoch, a.After.Last, a.Facts, len(a.Data))
		n.submit(a)
	}
	if rd.Gained != 0 {
		s.tell("epoch %d begins", rd.Gained)
	}
	for _, fn := range rd.Reveals {
		fn()
	}
}

// clock reads "10s" as ten seconds after midnight.
func clock(s string) time.Time {
	d, err := time.ParseDuration(s)
	if err != nil {
		panic(err)
	}
	return time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC).Add(d)
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
