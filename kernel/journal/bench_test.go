package journal_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"weir/kernel/journal"
)

// One writer, four appends of 64 KiB under way, every one synced.
func BenchmarkAppend64KiB(b *testing.B) {
	j := open(b, journal.Options{Dir: b.TempDir()})
	batch := make([]byte, 64<<10)
	rand.Read(batch)
	b.SetBytes(int64(len(batch)))
	before := cpuTime()
	fill(b, j, journal.Tail{}, batch, b.N, func() { before = cpuTime(); b.ResetTimer() })
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// The disk itself: what BenchmarkAppend64KiB is to be held against.
func BenchmarkRawSyncedFile64KiB(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "raw"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	data := make([]byte, 64<<10)
	rand.Read(data)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := f.Write(data); err != nil {
			b.Fatal(err)
		}
		if err := datasync(f); err != nil {
			b.Fatal(err)
		}
	}
}

// Replay of a journal of 64 KiB batches.
func BenchmarkReplay(b *testing.B) {
	j := open(b, journal.Options{Dir: b.TempDir(), Sync: journal.SyncMayLoseLastSecond})
	const n = 4096
	batch := make([]byte, 64<<10)
	rand.Read(batch)
	fill(b, j, journal.Tail{}, batch, n, func() {})
	b.SetBytes(int64(n * len(batch)))
	for b.Loop() {
		got := 0
		_, err := j.Replay(b.Context(), journal.Tail{}, func(journal.Batch) error { got++; return nil })
		if err != nil || got != n {
			b.Fatal(got, err)
		}
	}
}

// Backlog: every message of 1 KiB read in order, from a journal larger than the cache.
func BenchmarkReadBacklog1KiB(b *testing.B) {
	j := open(b, journal.Options{Dir: b.TempDir(), Sync: journal.SyncMayLoseLastSecond, CacheBytes: 16 << 20})
	const n = 1024
	batch := make([]byte, 64<<10)
	rand.Read(batch)
	fill(b, j, journal.Tail{}, batch, n, func() {})
	b.SetBytes(1 << 10)
	i := 0
	for b.Loop() {
		ref := journal.Ref{At: journal.Position(1 + i/64%n), Off: uint32(i % 64 << 10), Len: 1 << 10}
		data, err := j.Read(b.Context(), ref)
		if err != nil || len(data) != 1<<10 {
			b.Fatal(len(data), err)
		}
		i++
	}
}

func fill(b *testing.B, j *journal.Journal, tail journal.Tail, batch []byte, n int, begin func()) journal.Tail {
	b.Helper()
	begin()
	var under []*journal.Pending
	for range n {
		p := j.Append(b.Context(), tail, 1, batch)
		tail = p.Next()
		if under = append(under, p); len(under) == 4 {
			if err := under[0].Wait(context.Background()); err != nil {
				b.Fatal(err)
			}
			under = under[1:]
		}
	}
	for _, p := range under {
		if err := p.Wait(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	return tail
}

func open(b *testing.B, o journal.Options) *journal.Journal {
	b.Helper()
	return openJournal(b, openStore(b, o), "unit")
}

// A process that opens 1 GiB of journal: time, and memory before and after a
// replay. The first one was closed, the second killed: its last state on disk is
// that of the crash.
func BenchmarkReopen1GiB(b *testing.B) {
	for _, killed := range []bool{false, true} {
		b.Run(fmt.Sprintf("killed=%v", killed), func(b *testing.B) {
			dir := b.TempDir()
			s, err := journal.Open(b.Context(), journal.Options{Dir: dir, Sync: journal.SyncMayLoseLastSecond})
			if err != nil {
				b.Fatal(err)
			}
			batch := make([]byte, 64<<10)
			rand.Read(batch)
			fill(b, openJournal(b, s, "unit"), journal.Tail{}, batch, 16<<10, func() {})
			if killed {
				crashed := b.TempDir()
				if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
					b.Fatal(err)
				}
				dir = crashed
			}
			s.Close(b.Context())
			for b.Loop() {
				reportChild(b, "hold", dir)
			}
		})
	}
}

// A snapshot of 400 MiB saved and loaded by a process of its own.
func BenchmarkSnapshot400MiB(b *testing.B) {
	for b.Loop() {
		reportChild(b, "snapshot", b.TempDir())
	}
}

// reportChild runs a child and reports each of its lines as a metric.
func reportChild(b *testing.B, what, dir string) {
	b.Helper()
	cmd, out := startChild(b, what, dir)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var name string
		var value float64
		fmt.Sscanf(lines.Text(), "%s %g", &name, &value)
		b.ReportMetric(value, name)
	}
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
}
