package hop

import (
	"context"
	"io"
	"net"
	"time"
)

const (
	copyBytes = 64 << 10
	// closeTimeout is how long the other direction may go on when one has ended.
	closeTimeout = 30 * time.Second
)

// Join copies both ways until both directions have ended, either breaks, or ctx
// ends; then it closes both. A side that says it will send no more is told on to
// the other, which then has closeTimeout to finish.
func Join(ctx context.Context, a, b net.Conn) {
	defer a.Close()
	defer b.Close()
	stop := context.AfterFunc(ctx, func() { a.Close(); b.Close() })
	defer stop()
	ended := make(chan error, 2)
	go func() { ended <- pour(a, b) }()
	go func() { ended <- pour(b, a) }()
	if err := <-ended; err != nil {
		a.Close()
		b.Close()
	}
	<-ended
}

// pour copies one direction. nil means that from ended in order.
func pour(to, from net.Conn) error {
	if _, err := io.CopyBuffer(writer{to}, from, make([]byte, copyBytes)); err != nil {
		return err
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			return err
		}
		return to.SetReadDeadline(time.Now().Add(closeTimeout))
	}
	return io.ErrClosedPipe // it knows no half-close: end both
}

// writer hides ReadFrom and so keeps the copy in our bounded buffer.
type writer struct{ io.Writer }
