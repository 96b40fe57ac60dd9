package broker

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"

	"weir/kernel/fault"
	"weir/kernel/journal/record"
)

// history plays a short random history and returns what was recorded.
func aHistory(t testing.TB, seed uint64, steps int) (*model, *logbook) {
	m := newModel(&testing.T{}, seed)
	for range steps {
		m.advance()
		m.step()
		m.compare()
	}
	return m, m.log
}

// FuzzApply folds a random history in which one fact was tampered with: that is an
// error or another state, never a panic.
func FuzzApply(f *testing.F) {
	for seed := range uint64(20) {
		_, log := aHistory(f, seed+1, 60)
		for i, fact := range log.facts {
			if i%7 == int(seed%7) {
				f.Add(seed+1, uint16(i), fact.data)
			}
		}
	}
	logs := map[uint64]*logbook{}
	f.Fuzz(func(t *testing.T, seed uint64, at uint16, data []byte) {
		seed = seed%20 + 1
		if logs[seed] == nil {
			_, logs[seed] = aHistory(t, seed, 60)
		}
		log := logs[seed]
		n := int(at) % len(log.facts)
		b := log.upTo(t, n)
		ref := log.facts[n].ref
		ref.Len = uint32(len(data))
		if err := b.Apply(ref, data); err != nil {
			if fault.KindOf(err) != fault.Damaged {
				t.Fatalf("the error is of kind %v: %v", fault.KindOf(err), err)
			}
			return
		}
		// What was accepted is a state like any other.
		if err := b.sound(); err != nil {
			t.Fatalf("after a fact that folds the broker is not sound: %v", err)
		}
		restored := follower()
		if err := restored.Restore(b.Snapshot(nil)); err != nil {
			t.Fatalf("after a fact that folds the snapshot does not restore: %v", err)
		}
	})
}

// upTo is a replica that has folded the first n facts.
func (l *logbook) upTo(t testing.TB, n int) *Broker {
	b := follower()
	for _, f := range l.facts[:n] {
		if err := b.Apply(f.ref, f.data); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// FuzzRestore restores snapshots that were tampered with, with a checksum that is
// right again: that is an error or a state, never a panic.
func FuzzRestore(f *testing.F) {
	for seed := range uint64(20) {
		m, _ := aHistory(f, seed+1, 80)
		f.Add(m.b.Snapshot(nil))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < snapshotSumBytes {
			return
		}
		data = append([]byte{}, data...)
		resum(data)
		b := follower()
		if err := b.Restore(data); err != nil {
			if fault.KindOf(err) != fault.Damaged {
				t.Fatalf("the error is of kind %v: %v", fault.KindOf(err), err)
			}
			return
		}
		if err := b.sound(); err != nil {
			t.Fatalf("a snapshot was accepted that is not sound: %v", err)
		}
	})
}

func resum(data []byte) {
	body := data[:len(data)-snapshotSumBytes]
	binary.LittleEndian.PutUint64(data[len(body):], xxhash.Sum64(body))
}

// TestDamagedFacts cuts, lengthens and changes every fact of some histories.
func TestDamagedFacts(t *testing.T) {
	for seed := range uint64(6) {
		_, log := aHistory(t, seed+100, 80)
		rnd := rand.New(rand.NewPCG(seed, 2))
		b := follower()
		for i, f := range log.facts {
			for range 4 {
				damaged := append([]byte{}, f.data...)
				switch rnd.IntN(3) {
				case 0:
					damaged = damaged[:rnd.IntN(len(damaged))]
				case 1:
					damaged = append(damaged, byte(rnd.Uint32()))
				default:
					damaged[rnd.IntN(min(len(damaged), 24))] ^= byte(rnd.Uint32()) | 1
				}
				victim := follower()
				if i < 40 { // a state to damage; later ones cost too much
					victim = log.upTo(t, i)
				}
				_ = victim.Apply(record.Ref{At: f.ref.At, Off: f.ref.Off, Len: uint32(len(damaged))}, damaged)
			}
			if err := b.Apply(f.ref, f.data); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestDamagedSnapshots changes single bytes of snapshots, with and without mending
// the checksum.
func TestDamagedSnapshots(t *testing.T) {
	for seed := range uint64(8) {
		m, _ := aHistory(t, seed+200, 80)
		whole := m.b.Snapshot(nil)
		rnd := rand.New(rand.NewPCG(seed, 3))
		for range 300 {
			data := append([]byte{}, whole...)
			data[rnd.IntN(len(data))] ^= byte(rnd.Uint32()) | 1
			if err := follower().Restore(data); err == nil {
				t.Fatal("a damaged snapshot was restored")
			}
			resum(data)
			_ = follower().Restore(data)
			_ = follower().Restore(data[:rnd.IntN(len(data))])
		}
	}
}

// TestUnknownFacts refuses what a newer program may have written, by name.
func TestUnknownFacts(t *testing.T) {
	for _, c := range []struct {
		fact []byte
		says string
	}{
		{[]byte{77, 1}, "fact kind 77 version 1 is not known"},
		{[]byte{byte(factGone), 2}, "gone version 2 is not known"},
		{[]byte{byte(factStored)}, "it has 1 bytes"},
	} {
		err := follower().Apply(record.Ref{Len: uint32(len(c.fact))}, c.fact)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v: %v, want %q", c.fact, err, c.says)
		}
	}
	b := New(1)
	data := b.Snapshot(nil)
	data[0] = 9
	if err := follower().Restore(data); err == nil || !strings.Contains(err.Error(), "its version is 9") {
		t.Errorf("a snapshot of version 9: %v", err)
	}
}
