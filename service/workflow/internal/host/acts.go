package host

import (
	"context"

	"weir/service/workflow/internal/run"
)

// Cancel ends a run.
func (h *Host) Cancel(ctx context.Context, workflow, name string) error { return notYet() }

// Resubmit starts a run with the trigger of another one, and gives its name. With actions,
// it begins with those; the actions before them keep the results that they had.
func (h *Host) Resubmit(ctx context.Context, workflow, name string, actions []string) (string, error) {
	return "", notYet()
}

// CalledBack goes on with what waits for a call. A fault of kind Conflict says that nothing
// waits there any more.
func (h *Host) CalledBack(ctx context.Context, number uint64, at run.Place, a run.Answer) error {
	return notYet()
}

// Repeat decides about an attempt that is held: it is made again, or, with an answer, taken
// for answered.
func (h *Host) Repeat(ctx context.Context, workflow, name string, at run.Place, answer *run.Answer) error {
	return notYet()
}

// RegenerateKey makes callback addresses that were signed with a key worthless: "Primary"
// or "Secondary".
func (h *Host) RegenerateKey(ctx context.Context, workflow, key string) error { return notYet() }
