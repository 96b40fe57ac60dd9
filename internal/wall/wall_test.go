package wall

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A stepped clock moves what is written down and not what is measured.
func TestShiftLeavesTheMonotonicReading(t *testing.T) {
	for _, d := range []time.Duration{0, time.Nanosecond, 999_999_999, -time.Nanosecond, -600 * time.Second, 600*time.Second + 7, 24 * time.Hour} {
		now := time.Now()
		got := shift(now, d)
		if moved := got.UnixNano() - now.UnixNano(); moved != int64(d) {
			t.Errorf("shifted by %v, the wall reading moved by %v", d, time.Duration(moved))
		}
		if apart := got.Sub(now); apart != 0 {
			t.Errorf("shifted by %v, the times are %v apart", d, apart)
		}
		if want := now.Round(0).Add(d); !got.Round(0).Equal(want) {
			t.Errorf("shifted by %v: %v, want %v", d, got, want)
		}
	}
	if bare := time.Unix(7, 0); !shift(bare, time.Second).Equal(time.Unix(8, 0)) {
		t.Error("a time without a monotonic reading is not shifted")
	}
}

// The file is followed: its steps, and its rate.
func TestFollow(t *testing.T) {
	defer follows.Store(nil)
	path := filepath.Join(t.TempDir(), "clock")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := Follow(ctx, path); err == nil {
		t.Error("a file that is not there is followed")
	}
	write := func(text string) {
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	write("soon")
	if err := Follow(ctx, path); err == nil {
		t.Error("a file that says nothing of use is followed")
	}
	write("600")
	if err := Follow(ctx, path); err != nil {
		t.Fatal(err)
	}
	first := Now()
	if ahead := time.Duration(first.UnixNano() - time.Now().UnixNano()); ahead < 599*time.Second || ahead > 600*time.Second {
		t.Errorf("the clock is %v ahead", ahead)
	}
	write("-600 2")
	for Now().UnixNano() > time.Now().UnixNano() {
		if ctx.Err() != nil {
			t.Fatal("the step back was not followed")
		}
		<-time.After(time.Millisecond)
	}
	if apart := Now().Sub(first); apart < 0 || apart > 20*time.Second {
		t.Errorf("a step of the wall clock shows in what has passed: %v", apart)
	}
	s := skew{since: first, offset: time.Second, drift: 0.5}
	if off := s.at(first.Add(4 * time.Second)); off != 3*time.Second {
		t.Errorf("after 4 s at 1.5 times the pace, from 1 s ahead: %v", off)
	}
}
