package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"weir/conformance/server"
)

// warm sends and receives a little, so that the first round is like the others.
func warm(ctx context.Context, s *server.Server, o Options) error {
	o.Messages = min(o.Messages, 5000)
	_, err := measure(ctx, s, o, headlineLinks)
	return err
}

// measure sends all messages and then receives and settles them.
func measure(ctx context.Context, s *server.Server, o Options, links int) (f Figures, err error) {
	appendsBefore, err := appends(ctx, s)
	if err != nil {
		return f, err
	}
	sent, err := timed(s.PID(), o.Messages, func() ([]time.Duration, error) {
		return send(ctx, s.Addr(), links, o.InFlight, o.Messages)
	})
	if err != nil {
		return f, fmt.Errorf("send: %w", err)
	}
	appendsAfter, err := appends(ctx, s)
	if err != nil {
		return f, err
	}
	if appendsAfter == appendsBefore {
		return f, fmt.Errorf("the server's /metrics does not count appends as %s", appendsMetric)
	}
	received, err := timed(s.PID(), o.Messages, func() ([]time.Duration, error) {
		return receive(ctx, s.Addr(), links, o.InFlight, o.Messages)
	})
	if err != nil {
		return f, fmt.Errorf("receive: %w", err)
	}
	return Figures{
		SendPerS: sent.perS, SendP50Ms: sent.p50, SendP99Ms: sent.p99, CPUPerSend: sent.cpu,
		ReceivePerS: received.perS, SettleP50Ms: received.p50, SettleP99Ms: received.p99, CPUPerReceive: received.cpu,
		MessagesPerSync: ratio(float64(o.Messages), appendsAfter-appendsBefore),
	}, nil
}

// stretch is one timed piece of work.
type stretch struct{ perS, p50, p99, cpu float64 }

// timed runs work on n messages and measures it and the server meanwhile.
func timed(pid, n int, work func() ([]time.Duration, error)) (s stretch, err error) {
	cpuBefore, err := cpuTime(pid)
	if err != nil {
		return s, err
	}
	began := time.Now()
	latencies, err := work()
	if err != nil {
		return s, err
	}
	took := time.Since(began)
	cpuAfter, err := cpuTime(pid)
	if err != nil {
		return s, err
	}
	slices.Sort(latencies)
	return stretch{
		perS: float64(n) / took.Seconds(),
		p50:  at(latencies, 0.50),
		p99:  at(latencies, 0.99),
		cpu:  float64((cpuAfter - cpuBefore).Nanoseconds()) / 1000 / float64(n),
	}, nil
}

// at is a quantile of sorted latencies, in milliseconds.
func at(sorted []time.Duration, quantile float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := min(int(quantile*float64(len(sorted))), len(sorted)-1)
	return float64(sorted[i].Nanoseconds()) / 1e6
}
