// Package demo shows in a minute or two what two locations are for: it starts two of
// them and a witness as processes of their own on this machine, sends orders through
// them as an application would, kills the primary, and tells what that cost.
//
// Promises:
//
//  1. It needs nothing but this binary, listens on loopback only, and leaves nothing
//     behind but the directory with the evidence.
//  2. What it says was measured in this very run, by clients that know nothing of the
//     locations but one address.
//
// It refuses to pretend: when something is lost or comes again, it says so and fails.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/groups"
	"weir/operate/evidence"
	"weir/operate/orders"
	"weir/operate/route"
)

// groupName is the group of the demonstration.
const groupName = "orders"

// Times of the play.
const (
	steady     = 4 * time.Second // with nothing happening
	agony      = time.Second     // without a line, before the kill
	isolation  = 5 * time.Second // ends before west is back
	lookEvery  = 20 * time.Millisecond
	patience   = time.Minute
	sliceEach  = 100 * time.Millisecond
	drainLimit = 30 * time.Second
)

// options are what a user may choose.
type options struct {
	mode string
	rate int
	dir  string
}

// Command is `weir demo`.
func Command(version string) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use: "demo", Short: "See two locations lose one and keep every order: two minutes, no set-up", Args: cobra.NoArgs, SilenceUsage: true,
		Long: `Starts two locations, west and east, and a witness as processes on this machine;
declares a queue, a topic and two subscriptions; sends orders through them with the
public Azure SDK for Go, by one address; kills west with SIGKILL; and shows what
happens. The line between them breaks first, so that west has
something alone. East notices, wins the vote, and takes over with everything west had
sent. Then west comes back, what it had alone is salvaged, it follows, and the group
goes home. The table at the end says what was lost, what came twice, and how long clients
waited; the same is kept as a signed record.

"weir demo orders" shows the same with workflows: an order flow that is killed in the middle,
in which every order ends exactly once.

With --mode async (the default) west acknowledges before east has an order: what it had
not sent yet is missing until it is salvaged. With --mode sync nothing is ever missing.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.mode != "async" && o.mode != "sync" {
				return fmt.Errorf("--mode is async or sync, not %q", o.mode)
			}
			return run(cmd.Context(), o, version, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.mode, "mode", "async", "When an order is acknowledged: async, when west has it; sync, when both have it.")
	f.IntVar(&o.rate, "rate", 200, "Orders a second.")
	f.StringVar(&o.dir, "dir", "", "Where data, logs and evidence go. Not given: a temporary directory, of which the evidence stays.")
	cmd.AddCommand(flowCommand(version))
	return cmd
}

// play is one demonstration under way.
type play struct {
	o          options
	show       *show
	west, east *location
	witness    *process
	router     *route.Router
	traffic    *orders.Run
	record     evidence.Record
	killed     time.Time // what was acknowledged before was acknowledged by west
}

func run(ctx context.Context, o options, version string, out io.Writer) (err error) {
	temporary := o.dir == ""
	if temporary {
		if o.dir, err = os.MkdirTemp("", "weir-demo-"); err != nil {
			return err
		}
	}
	host, _ := os.Hostname() // a record without one is still a record
	p := &play{o: o, show: newShow(out)}
	p.record = evidence.Record{Group: groupName, Kind: "kill", Host: host, Version: version, From: "west", To: "east", Mode: o.mode, Automatic: true, Began: time.Now()}
	defer func() {
		err = errors.Join(err, p.end())
		if temporary && err == nil {
			for _, name := range []string{"west", "east", "witness"} {
				os.RemoveAll(filepath.Join(o.dir, name))
			}
		}
	}()
	for _, act := range []func(context.Context) error{p.raise, p.pair, p.work, p.kill, p.comeBack, p.goHome, p.reckon} {
		if err := act(ctx); err != nil {
			p.show.clear()
			return fmt.Errorf("%w\nlogs and data are in %s", err, o.dir)
		}
	}
	return p.close()
}

// end ends everything that was started.
func (p *play) end() error {
	p.show.stop()
	if p.traffic != nil {
		_ = p.traffic.Stop()
	}
	if p.router != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.router.Stop(ctx) // connections under way do not matter any more
	}
	var errs []error
	for _, one := range []*location{p.west, p.east} {
		if one != nil && one.process != nil {
			errs = append(errs, one.process.kill())
		}
	}
	if p.witness != nil {
		errs = append(errs, p.witness.kill())
	}
	return errors.Join(errs...)
}

// happened writes something down.
func (p *play) happened(format string, args ...any) time.Time {
	e := evidence.Event{At: time.Now(), What: fmt.Sprintf(format, args...)}
	p.record.Events = append(p.record.Events, e)
	p.show.event(e)
	return e.At
}

// work sets the clients to work and lets them for a while.
func (p *play) work(ctx context.Context) error {
	var err error
	connection := fmt.Sprintf("Endpoint=sb://%s;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true", p.router.Addrs()[0])
	if p.traffic, err = orders.Start(ctx, orders.Options{Connection: connection, Rate: p.o.rate}); err != nil {
		return err
	}
	p.happened("clients send %d orders a second to one address; a worker, billing and shipping follow", p.o.rate)
	p.show.follow(p)
	return sleep(ctx, steady)
}

// kill ends west, of which nobody has heard for a moment, and waits until east serves
// the clients.
func (p *play) kill(ctx context.Context) error {
	if err := p.west.admin.Isolate(ctx, groupName, isolation); err != nil {
		return err
	}
	p.record.At = p.happened("the line from west to east and the witness breaks")
	if err := sleep(ctx, agony); err != nil {
		return err
	}
	before := p.traffic.Counts()
	if err := p.west.process.kill(); err != nil {
		return err
	}
	p.killed = p.happened("west is killed with SIGKILL, after %d acknowledged orders", before.Acknowledged)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	heard := false
	for {
		s, err := p.east.admin.Show(ctx, groupName)
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("east did not take over within %s", patience)
		}
		if err == nil && !heard && !s.PeerReachable {
			heard = true
			p.record.DetectionSeconds = p.happened("east can not reach west").Sub(p.record.At).Seconds()
		}
		if err == nil && s.Standing == groups.Primary {
			p.record.TermTo, p.record.Change = s.Term, s.LastChange
			p.happened("east has the vote of the witness and is the primary in term %d", s.Term)
			break
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
	promoted := time.Now()
	for p.traffic.Counts().LastIn.Before(promoted) {
		if err := sleep(ctx, lookEvery); err != nil {
			return fmt.Errorf("clients were not served by east within %s", patience)
		}
	}
	p.happened("clients are served again, %.1f s after the line broke", time.Since(p.record.At).Seconds())
	return sleep(ctx, steady)
}

// comeBack starts west again, salvages what it has alone and waits until it follows.
func (p *play) comeBack(ctx context.Context) error {
	if err := p.west.start(); err != nil {
		return err
	}
	p.happened("west is started again")
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := p.west.ready(ctx); err != nil {
		return err
	}
	for {
		s, err := p.west.admin.Show(ctx, groupName)
		switch {
		case err != nil:
		case s.Standing == groups.Salvage:
			if err := p.salvage(ctx); err != nil {
				return err
			}
		case s.Standing == groups.Secondary && follows(s):
			p.happened("west follows east")
			return sleep(ctx, steady/2)
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return fmt.Errorf("west did not follow within %s", patience)
		}
	}
}

func follows(s groups.Status) bool {
	for _, u := range s.Units {
		if !u.Connected {
			return false
		}
	}
	return s.Phase == "" && len(s.Units) > 0
}

// salvage brings what west has alone to east.
func (p *play) salvage(ctx context.Context) error {
	tail, err := p.west.admin.Tail(ctx, groupName, 10_000)
	if err != nil {
		return err
	}
	for _, r := range tail.Rows {
		if p.traffic != nil && r.Kind == "message" && r.Entity == orders.Queue && p.traffic.TookBy(r.MessageID, p.killed) {
			p.record.RPOMessages++
		}
	}
	if p.traffic == nil {
		p.happened("west has %d messages, %d settlements and %d runs that east never got", tail.Tally.Counts["message"], tail.Tally.Counts["settlement"], tail.Tally.Counts["run"])
		return p.bringBack(ctx)
	}
	p.happened("west has %d messages and %d settlements that east never got: %d are acknowledged orders", tail.Tally.Counts["message"], tail.Tally.Counts["settlement"], p.record.RPOMessages)
	return p.bringBack(ctx)
}

// bringBack has west bring it.
func (p *play) bringBack(ctx context.Context) error {
	done, err := p.west.admin.Salvage(ctx, groupName, groups.Reinject, false)
	if err != nil {
		return err
	}
	c := done.Tally.Counts
	p.record.Salvaged = &groups.Salvaged{Choice: done.Choice, Tally: done.Tally}
	if runs := c["run goes on"] + c["run kept"] + c["run begun anew"] + c["run came again"]; runs > 0 {
		p.happened("salvaged: %d runs go on in east, %d that had ended are in its history, %d had come again there", c["run goes on"]+c["run begun anew"], c["run kept"], c["run came again"])
	}
	p.happened("salvaged: %d messages brought back, %d already sent again by their senders, %d settlements made good", c["message reinjected"], c["message sent again"], c["settlement settled"])
	return nil
}

// goHome moves the group back to west.
func (p *play) goHome(ctx context.Context) error {
	before := p.traffic.Counts()
	at := p.happened("the group is to go home: a planned switch to west")
	c, err := p.east.admin.Switch(ctx, groupName, "west")
	if err != nil {
		return err
	}
	for p.traffic.Counts().LastIn.Before(at.Add(time.Duration(c.Seconds * float64(time.Second)))) {
		if err := sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
	var gap orders.Gap
	p.traffic.Look(func(b *orders.Book) { gap = b.Silence(at.Add(-time.Second), time.Now()) })
	p.happened("west is the primary again, term %d: the switch took %.2f s, clients waited %.2f s at most; %d orders went through meanwhile", c.Term, c.Seconds, gap.Seconds(), p.traffic.Counts().Acknowledged-before.Acknowledged)
	return sleep(ctx, steady/2)
}

// reckon ends the traffic and adds everything up.
func (p *play) reckon(ctx context.Context) error {
	limit, cancel := context.WithTimeout(ctx, drainLimit)
	defer cancel()
	a := p.traffic.Drain(limit)
	p.happened("sending has ended and the queues are empty")
	p.show.stop()
	r := &p.record
	r.Account, r.Repeated, r.LostAfterSalvage, r.Ended = a, a.Repeated, a.Lost, time.Now()
	p.traffic.Look(func(b *orders.Book) {
		r.RTOSeconds = b.Silence(r.At.Add(-time.Second), r.At.Add(patience)).Seconds()
		r.Slices, r.SliceMs = b.Slices(r.Began, sliceEach), sliceEach.Milliseconds()
	})
	r.TermFrom = r.TermTo - 1
	hold := func(what string, held bool, format string, args ...any) {
		r.Invariants = append(r.Invariants, evidence.Invariant{What: what, Held: held, Was: fmt.Sprintf(format, args...)})
	}
	hold("every acknowledged order was processed", a.Lost == 0, "%d missing", a.Lost)
	hold("every event came to every subscriber", a.Missing == 0, "%d missing", a.Missing)
	if p.o.mode == "sync" {
		hold("nothing was missing even before the salvage", r.RPOMessages == 0, "%d missing", r.RPOMessages)
	}
	hold("clients were served again within a minute", r.RTOSeconds < 60, "%.1f s", r.RTOSeconds)
	return nil
}

// close writes the record and the table.
func (p *play) close() error {
	key, err := evidence.Key(p.o.dir)
	if err != nil {
		return err
	}
	file := filepath.Join(p.o.dir, "evidence.json")
	if err := evidence.Write(file, &p.record, key); err != nil {
		return err
	}
	p.show.table(&p.record, file)

	if !p.record.Good() {
		return errors.New("not everything held that was to hold: see the table")
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
