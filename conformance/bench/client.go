package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/go-amqp"

	"weir/conformance/server"
)

// queue is where all work goes through.
const queue = "bench"

// emulatorKey opens the door on loopback.
const emulatorKey = "SAS_KEY_VALUE"

// dial opens a connection and a session on it.
func dial(ctx context.Context, addr string) (*amqp.Conn, *amqp.Session, error) {
	conn, err := amqp.Dial(ctx, "amqp://"+addr, &amqp.ConnOptions{SASLType: amqp.SASLTypePlain(server.RootKeyName, emulatorKey)})
	if err != nil {
		return nil, nil, err
	}
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	return conn, session, nil
}

// crew runs one function for each link and gathers their latencies.
func crew(links int, work func(link int) ([]time.Duration, error)) ([]time.Duration, error) {
	var (
		mu   sync.Mutex
		all  []time.Duration
		errs []error
		wait sync.WaitGroup
	)
	for link := range links {
		wait.Go(func() {
			latencies, err := work(link)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, latencies...)
			if err != nil {
				errs = append(errs, fmt.Errorf("link %d: %w", link, err))
			}
		})
	}
	wait.Wait()
	return all, errors.Join(errs...)
}

// share is how many of n belong to one of several.
func share(n, of, which int) int { return n/of + btoi(which < n%of) }

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// send sends n messages over links, inFlight at a time, each until it is
// confirmed.
func send(ctx context.Context, addr string, links, inFlight, n int) ([]time.Duration, error) {
	return crew(links, func(link int) ([]time.Duration, error) {
		conn, session, err := dial(ctx, addr)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		snd, err := session.NewSender(ctx, queue, nil)
		if err != nil {
			return nil, err
		}
		body := make([]byte, bodyBytes)
		var left atomic.Int64
		left.Store(int64(share(n, links, link)))
		return crew(share(inFlight, links, link), func(int) (latencies []time.Duration, err error) {
			m := &amqp.Message{Header: &amqp.MessageHeader{Durable: true}, Data: [][]byte{body}}
			for left.Add(-1) >= 0 {
				began := time.Now()
				if err := snd.Send(ctx, m, nil); err != nil {
					return nil, err
				}
				latencies = append(latencies, time.Since(began))
			}
			return latencies, nil
		})
	})
}

// receive receives and completes n messages over links, with at most inFlight
// unsettled; what is timed is the completion.
func receive(ctx context.Context, addr string, links, inFlight, n int) ([]time.Duration, error) {
	ctx, enough := context.WithCancel(ctx)
	defer enough()
	var settled atomic.Int64
	return crew(links, func(link int) ([]time.Duration, error) {
		conn, session, err := dial(ctx, addr)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		window := share(inFlight, links, link)
		r, err := session.NewReceiver(ctx, queue, &amqp.ReceiverOptions{Credit: int32(window), SettlementMode: amqp.ReceiverSettleModeSecond.Ptr()})
		if err != nil {
			return nil, err
		}
		return crew(window, func(int) (latencies []time.Duration, err error) {
			for {
				m, err := r.Receive(ctx, nil)
				if err != nil {
					return latencies, unlessEnded(ctx, err)
				}
				began := time.Now()
				if err := r.AcceptMessage(ctx, m); err != nil {
					return latencies, unlessEnded(ctx, err)
				}
				latencies = append(latencies, time.Since(began))
				if settled.Add(1) == int64(n) {
					enough()
				}
			}
		})
	})
}

// unlessEnded forgives the error that the end of the work itself causes.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// batchFormat is the message format of a Service Bus batch: each data section
// is one message.
const batchFormat = 0x80013700

// fillBatch is how many messages go into one batch when a backlog is made.
const fillBatch = 200

// fill puts n messages into the queue as fast as batches allow.
func fill(ctx context.Context, addr string, links, n int) error {
	one, err := (&amqp.Message{Header: &amqp.MessageHeader{Durable: true}, Data: [][]byte{make([]byte, bodyBytes)}}).MarshalBinary()
	if err != nil {
		return err
	}
	_, err = crew(links, func(link int) ([]time.Duration, error) {
		conn, session, err := dial(ctx, addr)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		snd, err := session.NewSender(ctx, queue, nil)
		if err != nil {
			return nil, err
		}
		var left atomic.Int64
		left.Store(int64(share(n, links, link)))
		return crew(2, func(int) ([]time.Duration, error) {
			for {
				before := left.Add(-fillBatch) + fillBatch
				if before <= 0 {
					return nil, nil
				}
				m := &amqp.Message{Format: batchFormat}
				for range min(before, fillBatch) {
					m.Data = append(m.Data, one)
				}
				if err := snd.Send(ctx, m, nil); err != nil {
					return nil, err
				}
			}
		})
	})
	return err
}

// first receives one message and settles nothing.
func first(ctx context.Context, addr string) error {
	conn, session, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	r, err := session.NewReceiver(ctx, queue, &amqp.ReceiverOptions{Credit: 1, SettlementMode: amqp.ReceiverSettleModeSecond.Ptr()})
	if err != nil {
		return err
	}
	m, err := r.Receive(ctx, nil)
	if err != nil {
		return err
	}
	return r.ReleaseMessage(ctx, m)
}
