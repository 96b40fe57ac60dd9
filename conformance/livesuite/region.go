package main

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// A test of the SDK measures how much arrives within a moment, which takes a network
// that is not infinitely fast: it gets one as to a region of the cloud.
const (
	distantTest    = "TestReceiveWithDifferentWaitTime"
	distantAddress = "127.0.0.4"
	// distantBytesPerSecond is 100 Mbit/s, in pieces of distantPieceBytes.
	distantBytesPerSecond = 100_000_000 / 8
	distantPieceBytes     = 16 << 10
)

// region listens at distantAddress and passes on what comes to address, no faster than that.
type region struct {
	listeners []net.Listener
	running   sync.WaitGroup
}

// openRegion listens on the ports that clients of the cloud use.
func openRegion(ctx context.Context) (*region, error) {
	r := &region{}
	for _, port := range []string{"443", "5671"} {
		ln, err := net.Listen("tcp", net.JoinHostPort(distantAddress, port))
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		r.listeners = append(r.listeners, ln)
		r.running.Go(func() { r.accept(ctx, ln, net.JoinHostPort(address, port)) })
	}
	return r, nil
}

func (r *region) accept(ctx context.Context, ln net.Listener, to string) {
	for {
		near, err := ln.Accept()
		if err != nil {
			return
		}
		r.running.Go(func() {
			defer near.Close()
			far, err := (&net.Dialer{}).DialContext(ctx, "tcp", to)
			if err != nil {
				return
			}
			defer far.Close()
			ended := make(chan struct{}, 2)
			go func() { trickle(far, near); ended <- struct{}{} }()
			go func() { trickle(near, far); ended <- struct{}{} }()
			<-ended
		})
	}
}

// trickle copies at the speed of the line.
func trickle(to io.Writer, from io.Reader) {
	piece := make([]byte, distantPieceBytes)
	for {
		n, err := from.Read(piece)
		if n > 0 {
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
			time.Sleep(time.Duration(n) * time.Second / distantBytesPerSecond)
		}
		if err != nil {
			return
		}
	}
}

// Close stops listening and waits for the connections, whose clients have gone.
func (r *region) Close() error {
	var errs []error
	for _, ln := range r.listeners {
		errs = append(errs, ln.Close())
	}
	r.running.Wait()
	return errors.Join(errs...)
}
