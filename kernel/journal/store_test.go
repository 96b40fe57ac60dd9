package journal_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/kernel/journal"
	"weir/kernel/journal/record"
)

func TestADirectoryHasOneStore(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, journal.Options{Dir: dir})
	_, err := journal.Open(t.Context(), journal.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s is in use by process %d", dir, os.Getpid())) {
		t.Fatalf("opened twice: %v", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	openStore(t, journal.Options{Dir: dir})
}

func TestAStoreNeedsAPlace(t *testing.T) {
	if _, err := journal.Open(t.Context(), journal.Options{}); err == nil {
		t.Error("opened nowhere")
	}
}

func TestAClosedStoreAnswers(t *testing.T) {
	s := openStore(t, journal.Options{Dir: t.TempDir()})
	j := openJournal(t, s, "unit")
	tail := appendAll(t, j, journal.Tail{}, 3, 100)
	following := make(chan error, 1)
	go func() {
		following <- j.Follow(t.Context(), tail, func(journal.Batch) error { return nil })
	}()
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Append(t.Context(), tail, 1, []byte("late")).Wait(t.Context()); !errors.Is(err, journal.ErrRefused) {
		t.Errorf("append: %v", err)
	}
	if err := <-following; err == nil {
		t.Error("a follower ended without an error")
	}
	if _, err := j.End(t.Context()); err == nil {
		t.Error("a closed store knows the end")
	}
	if _, err := s.Journal(t.Context(), "other", 1); err == nil {
		t.Error("a closed store opens journals")
	}
}

// Two handles are two writers; a closed one tells what it left.
func TestAClosedWriterLeavesTheJournal(t *testing.T) {
	s := openStore(t, journal.Options{Dir: t.TempDir()})
	j := openJournal(t, s, "unit")
	tail := appendAll(t, j, journal.Tail{}, 3, 100)
	j.Close()
	j.Close()
	if err := j.Append(t.Context(), tail, 1, nil).Wait(t.Context()); !errors.Is(err, journal.ErrRefused) {
		t.Errorf("append by a closed writer: %v", err)
	}
	appendAll(t, openJournal(t, s, "unit"), tail, 3, 100)
}

func TestTrimAndReopen(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, journal.Options{Dir: dir})
	j := openJournal(t, s, "unit")
	before := appendAll(t, j, journal.Tail{}, 20, 1_000_000)
	tail := appendAll(t, j, before, 20, 1_000_000)
	if err := j.Trim(t.Context(), before.Last+1); err != nil {
		t.Fatal(err)
	}
	s.Close(t.Context())

	j = openJournal(t, openStore(t, journal.Options{Dir: dir}), "unit")
	size, err := j.Size(t.Context())
	if err != nil || size.First != before.Last+1 || size.Last != tail.Last || size.Bytes > 30_000_000 {
		t.Errorf("Size = %+v, %v", size, err)
	}
	n := 0
	end, err := j.Replay(t.Context(), before, func(journal.Batch) error { n++; return nil })
	if n != 20 || end != tail || err != nil {
		t.Errorf("%d batches up to %+v, %v", n, end, err)
	}
	appendAll(t, j, end, 5, 100)
}

// Somebody publishes into the stream who is no journal.
func TestForeignBytesAreNamed(t *testing.T) {
	j := openJournal(t, openStore(t, journal.Options{Dir: t.TempDir()}), "unit")
	tail := appendAll(t, j, journal.Tail{}, 2, 100)
	if err := j.Raw(t.Context(), []byte("hello")); err != nil {
		t.Fatal(err)
	}
	_, err := j.Replay(t.Context(), journal.Tail{}, func(journal.Batch) error { return nil })
	d, ok := errors.AsType[*journal.Damage](err)
	if !ok || d.At != 3 || d.Finding != record.BadHeader {
		t.Errorf("replay: %v", err)
	}
	if err := j.Append(t.Context(), tail, 1, nil).Wait(t.Context()); !errors.Is(err, journal.ErrFenced) {
		t.Errorf("append over it: %v", err)
	}
}

// A record that fits by position and chains to nothing is passed over, by readers
// of the log as by chains on paper.
func TestAStragglerInTheLogIsPassedOver(t *testing.T) {
	s := openStore(t, journal.Options{Dir: t.TempDir()})
	j := openJournal(t, s, "unit")
	tail := appendAll(t, j, journal.Tail{}, 2, 100)
	old := tail
	old.Last, old.Sum = 2, 77 // behind a record that never came
	straggler, _ := record.Split(old, 1, time.Unix(1, 0), []byte("nobody's"))
	if err := j.Raw(t.Context(), straggler[0]); err != nil {
		t.Fatal(err)
	}
	end, err := j.Replay(t.Context(), journal.Tail{}, func(journal.Batch) error { return nil })
	if err != nil || end.Last != 3 || end.Sum != tail.Sum {
		t.Fatalf("replay ends at %+v, %v", end, err)
	}
	appendAll(t, j, end, 1, 100)
	followed := 0
	if _, err := openJournal(t, s, "unit").Replay(t.Context(), tail, func(journal.Batch) error { followed++; return nil }); err != nil || followed != 1 {
		t.Errorf("from before the straggler: %d batches, %v", followed, err)
	}
}

// The log continues what is stored in it, and this reader has read something else
// there: the histories have parted, and it must not wait for better.
func TestAForkUnderAReaderIsNamed(t *testing.T) {
	j := openJournal(t, openStore(t, journal.Options{Dir: t.TempDir()}), "unit")
	tail := appendAll(t, j, journal.Tail{}, 2, 100)
	appendAll(t, j, tail, 2, 100)
	tail.Sum ^= 1
	err := j.ReplayUnseen(t.Context(), tail, func(journal.Batch) error { return nil })
	d, ok := errors.AsType[*journal.Damage](err)
	if !ok || d.At != 3 || d.Finding != record.Fork || d.Stream == "" {
		t.Errorf("replay: %v, want a fork at 3", err)
	}
}

// Many readers and one writer share the journal and its cache.
func TestReadersDoNotDisturbEachOther(t *testing.T) {
	s := openStore(t, journal.Options{Dir: t.TempDir(), CacheBytes: 200_000})
	j := openJournal(t, s, "unit")
	tail := appendAll(t, j, journal.Tail{}, 100, 8_000)
	var wg sync.WaitGroup
	for reader := range 8 {
		wg.Go(func() {
			for i := range 300 {
				n := (i*7 + reader*13) % 100
				if reader%2 == 0 {
					n = i % 100
				}
				data, err := j.Read(t.Context(), journal.Ref{At: journal.Position(n + 1), Off: 80, Len: 16})
				if want := fmt.Sprintf("%08d%08d", n, n); err != nil || string(data) != want {
					t.Errorf("reader %d, batch %d: %q, %v", reader, n, data, err)
					return
				}
			}
		})
	}
	appendAll(t, j, tail, 200, 8_000)
	wg.Wait()
}

func TestBackpressureEndsWithItsContext(t *testing.T) {
	j := openJournal(t, openStore(t, journal.Options{Dir: t.TempDir()}), "unit")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	tail, refused := journal.Tail{}, false
	for range 20 {
		p := j.Append(ctx, tail, 1, make([]byte, 10_000_000))
		tail = p.Next()
		select {
		case <-p.Done():
			refused = refused || errors.Is(p.Err(), journal.ErrRefused) && errors.Is(p.Err(), context.Canceled)
		default:
		}
	}
	if !refused {
		t.Error("the pipeline took 200 MB without waiting")
	}
}

func TestServerLinesGoToSlog(t *testing.T) {
	var out logBuffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	openStore(t, journal.Options{Dir: t.TempDir(), Logger: log}).Close(t.Context())
	text := out.String()
	if !strings.Contains(text, "part=nats-server") || strings.Contains(text, "level=WARN") || strings.Contains(text, "level=ERROR") {
		t.Errorf("log:\n%s", text)
	}
}

func TestStreamNames(t *testing.T) {
	long := strings.Repeat("/Subscriptions/x", 40)
	for _, c := range []struct{ unit, want string }{
		{"orders", "weir-orders-g3"},
		{"Orders.eu/x y", "weir-_4frders_2eeu_2fx_20y-g3"},
		{"a_b", "weir-a_5fb-g3"},
		{"", "weir--g3"},
		{"ö", "weir-_c3_b6-g3"},
	} {
		if got := journal.StreamName(c.unit, 3); got != c.want {
			t.Errorf("StreamName(%q) = %s, want %s", c.unit, got, c.want)
		}
		if back, ok := journal.Unescape(journal.Escape(c.unit)); !ok || back != c.unit {
			t.Errorf("Unescape gives %q for %q", back, c.unit)
		}
	}
	if journal.StreamName("a", 1) == journal.SnapshotStreamName("a", 1) || journal.StreamName("a-g1", 2) == journal.StreamName("a", 1) {
		t.Error("names collide")
	}
	name := journal.StreamName(long, 1)
	if len(name) > 200 || name == journal.StreamName(long+"y", 1) || name == journal.StreamName(strings.ToLower(long), 1) {
		t.Errorf("a long name becomes %s", name)
	}
}
