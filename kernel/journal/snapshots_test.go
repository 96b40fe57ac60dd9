package journal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/kernel/journal"
	"weir/kernel/journal/record"
)

// saved opens snapshots and saves some of 3 MB, each telling its number.
func saved(t *testing.T, s *journal.Store, n int) *journal.Snapshots {
	t.Helper()
	snapshots := openSnapshots(t, s, "unit")
	for i := range n {
		data := bytes.Repeat([]byte(fmt.Sprintf("snap%04d", i)), 375_000)
		if err := snapshots.Save(t.Context(), journal.Tail{Last: journal.Position(10 * i), Epoch: 1}, data); err != nil {
			t.Fatal(err)
		}
	}
	return snapshots
}

func wantSnapshot(t *testing.T, s *journal.Snapshots, i int) {
	t.Helper()
	snap, ok, err := s.Latest(t.Context())
	if err != nil || !ok || snap.At.Last != journal.Position(10*i) || len(snap.Data) != 3_000_000 ||
		!bytes.HasPrefix(snap.Data, []byte(fmt.Sprintf("snap%04d", i))) {
		t.Errorf("latest: %v, %v, at %d, %.12q; want number %d", ok, err, snap.At.Last, snap.Data, i)
	}
}

func TestTwoSnapshotsAreKept(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, journal.Options{Dir: dir})
	snapshots := saved(t, s, 5)
	size, err := snapshots.Stored(t.Context())
	if err != nil || size.Last-size.First+1 != 2*4 {
		t.Errorf("stored: %+v, %v; want two snapshots of three parts and a manifest", size, err)
	}
	s.Close(t.Context())
	wantSnapshot(t, openSnapshots(t, openStore(t, journal.Options{Dir: dir}), "unit"), 4)
}

func TestAnUnfinishedSnapshotCountsForNothing(t *testing.T) {
	snapshots := saved(t, openStore(t, journal.Options{Dir: t.TempDir()}), 2)
	size, err := snapshots.Stored(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The writer died after two of three parts; the next one saves again.
	records, _ := record.Split(record.Tail{Last: size.Last}, 0, time.Unix(1, 0), make([]byte, 3_000_000))
	for _, rec := range records[:2] {
		if err := snapshots.Raw(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
	wantSnapshot(t, snapshots, 1)
	if err := snapshots.Save(t.Context(), journal.Tail{Last: 20}, bytes.Repeat([]byte("snap0002"), 375_000)); err != nil {
		t.Fatal(err)
	}
	wantSnapshot(t, snapshots, 2)
}

// Whatever part of the newest snapshot is damaged, the one before is used, and the
// log says so; when both are, that is the error.
func TestADamagedSnapshotFallsBack(t *testing.T) {
	for _, where := range []string{"snap0002snap0002", `"weir_snapshot":1,"data":9`} {
		t.Run(where, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, journal.Options{Dir: dir})
			saved(t, s, 3)
			s.Close(context.Background())
			flipIn(t, dir, where)

			var log logBuffer
			s = openStore(t, journal.Options{Dir: dir, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			wantSnapshot(t, openSnapshots(t, s, "unit"), 1)
			if !strings.Contains(log.String(), "level=ERROR msg=\"a snapshot is damaged") {
				t.Errorf("the log does not tell:\n%s", log.String())
			}
			s.Close(context.Background())
			flipIn(t, dir, "snap0001snap0001")

			_, ok, err := openSnapshots(t, openStore(t, journal.Options{Dir: dir}), "unit").Latest(t.Context())
			if _, damaged := errors.AsType[*journal.Damage](err); !damaged || ok {
				t.Errorf("both damaged: %v, %v", ok, err)
			}
		})
	}
}

// flipIn changes a bit at the last occurrence of a text in any block file.
func flipIn(t *testing.T, dir, text string) {
	t.Helper()
	flipped := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".blk") {
			return err
		}
		data, err := os.ReadFile(path)
		at := bytes.LastIndex(data, []byte(text))
		if err != nil || at < 0 {
			return err
		}
		data[at+1] ^= 4
		flipped = true
		return os.WriteFile(path, data, 0o600)
	})
	if err != nil || !flipped {
		t.Fatalf("flipping a bit of %s: %v, found %v", text, err, flipped)
	}
}

func TestSnapshotsOfTwoNodesDoNotMix(t *testing.T) {
	s := openStore(t, journal.Options{Dir: t.TempDir()})
	a, b := openSnapshots(t, s, "unit"), openSnapshots(t, s, "unit")
	errs := make(chan error, 2)
	for _, n := range []*journal.Snapshots{a, b} {
		go func() { errs <- n.Save(t.Context(), journal.Tail{Last: 10}, bytes.Repeat([]byte("snap0001"), 375_000)) }()
	}
	for range 2 {
		if err := <-errs; err != nil && !errors.Is(err, journal.ErrFenced) {
			t.Error(err)
		}
	}
	saveAndFind := func(n *journal.Snapshots, i int) {
		t.Helper()
		data := bytes.Repeat([]byte(fmt.Sprintf("snap%04d", i)), 375_000)
		if err := n.Save(t.Context(), journal.Tail{Last: journal.Position(10 * i)}, data); err != nil {
			t.Fatal(err)
		}
		wantSnapshot(t, a, i)
		wantSnapshot(t, b, i)
	}
	saveAndFind(a, 2)
	saveAndFind(b, 3)
}
