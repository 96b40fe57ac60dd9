package orders

import (
	"reflect"
	"testing"
	"time"
)

var dawn = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return dawn.Add(time.Duration(seconds * float64(time.Second))) }

// Every order ends in one of the ways an account tells apart.
func TestAnAccountAddsUp(t *testing.T) {
	b := NewBook("billing", "shipping")
	fine := func(n int) {
		b.Acknowledged(n, at(float64(n)))
		b.Delivered(n, int64(n), at(float64(n)))
		b.Published(n)
		b.Heard(n, "billing")
		b.Heard(n, "shipping")
		b.Completed(n, int64(n), at(float64(n)))
	}
	for range 8 {
		b.Send(dawn)
	}
	fine(0)
	b.Acknowledged(1, at(1)) // lost
	b.Failed()               // 2 has no answer, and came
	b.Delivered(2, 2, at(2))
	b.Completed(2, 2, at(2))
	fine(3)
	b.Delivered(3, 3, at(9)) // again after its completion
	b.Acknowledged(4, at(4))
	b.Delivered(4, 4, at(4))
	b.Delivered(4, 4, at(5)) // again before its completion
	b.Completed(4, 4, at(6))
	fine(5)
	b.Delivered(5, 77, at(9)) // another message
	b.Completed(5, 77, at(9))
	b.Acknowledged(6, at(6))
	b.Delivered(6, 6, at(6))
	b.Published(6)
	b.Heard(6, "billing") // shipping never hears of it
	b.Completed(6, 6, at(6))
	// 7 is under way
	if b.Delivered(99, 1, at(1)) || b.Delivered(-1, 1, at(1)) {
		t.Error("orders that nobody sent were taken")
	}
	want := Account{Sent: 8, Acknowledged: 6, Processed: 6, Completed: 6, Lost: 1, Missing: 1, Repeated: 1, Twice: 1, Redelivered: 2, Failed: 1, LostOrders: []int{1}}
	if got := b.Account(); !reflect.DeepEqual(got, want) {
		t.Errorf("account\n%+v\nwant\n%+v", got, want)
	}
}

func TestSilenceIsTheLongestGap(t *testing.T) {
	b := NewBook()
	for _, s := range []float64{0, 1, 2, 7, 8, 20, 21} {
		n, _ := b.Send(at(s))
		b.Acknowledged(n, at(s))
	}
	for _, c := range []struct{ from, to, begins, seconds float64 }{{0, 30, 8, 12}, {0, 7, 2, 5}, {2.5, 7.5, 2, 5}, {0, 1.5, 0, 1}} {
		g := b.Silence(at(c.from), at(c.to))
		if !g.From.Equal(at(c.begins)) || g.Seconds() != c.seconds {
			t.Errorf("from %v to %v: %.1f s from %v; want %.1f from %v", c.from, c.to, g.Seconds(), g.From, c.seconds, c.begins)
		}
	}
	if s := b.Slices(at(0), 10*time.Second); len(s) != 3 || s[0].In != 5 || s[1].In != 0 || s[2].In != 2 {
		t.Errorf("slices %+v", s)
	}
}

func TestABookIsBounded(t *testing.T) {
	b := NewBook()
	b.orders = make([]order, ordersMax)
	if _, ok := b.Send(dawn); ok {
		t.Error("a full book takes an order")
	}
}
