package trigger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"weir/kernel/fault"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/host"
)

// noFiring records a memory alone.
var noFiring = host.Firing{}

// lots is the room of the random digits in a run's name.
const lots = 1_000_000_000

// runName names the first of so many runs: the lot has room for the others behind it.
func runName(now time.Time, random uint64, runs int) string {
	return host.RunName(now, random%uint64(lots-runs))
}

// nameAfter is the k-th name after a first one.
func nameAfter(first string, k int) string {
	if k == 0 || len(first) < 29 {
		return first
	}
	lot, err := strconv.ParseInt(first[20:29], 10, 64)
	if err != nil {
		return first
	}
	return fmt.Sprintf("%s%09d%s", first[:20], (lot+int64(k))%lots, first[29:])
}

// connectorOf finds who carries a type of trigger out.
func (w *watch) connectorOf(kind string, inputs any) connector.Connector {
	if w.t.m.Connectors == nil {
		return nil
	}
	provider := ""
	if o, ok := inputs.(*expression.Object); ok {
		c, _ := o.Get("serviceProviderConfiguration")
		if o, ok := c.(*expression.Object); ok {
			id, _ := o.Get("serviceProviderId")
			provider = expression.Text(id)
		}
	}
	return w.t.m.Connectors.Find(kind, provider)
}

// owned gives the ownership that is; nil, there is none.
func (m *Manager) owned() *tenure {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tenure
}

func errNotOwned() error {
	return fault.New(fault.Unavailable, "Another node decides about this workflow now. Try again.")
}

// lost says of an error that comes of the ownership's end that it is that: whoever asked
// is still there, and may ask again.
func lost(ctx context.Context, err error) error {
	if err != nil && ctx.Err() == nil && errors.Is(err, context.Canceled) {
		return errNotOwned()
	}
	return err
}
