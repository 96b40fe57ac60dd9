package journal

import "context"

// Pending is an append under way.
type Pending struct {
	at   Position
	next Tail
	done chan struct{}
	err  error
}

// NewPending makes an append under way that will be at position at and end in
// next. Whoever stores it calls Resolve, once.
func NewPending(at Position, next Tail) *Pending {
	return &Pending{at: at, next: next, done: make(chan struct{})}
}

// At returns the position the batch has if the append succeeds.
func (p *Pending) At() Position { return p.at }

// Next returns the tail behind the batch if the append succeeds: what the
// following append expects.
func (p *Pending) Next() Tail { return p.next }

// Done is closed when the outcome is known.
func (p *Pending) Done() <-chan struct{} { return p.done }

// Err returns the outcome, once Done is closed: nil when the batch is stored
// safely, otherwise an error that is ErrFenced, ErrUnknown, ErrRefused or ErrTooLarge.
func (p *Pending) Err() error { return p.err }

// Wait waits for the outcome and returns it, or the context's error.
func (p *Pending) Wait(ctx context.Context) error {
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Resolve sets the outcome and closes Done.
func (p *Pending) Resolve(err error) {
	p.err = err
	close(p.done)
}
