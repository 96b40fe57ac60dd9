package amqp

import (
	"testing"
	"time"

	"weir/service/bus/internal/broker"
)

// The Go and JS clients swap the tag's first three groups back and use the
// result as the token of management calls.
func TestTagIsGUIDInDotNetOrder(t *testing.T) {
	token := broker.LockToken{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	want := [16]byte{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}
	if got := tagOf(token); got != want {
		t.Errorf("tag %v, want %v", got, want)
	}
	if uuidOf(token) != [16]byte(token) {
		t.Error("a uuid keeps the token's order")
	}
}

func TestTicks(t *testing.T) {
	at := time.Date(2000, 1, 2, 3, 4, 5, 600, time.UTC)
	if got := ticksOf(at); got != 630823790450000006 {
		t.Errorf("got %d", got)
	}
}
