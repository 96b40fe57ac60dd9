// Package probe finds out whether a location serves, as its clients would.
//
// Promises:
//
//  1. A probe is bounded in time, whatever the other side does, and harms nothing.
//  2. A data path is well only when one message of the probe's own has gone in, has come
//     out and is settled: a process that answers is not yet one that serves.
//  3. What failed is named: the stage, and a sentence that says what to do where that is
//     known.
//
// It refuses to touch a message that it did not send, and to judge: how many failures
// make an outage is decided by who asks.
package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Probe is one way to find out.
type Probe interface {
	Check(ctx context.Context) Result
}

// Result is what a probe found.
type Result struct {
	OK bool `json:"ok"`
	// Stage is what failed: configure, connect, send, receive, complete, health, groups.
	Stage string `json:"stage,omitempty"`
	Error string `json:"error,omitempty"` // a sentence
	// Seconds are what it took; of a data path the whole round trip, connecting included.
	Seconds float64 `json:"seconds"`
	// SendSeconds pass until the message that is sent was accepted, ReceiveSeconds from then until it
	// was received.
	SendSeconds    float64 `json:"sendSeconds,omitempty"`
	ReceiveSeconds float64 `json:"receiveSeconds,omitempty"`
}

// fail is a result that says no.
func fail(stage string, began time.Time, err error) Result {
	return Result{Stage: stage, Error: sentence(err), Seconds: time.Since(began).Seconds()}
}

// textMax bounds what is told of an error that is not ours.
const textMax = 500

// sentence makes one line of an error.
func sentence(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > textMax {
		text = strings.ToValidUTF8(text[:textMax], "") + "..."
	}
	return text
}

// inTime says what it means that the time is over. A connection that was given the same
// deadline can notice a little earlier than ctx does, and calls it by another name.
func inTime(ctx context.Context, within time.Duration, err error) error {
	end, bounded := ctx.Deadline()
	if err != nil && bounded && !errors.Is(ctx.Err(), context.Canceled) && time.Until(end) <= within/50 {
		return fmt.Errorf("no answer within %s", within)
	}
	return err
}
