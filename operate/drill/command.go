package drill

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/groups"
	"weir/internal/settings"
	"weir/operate/evidence"
	"weir/operate/orders"
	"weir/operate/route"
)

// flags are a drill as an operator writes it.
type flags struct {
	groups.Flags
	kind, out, key, connectionFile, connection string
	rate                                       int
	steady                                     time.Duration
	force, json                                bool
}

// Command is `weir drill`.
func Command(version string) *cobra.Command {
	f := flags{kind: Switch, out: "drills", steady: steadyDefault}
	set := settings.New("WEIR_DRILL")
	f.Declare(set)
	g := set.Group("Drill")
	g.Choice(&f.kind, "kind", Kinds, "What is rehearsed: a planned switch; a primary that hears of nobody, so that the other location takes over by itself; or a promotion by hand.")
	g.Bool(&f.force, "force", "With --kind forced: promote without a majority of the voters.")
	g.Duration(&f.steady, "steady", "How long traffic goes on undisturbed before, between and after.")
	g.Text(&f.out, "out", "DIR", "Where the signed record and the report go.")
	g.Text(&f.key, "key", "DIR", "Where the key that signs is, or is made on first use. Not given: in --out; a place that others can not write to is better.")
	g.Secret(&f.connection, "connection", "Connection string of synthetic clients, to the address applications use. Not given: the emulator's, through a router of the drill's own to the locations' doors.")
	g.Text(&f.connectionFile, "connection-file", "FILE", "File with that connection string.")
	cmd := &cobra.Command{
		Use: "drill GROUP", Short: "Rehearse a failover on a running pair, measure it, and go home", Args: cobra.ExactArgs(1), SilenceUsage: true,
		Long: `Rehearses a failover of a running continuity group, with synthetic orders through it,
and brings everything back to where it was. What clients saw is measured: how long they
waited, what was missing until it was salvaged, what came again. A signed record and a
page with a picture are the evidence; "weir plan" reads the records, "weir drill verify"
checks one.

  weir drill orders --kind isolation \
    --location west=https://west.example.com:8443,west.example.com:5671 --token-file west=west-token \
    --location east=https://east.example.com:8443,east.example.com:5671 --token-file east=east-token

The orders go through a queue, a topic and two subscriptions of their own, which the
group must have:

` + indent(Estate()) + `
The drill begins only when the group is at rest. Interrupted, it ends the isolation and
says which command brings the group home; an isolation ends by itself too.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := set.Load(os.LookupEnv, ""); err != nil {
				return fmt.Errorf("the settings cannot be used:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
			}
			return f.run(cmd, args[0], version)
		},
	}
	set.AddFlags(cmd.Flags())
	cmd.Flags().IntVar(&f.rate, "rate", 50, "Orders a second.")
	cmd.Flags().BoolVar(&f.json, "json", false, "Write the record as JSON.")
	cmd.Flags().SortFlags = false
	cmd.AddCommand(verify())
	return cmd
}

// Estate is what synthetic orders need, as a file for weir deploy.
func Estate() string {
	text := "- {type: Microsoft.ServiceBus/namespaces/queues, name: NAMESPACE/" + orders.Queue + ", properties: {requiresDuplicateDetection: true, lockDuration: PT5S}}\n" +
		"- {type: Microsoft.ServiceBus/namespaces/topics, name: NAMESPACE/" + orders.Topic + ", properties: {requiresDuplicateDetection: true}}\n"
	for _, s := range orders.Subscribers {
		text += "- {type: Microsoft.ServiceBus/namespaces/topics/subscriptions, name: NAMESPACE/" + orders.Topic + "/" + s + ", properties: {lockDuration: PT5S}}\n"
	}
	return text
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n  ") + "\n"
}

func (f *flags) run(cmd *cobra.Command, group, version string) error {
	ctx := cmd.Context()
	places, trust, err := f.Read()
	if err != nil {
		return err
	}
	groups.WarnOf(cmd.ErrOrStderr(), places)
	if len(places) != 2 {
		return errors.New("a drill is of two locations: name each with --location")
	}
	connection, err := f.readConnection()
	if err != nil {
		return err
	}
	// Before anything is done to the group: a drill that nobody can write down was for nothing.
	key, err := f.signer()
	if err != nil {
		return err
	}
	o := Options{Group: group, Kind: f.kind, Places: map[string]Place{}, Steady: f.steady, Force: f.force, Version: version}
	o.Host, _ = os.Hostname() // a record without one is still a record
	began := time.Now()
	o.Say = func(e evidence.Event) {
		fmt.Fprintf(cmd.ErrOrStderr(), "%6.1f s  %s\n", e.At.Sub(began).Seconds(), e.What)
	}
	for i := range places {
		o.Places[places[i].Name] = &places[i]
	}
	if connection == "" {
		r, err := ownRouter(group, places, route.Options{TLS: trust})
		if err != nil {
			return err
		}
		defer stopRouter(r)
		connection = emulator(r.Addrs()[0])
	}
	traffic, err := orders.Start(context.WithoutCancel(ctx), orders.Options{Connection: connection, Rate: f.rate})
	if err != nil {
		return err
	}
	defer traffic.Stop()
	if err := flowing(ctx, traffic); err != nil {
		return err
	}
	o.Traffic = traffic
	record, err := Run(ctx, o)
	if record == nil {
		return err
	}
	return errors.Join(err, f.publish(cmd, record, key))
}

// signer makes the directories and reads the key, or makes it.
func (f *flags) signer() (ed25519.PrivateKey, error) {
	if err := os.MkdirAll(f.out, 0o700); err != nil {
		return nil, fmt.Errorf("the directory of the record (--out): %w", err)
	}
	probe, err := os.CreateTemp(f.out, ".drill-*")
	if err != nil {
		return nil, fmt.Errorf("nothing can be written into the directory of the record (--out): %w", err)
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return nil, err
	}
	key, err := evidence.Key(cmp.Or(f.key, f.out))
	if err != nil {
		return nil, fmt.Errorf("the key that signs (--key): %w", err)
	}
	return key, nil
}

// flowFirst is how long the first order may take.
const flowFirst = 20 * time.Second

// flowing waits for the first order to go all the way.
func flowing(ctx context.Context, t *orders.Run) error {
	ctx, cancel := context.WithTimeout(ctx, flowFirst)
	defer cancel()
	for t.Counts().Delivered == 0 {
		if sleep(ctx, lookEvery) != nil {
			if errors.Is(ctx.Err(), context.Canceled) {
				return errors.New("interrupted before the drill began: nothing was done to the group")
			}
			return fmt.Errorf("no synthetic order went through within %s. The group needs entities of the drill's own; at the primary, with the name of the namespace in place of NAMESPACE:\n\nweir deploy - <<'END'\n%sEND", flowFirst, Estate())
		}
	}
	return nil
}

func (f *flags) readConnection() (string, error) {
	if f.connectionFile == "" {
		return f.connection, nil
	}
	data, err := os.ReadFile(f.connectionFile)
	if err != nil {
		return "", fmt.Errorf("the connection string (--connection-file): %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// emulator is the emulator's connection string for an address of this machine.
func emulator(address string) string {
	return fmt.Sprintf("Endpoint=sb://%s;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true", address)
}

// ownRouter puts a router on this machine in front of the locations.
func ownRouter(group string, places []groups.Location, o route.Options) (*route.Router, error) {
	o.Listen, o.Group = []string{net.JoinHostPort("127.0.0.1", "0")}, group
	for _, l := range places {
		o.Locations = append(o.Locations, route.Location{Name: l.Name, Admin: l.Admin, Doors: l.Doors, Token: l.Token})
	}
	r, err := route.New(o)
	if err != nil {
		return nil, err
	}
	return r, r.Start()
}

func stopRouter(r *route.Router) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = r.Stop(ctx) // connections under way do not matter any more
}

// publish writes the record, the report and the table. It fails when not everything
// held, in whatever form the record is shown.
func (f *flags) publish(cmd *cobra.Command, r *evidence.Record, key ed25519.PrivateKey) error {
	name := filepath.Join(f.out, fmt.Sprintf("%s-%s-%s", r.Group, r.Kind, r.Began.UTC().Format("20060102T150405Z")))
	if err := evidence.Write(name+".json", r, key); err != nil {
		return err
	}
	_, signer, err := evidence.Read(name + ".json")
	if err != nil {
		return err
	}
	file, err := os.Create(name + ".html")
	if err != nil {
		return err
	}
	if err := errors.Join(HTML(file, r, signer), file.Close()); err != nil {
		return err
	}
	if err := f.show(cmd.OutOrStdout(), r, name+".json"); err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "\nsigned record: %s.json (by %s)\nreport: %s.html\n", name, signer, name)
	if !r.Good() {
		return errors.New("not everything held that was to hold: " + broken(r))
	}
	return nil
}

// show writes the record as it was signed, or the table.
func (f *flags) show(out io.Writer, r *evidence.Record, file string) error {
	if !f.json {
		return Text(out, r)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	_, err = out.Write(data)
	return err
}

// broken names what did not hold.
func broken(r *evidence.Record) string {
	var all []string
	for _, i := range r.Invariants {
		if !i.Held {
			all = append(all, fmt.Sprintf("%s (%s)", i.What, i.Was))
		}
	}
	return strings.Join(all, "; ")
}
