package demo

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/groups"
	"weir/operate/evidence"
)

// Names of the order flow.
const (
	siteType = "Microsoft.Web/sites"
	siteName = "orders"
	flowUnit = scope + "/providers/" + siteType + "/" + siteName
)

// definitions are the workflows, as anybody would write them.
//
//go:embed estate/take.json estate/bill.json
var definitions embed.FS

// flowCommand is `weir demo orders`.
func flowCommand(version string) *cobra.Command {
	o := options{mode: "sync", rate: 10}
	cmd := &cobra.Command{
		Use: "orders", Short: "See workflows lose their location in the middle, and every order end exactly once", Args: cobra.NoArgs, SilenceUsage: true,
		Long: `Starts two locations and a witness as processes on this machine, and runs an order flow
in them that is made of workflows:

  files arrive in a folder
    -> the workflow "take" finds them, tells a topic of each, and removes it
    -> the workflow "bill" gets each order from its subscription, calls an HTTP service that
       charges for it, and writes the result to another folder

The folders and the HTTP service are outside of both locations, like a partner's. While
orders are under way in every step, the location that runs them is killed with SIGKILL.
The other one takes over: runs go on where their last copied fact was. Calls whose end
nobody knows are made again with the same idempotency key, so that the service can tell.
Then the lost location comes back, follows, and the group goes home, under load.

The HTTP service counts, outside of everything: how many orders it charged for, whether
any twice, and how many calls came again with their key.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.mode != "async" && o.mode != "sync" {
				return fmt.Errorf("--mode is async or sync, not %q", o.mode)
			}
			if o.rate < 1 || o.rate > 100 {
				return fmt.Errorf("--rate is 1 to 100 orders a second, not %d", o.rate)
			}
			return runFlow(cmd.Context(), o, version, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.mode, "mode", "sync", "When something counts as done: sync, when both locations have it; async, when the primary has it: then what was not copied is salvaged afterwards.")
	f.IntVar(&o.rate, "rate", 10, "Orders a second.")
	f.StringVar(&o.dir, "dir", "", "Where data, logs and evidence go. Not given: a temporary directory, of which the evidence stays.")
	return cmd
}

// flow is the order flow under way.
type flow struct {
	play
	partner *partner
	stopped chan error // by who drops orders
	cease   context.CancelFunc
	total   count
}

func runFlow(ctx context.Context, o options, version string, out io.Writer) (err error) {
	temporary := o.dir == ""
	if temporary {
		if o.dir, err = os.MkdirTemp("", "weir-demo-"); err != nil {
			return err
		}
	}
	host, _ := os.Hostname() // a record without one is still a record
	f := &flow{play: play{o: o, show: newShow(out)}, cease: func() {}}
	f.record = evidence.Record{Group: groupName, Kind: "kill", Host: host, Version: version, From: "west", To: "east", Mode: o.mode, Automatic: true, Began: time.Now()}
	defer func() {
		f.cease()
		if f.partner != nil {
			f.partner.stop()
		}
		err = errors.Join(err, f.end())
		if temporary && err == nil {
			for _, name := range []string{"west", "east", "witness", "partner"} {
				os.RemoveAll(filepath.Join(o.dir, name))
			}
		}
	}()
	for _, act := range []func(context.Context) error{f.raise, f.declare, f.arrive, f.lose, f.comeBack, f.home, f.finish} {
		if err := act(ctx); err != nil {
			f.show.clear()
			return fmt.Errorf("%w\nlogs and data are in %s", err, o.dir)
		}
	}
	return f.tell()
}

// declare declares the flow in west, the group in both, and in each what is its own.
func (f *flow) declare(ctx context.Context) (err error) {
	if f.partner, err = newPartner(filepath.Join(f.o.dir, "partner")); err != nil {
		return err
	}
	estate, err := flowEstate()
	if err != nil {
		return err
	}
	if err := f.west.admin.Do(ctx, http.MethodPost, "/deploy", append(estate, f.own(f.west)...), nil); err != nil {
		return fmt.Errorf("declare the order flow in west: %w", err)
	}
	if err := f.group(ctx, scope+"/providers/"+busType+"/"+namespace, flowUnit); err != nil {
		return err
	}
	// Connections and settings are not copied: east has its own.
	if err := f.east.admin.Do(ctx, http.MethodPost, "/deploy", f.own(f.east), nil); err != nil {
		return fmt.Errorf("declare east's own connections: %w", err)
	}
	f.happened("west runs an order flow of two workflows, east follows (%s)", f.o.mode)
	return nil
}

// flowEstate is the flow as it is declared once: a topic, and a site with two workflows.
func flowEstate() ([]map[string]any, error) {
	all := []map[string]any{
		{"type": busType + "/topics", "name": namespace + "/weir-incoming-orders", "properties": map[string]any{"requiresDuplicateDetection": true}},
		{"type": busType + "/topics/subscriptions", "name": namespace + "/weir-incoming-orders/billing", "properties": map[string]any{"lockDuration": "PT5S", "maxDeliveryCount": 100}},
		{"type": siteType, "name": siteName, "kind": "functionapp,workflowapp", "properties": map[string]any{}},
	}
	for _, name := range []string{"take", "bill"} {
		text, err := definitions.ReadFile("estate/" + name + ".json")
		if err != nil {
			return nil, err
		}
		all = append(all, map[string]any{"type": siteType + "/workflows", "name": siteName + "/" + name, "properties": map[string]any{"kind": "Stateful", "definition": json.RawMessage(text)}})
	}
	return all, nil
}

// own is what a location has for itself: where its folders, its namespace and the partner
// are, seen from there.
func (f *flow) own(l *location) []map[string]any {
	provider := func(id string, values map[string]any) map[string]any {
		return map[string]any{"parameterValues": values, "serviceProvider": map[string]any{"id": "/serviceProviders/" + id}}
	}
	return []map[string]any{
		{"type": siteType + "/config", "name": siteName + "/appsettings", "properties": map[string]any{
			"BUS":     fmt.Sprintf("Endpoint=sb://%s;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true", l.amqp),
			"FILES":   f.partner.dir,
			"PARTNER": f.partner.address,
		}},
		{"type": siteType + "/config", "name": siteName + "/connections", "properties": map[string]any{
			"serviceProviderConnections": map[string]any{
				"bus":   provider("serviceBus", map[string]any{"connectionString": "@appsetting('BUS')"}),
				"files": provider("fileSystem", map[string]any{"rootFolder": "@appsetting('FILES')"}),
			},
		}},
	}
}

// arrive has orders arrive, and lets the flow run for a while.
func (f *flow) arrive(ctx context.Context) error {
	drop, cease := context.WithCancel(ctx)
	f.cease, f.stopped = cease, make(chan error, 1)
	go func() { f.stopped <- f.partner.drop(drop, f.o.rate) }()
	f.happened("%d orders a second arrive as files; \"take\" finds them, \"bill\" has them charged for", f.o.rate)
	if err := f.await(ctx, "the first order to end", func(c count) bool { return c.Results > 0 }); err != nil {
		return err
	}
	f.happened("the first orders have ended")
	return sleep(ctx, steady)
}

// await looks at the orders from outside until they are so.
func (f *flow) await(ctx context.Context, what string, so func(count) bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for next := time.Now().Add(plainEvery); ; {
		c := f.partner.count()
		if so(c) {
			return nil
		}
		if time.Now().After(next) {
			next = next.Add(plainEvery)
			f.show.tell(f.line(c))
		}
		if err := sleep(ctx, lookEvery); err != nil {
			return fmt.Errorf("waited %s in vain for %s: %s", patience, what, f.line(f.partner.count()))
		}
	}
}

func (f *flow) line(c count) string {
	return fmt.Sprintf("%6.1f s  west %-9s east %-9s  arrived %5d  not yet taken %3d  charged %5d  results %5d", time.Since(f.show.began).Seconds(),
		f.standing(f.west), f.standing(f.east), c.Dropped, c.Waiting, c.Charged, c.Results)
}

// lose kills west in the middle and waits until orders end again.
func (f *flow) lose(ctx context.Context) error {
	f.partner.watchGap()
	before := f.partner.count()
	if err := f.west.process.kill(); err != nil {
		return err
	}
	f.killed = f.happened("west is killed with SIGKILL: %d orders have arrived, %d are not taken yet, %d were charged for, %d have their result", before.Dropped, before.Waiting, before.Charged, before.Results)
	f.record.At = f.killed
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		s, err := f.east.admin.Show(limit, groupName)
		if err == nil && s.Standing == groups.Primary {
			f.record.TermFrom, f.record.TermTo, f.record.Change = s.Term-1, s.Term, s.LastChange
			f.happened("east has the vote of the witness and is the primary in term %d: it takes the runs up%s", s.Term, f.alone())
			break
		}
		if err := sleep(limit, lookEvery); err != nil {
			return fmt.Errorf("east did not take over within %s", patience)
		}
	}
	promoted := time.Now()
	if err := f.await(ctx, "orders to be charged for again", func(c count) bool { return c.Last.After(promoted) }); err != nil {
		return err
	}
	c := f.partner.count()
	f.record.RTOSeconds = c.Gap.Seconds()
	f.happened("orders end again in east: nothing was charged for during %.1f s", c.Gap.Seconds())
	return sleep(ctx, steady)
}

// alone says what east waits for before it acknowledges anything by itself.
func (f *flow) alone() string {
	if f.o.mode == "sync" {
		return ", and goes on alone when west has been silent as long as a vote lasts"
	}
	return ""
}

// home moves the flow back to west while orders arrive.
func (f *flow) home(ctx context.Context) error {
	f.partner.watchGap()
	c, err := f.east.admin.Switch(ctx, groupName, "west")
	if err != nil {
		return err
	}
	at := time.Now()
	if err := f.await(ctx, "orders to be charged for in west", func(c count) bool { return c.Last.After(at) }); err != nil {
		return err
	}
	f.happened("the flow is at home in west again, term %d: the switch took %.2f s, the longest silence was %.2f s", c.Term, c.Seconds, f.partner.count().Gap.Seconds())
	return sleep(ctx, steady/2)
}

// finish ends the arrivals, waits until every order has ended, and adds up.
func (f *flow) finish(ctx context.Context) error {
	f.cease()
	if err := <-f.stopped; err != nil {
		return err
	}
	f.happened("no more orders arrive")
	if err := f.await(ctx, "every order to end", count.ended); err != nil {
		f.happened("%v", err) // the table says what is missing
	}
	f.show.stop()
	f.total = f.partner.count()
	c, r := f.total, &f.record
	r.Ended, r.Repeated = time.Now(), c.Repeated
	hold := func(what string, held bool, format string, args ...any) {
		r.Invariants = append(r.Invariants, evidence.Invariant{What: what, Held: held, Was: fmt.Sprintf(format, args...)})
	}
	hold("every order was charged for", c.Charged == c.Dropped, "%d of %d", c.Charged, c.Dropped)
	hold("no order was charged for twice", c.Twice == 0, "%d were", c.Twice)
	hold("every order has its result", c.Results == c.Dropped, "%d of %d", c.Results, c.Dropped)
	hold("every file was taken and removed", c.Waiting == 0, "%d are there", c.Waiting)
	hold("orders ended again within a minute", r.RTOSeconds < 60, "%.1f s", r.RTOSeconds)
	return nil
}

// tell writes the record and the table.
func (f *flow) tell() error {
	key, err := evidence.Key(f.o.dir)
	if err != nil {
		return err
	}
	file := filepath.Join(f.o.dir, "evidence.json")
	if err := evidence.Write(file, &f.record, key); err != nil {
		return err
	}
	f.show.flowTable(f.total, &f.record, file)
	if !f.record.Good() {
		return errors.New("not everything held that was to hold: see the table")
	}
	return nil
}
