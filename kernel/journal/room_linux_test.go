package journal_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"weir/kernel/journal"
)

// smallDisk mounts a disk of a few megabytes, which takes root.
func smallDisk(t *testing.T, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		t.Skipf("a disk that gets full needs a mount, which this user may not make: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fillDisk leaves so many bytes free on the disk below dir; the returned function
// gives the room back.
func fillDisk(t *testing.T, dir string, leave int64) (free func()) {
	t.Helper()
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for grown := int64(0); ; { // the server writes now and then, too
		var fs syscall.Statfs_t
		if err := syscall.Statfs(dir, &fs); err != nil {
			t.Fatal(err)
		}
		more := int64(fs.Bavail)*int64(fs.Bsize) - leave
		if more <= 0 {
			break
		}
		switch err := syscall.Fallocate(int(f.Fd()), 0, grown, more); err {
		case nil:
			grown += more
		case syscall.ENOSPC:
		default:
			t.Fatal(err)
		}
	}
	return func() { os.Remove(ballast) }
}

// A log whose disk has no room refuses appends and says why, keeps what it
// acknowledged, goes on reading, and takes appends again when there is room, whether
// it saw the end coming or met it in the middle of a write.
func TestAFullDiskHeals(t *testing.T) {
	for _, c := range []struct {
		name  string
		leave int64
		batch int
	}{{"seen coming", 3 << 20, 10}, {"met in a write", 0, 50_000}} {
		t.Run(c.name, func(t *testing.T) {
			dir := smallDisk(t, "size=64m")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			s := openStore(t, journal.Options{Dir: filepath.Join(dir, "store")})
			j := openJournal(t, s, "unit")
			leases, err := s.Leases(ctx)
			if err != nil {
				t.Fatal(err)
			}
			lease, err := leases.Acquire(ctx, journal.Lease{Unit: "unit", Node: "here", Epoch: 1})
			if err != nil {
				t.Fatal(err)
			}
			tail := appendAll(t, j, journal.Tail{}, 20, 50_000)
			free := fillDisk(t, dir, c.leave)
			kept := 20
			for epoch := uint64(2); ; epoch++ {
				p := j.Append(ctx, tail, epoch, make([]byte, c.batch))
				if err = p.Wait(ctx); err != nil {
					break
				}
				tail = p.Next()
				kept++
			}
			if !errors.Is(err, journal.ErrRefused) && !errors.Is(err, journal.ErrUnknown) {
				t.Fatalf("the append ended with %v", err)
			}
			if err := j.Append(ctx, tail, 1_000_000, []byte("small")).Wait(ctx); !errors.Is(err, journal.ErrFull) {
				t.Fatalf("a full disk answers %v", err)
			}
			if c.leave > 0 {
				if lease, err = leases.Renew(ctx, lease); err != nil {
					t.Errorf("the lease can not be renewed on what is kept free: %v", err)
				}
			}
			n := 0
			if _, err := j.Replay(ctx, journal.Tail{}, func(journal.Batch) error { n++; return nil }); err != nil || n < kept {
				t.Fatalf("%d of %d batches can be read: %v", n, kept, err)
			}
			free()
			for epoch := uint64(1_000_001); ; epoch++ {
				n = 0
				end, err := j.Replay(ctx, journal.Tail{}, func(journal.Batch) error { n++; return nil })
				if err == nil && n < kept {
					t.Fatalf("%d of %d batches are left", n, kept)
				}
				if err == nil {
					err = j.Append(ctx, end, epoch, []byte("again")).Wait(ctx)
				}
				if err == nil {
					break
				}
				if ctx.Err() != nil {
					t.Fatalf("the log did not heal: %v", err)
				}
			}
			if lease, err = leases.Renew(ctx, lease); err != nil {
				t.Errorf("the lease can not be renewed when there is room again: %v", err)
			}
		})
	}
}
