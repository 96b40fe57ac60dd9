package journal_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/kernel/journal"
	"weir/kernel/journal/record"
)

// A process that is killed in mid-append has lost nothing it was told is stored.
// The next one goes on, also behind a batch that was left unfinished.
func TestSIGKILLLosesNothingAcknowledged(t *testing.T) {
	dir := t.TempDir()
	for round := 1; round <= 3; round++ {
		acknowledged := appendUntilKilled(t, dir, round*110)
		s, err := journal.Open(t.Context(), journal.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		_, err = openJournal(t, s, "unit").Replay(t.Context(), journal.Tail{}, func(b journal.Batch) error {
			if !bytes.Equal(b.Data, batchOf(n)) {
				return fmt.Errorf("batch %d at %d is not what was appended", n, b.At)
			}
			n++
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if n < acknowledged {
			t.Errorf("round %d: %d batches were acknowledged, %d are there", round, acknowledged, n)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// appendUntilKilled lets a child append until it has acknowledged some, kills it,
// and returns the last number that it printed.
func appendUntilKilled(t *testing.T, dir string, atLeast int) (acknowledged int) {
	t.Helper()
	cmd, out := startChild(t, "append", dir)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fmt.Sscan(lines.Text(), &acknowledged)
		if acknowledged >= atLeast {
			cmd.Process.Kill()
		}
	}
	if err := cmd.Wait(); err == nil || acknowledged < atLeast {
		t.Fatalf("the child ended at %d by itself: %v", acknowledged, err)
	}
	return acknowledged
}

// The copy of a directory in the middle of its life is what a crash leaves.
func TestACopyOfALivingDirectoryOpens(t *testing.T) {
	dir, crashed := t.TempDir(), t.TempDir()
	j := openJournal(t, openStore(t, journal.Options{Dir: dir}), "unit")
	tail := appendAll(t, j, journal.Tail{}, 100, 10_000)
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	copied := openJournal(t, openStore(t, journal.Options{Dir: crashed}), "unit")
	end, err := copied.Replay(t.Context(), journal.Tail{}, func(journal.Batch) error { return nil })
	if err != nil || end != tail {
		t.Errorf("the copy ends at %+v, %v; want %+v", end, err, tail)
	}
}

// appendAll appends n batches of a size, each telling its number, and waits.
func appendAll(t testing.TB, j *journal.Journal, tail journal.Tail, n, size int) journal.Tail {
	t.Helper()
	var last *journal.Pending
	for i := range n {
		batch := bytes.Repeat([]byte(fmt.Sprintf("%08d", i)), size/8)
		last = j.Append(t.Context(), tail, max(1, tail.Epoch), batch)
		tail = last.Next()
	}
	if err := last.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return last.Next()
}

func TestAFlippedBitIsNamedAndNotFolded(t *testing.T) {
	for _, c := range []struct {
		name    string
		crashed bool // no state on disk but the blocks
		batch   int
		want    journal.Damage
		folded  int
	}{
		{"in an old block", false, 3, journal.Damage{At: 4, Finding: record.Gap}, 3},
		{"in the last block", false, 28, journal.Damage{At: 29, Finding: record.Gap}, 28},
		{"in an old block, after a crash", true, 3, journal.Damage{At: 4, Finding: record.Gap}, 3},
		// Here the server cuts the log at the damaged record, as if it were the torn
		// end of an unfinished write.
		{"in the last block, after a crash", true, 27, journal.Damage{At: 30, Finding: record.Lost}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, journal.Options{Dir: dir})
			appendAll(t, openJournal(t, s, "unit"), journal.Tail{}, 30, 1_000_000) // about four blocks
			s.Close(context.Background())
			flip(t, dir, fmt.Sprintf("%08d", c.batch), c.crashed)

			folded := 0
			j := openJournal(t, openStore(t, journal.Options{Dir: dir}), "unit")
			_, err := j.Replay(t.Context(), journal.Tail{}, func(b journal.Batch) error { folded++; return nil })
			d, ok := errors.AsType[*journal.Damage](err)
			if !ok || d.At != c.want.At || d.Finding != c.want.Finding || d.Stream != "weir-unit-g1" {
				t.Errorf("replay: %v, want %s at %d", err, c.want.Finding, c.want.At)
			}
			if folded != c.folded {
				t.Errorf("%d batches were folded, want %d", folded, c.folded)
			}
			if _, err := j.Read(t.Context(), journal.Ref{At: journal.Position(c.batch + 1), Len: 8}); !errors.As(err, &d) {
				t.Errorf("read: %v, want damage", err)
			}
			if data, err := j.Read(t.Context(), journal.Ref{At: 2, Len: 8}); err != nil || string(data) != "00000001" {
				t.Errorf("a sound record reads %q, %v", data, err)
			}
		})
	}
}

// flip changes a bit of the stored text that repeats in a block file, and removes
// the state that a proper shutdown wrote if the test asks for it.
func flip(t *testing.T, dir, text string, crashed bool) {
	t.Helper()
	flipped := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if crashed && d.Name() == "index.db" {
			return os.Remove(path)
		}
		if !strings.HasSuffix(path, ".blk") {
			return nil
		}
		data, err := os.ReadFile(path)
		at := bytes.Index(data, []byte(text+text+text))
		if err != nil || at < 0 {
			return err
		}
		data[at+record.PartBytes/2] ^= 4
		flipped = true
		return os.WriteFile(path, data, 0o600)
	})
	if err != nil || !flipped {
		t.Fatalf("flipping a bit of %s: %v, found %v", text, err, flipped)
	}
}
