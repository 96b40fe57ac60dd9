package watch

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"weir/internal/groups"
	"weir/internal/settings"
	"weir/operate/probe"
)

// flags are a watchdog as an operator writes it.
type flags struct {
	groups.Flags
	o               Options
	connection      string
	connectionFiles []string // FILE, or NAME=FILE
	workflowFiles   []string // likewise
	queue           string
	exec, cert, key string
	within          time.Duration
	config          string
	once            bool
}

func defaults() *flags {
	f := &flags{o: Options{Every: everyDefault, CoolDown: coolDownDefault}, within: probe.WithinDefault, queue: probe.Queue}
	f.o.Name, _ = os.Hostname() // a watchdog without a name still watches
	l := f.o.Limits.Defaults()
	l.Slow, l.Lag, l.LagShare, l.Remind = 2*time.Second, 30*time.Second, 50, 30*time.Minute
	f.o.Limits = l
	return f
}

// settings declares what an operator can set.
func (f *flags) settings() *settings.Set {
	set := settings.New("WEIR_WATCH")
	f.Declare(set)
	l := &f.o.Limits
	g := set.Group("Watching")
	g.Text(&f.o.Name, "name", "NAME", "What this watchdog calls itself.")
	g.Duration(&f.o.Every, "every", "Time between two rounds.")
	g.Int(&l.Rounds, "rounds", "ROUNDS", "Rounds in a row that something is wrong until it is an alarm.")
	g.Int(&l.Good, "good", "ROUNDS", "Rounds in a row without it until that is over.")
	g.Secret(&f.connection, "connection", "Connection string that a message is sent with through the queue of probes, to the address applications use. Not given: no message is sent there.")
	g.Strings(&f.connectionFiles, "connection-file", "[NAME=]FILE", "File with that connection string, or with one that leads to the doors of the location NAME: then a message goes through that location too.")
	g.Strings(&f.workflowFiles, "workflow-file", "[NAME=]FILE", "File with the callback URL of a workflow that answers (Request trigger, Response action), to the address applications use, or to the doors of the location NAME: it is called as well, and must answer with a status below 300. Another method than POST goes before the URL.")
	g.Text(&f.queue, "probe-queue", "QUEUE", "Queue of probes, for them alone. Several watchdogs may share it.")
	g.Duration(&f.within, "within", "How long that message may take.")
	g.Duration(&l.Slow, "slow", "From when on it is slow; 0s: never.")
	g.Duration(&l.Lag, "lag", "From when on a copy is late, where the group declares no rpoSeconds; 0s: never.")
	g.Int(&l.LagShare, "lag-share", "PERCENT", "Share of the declared rpoSeconds, lagSeconds, lagMessages and lagBytes from which on a copy is late; 0: --lag counts for all.")
	g = set.Group("Telling")
	g.Strings(&f.o.Webhooks, "webhook", "URL", "Gets each event as JSON by POST; \"text\" has it in a sentence. Tried 8 times.")
	g.Text(&f.exec, "exec", "COMMAND", "Gets each event as JSON on standard input, and 15 s. Words are separated by spaces; no shell reads them.")
	g.Duration(&l.Remind, "remind", "Repeat an alarm that lasts so often; 0s: never.")
	g = set.Group("Acting")
	g.Strings(&f.o.Act, "act", "[group=]GROUP", "Promote the other location of this group when clients do not get through its primary, and it is not heard there either; a majority of the voters must agree.")
	g.Duration(&f.o.CoolDown, "cool-down", "Time between two promotions of one group.")
	g = set.Group("Watching the watchdogs")
	g.Text(&f.o.Listen, "listen", "HOST:PORT", "Where other watchdogs ask this one (GET /watch), and Prometheus (GET /watch/metrics). Not given: nowhere.")
	g.Text(&f.cert, "tls-cert", "FILE", "Certificate (PEM) to be asked over HTTPS.")
	g.Text(&f.key, "tls-key", "FILE", "Key (PEM) of the certificate.")
	g.Strings(&f.o.Peers, "peer", "URL", "Another watchdog.")
	g.Duration(&l.Silence, "silence", "From when on another watchdog is silent.")
	g.Secret(&f.o.Heartbeat, "heartbeat", "URL that is called after each round; let a service that alarms when the calls cease listen there.")
	return set
}

// options makes the options of a watchdog, reading the files that are named. All
// mistakes come back joined.
func (f *flags) options(talk io.Writer) (Options, error) {
	o := f.o
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	places, trust, err := f.Read()
	if err != nil {
		errs = append(errs, err)
	}
	groups.WarnOf(talk, places)
	if err == nil && len(places) == 0 {
		refuse("a watchdog needs something to watch: name each location with --location")
	}
	if o.Locations = places; o.Every <= 0 || f.within <= 0 || o.Limits.Rounds < 1 || o.Limits.Good < 1 || o.Limits.Silence <= 0 {
		refuse("--every, --within, --rounds, --good and --silence are more than nothing")
	}
	for i, group := range o.Act {
		o.Act[i] = strings.TrimPrefix(group, "group=")
	}
	for name, all := range map[string][]string{"--webhook": o.Webhooks, "--peer": o.Peers, "--heartbeat": {o.Heartbeat}} {
		for _, address := range all {
			if u, err := url.Parse(address); address != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
				refuse("%s takes the URL of an HTTP server, as https://HOST/PATH", name)
			}
		}
	}
	if o.Listen != "" {
		if _, _, err := net.SplitHostPort(o.Listen); err != nil {
			refuse("--listen %s: write it as HOST:PORT", o.Listen)
		}
	}
	if f.cert != "" || f.key != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			refuse("the certificate (--tls-cert, --tls-key): %w", err)
		}
		o.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	errs = append(errs, f.probes(&o, trust))
	o.Exec = strings.Fields(f.exec)
	o.Client = &http.Client{
		Timeout: deliverLimit, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: trust, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	o.Logger = slog.New(slog.NewTextHandler(talk, nil))
	return o, errors.Join(errs...)
}

// probes makes those that send messages.
func (f *flags) probes(o *Options, trust *tls.Config) error {
	var errs []error
	through := func(connection, what string) probe.Probe {
		p, err := probe.NewMessage(probe.Message{Connection: connection, Queue: f.queue, Within: f.within, TLS: trust})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
			return nil
		}
		return p
	}
	if f.connection != "" {
		o.Probe = through(f.connection, "--connection")
	}
	o.Data = map[string]probe.Probe{}
	// put lets a probe go through the address of applications, or a location's own doors.
	put := func(flag, name string, p probe.Probe) {
		beside := func(before probe.Probe) probe.Probe {
			if before == nil {
				return p
			}
			return probe.All{before, p}
		}
		switch {
		case name == "":
			o.Probe = beside(o.Probe)
		case !watched(o.Locations, name):
			errs = append(errs, fmt.Errorf("%s: %s is none of the locations (--location)", flag, name))
		default:
			o.Data[name] = beside(o.Data[name])
		}
	}
	each := func(flag, what string, files []string, read func(text, flag string) probe.Probe) {
		for _, text := range files {
			name, file, named := strings.Cut(text, "=")
			if !named {
				name, file = "", text
			}
			data, err := os.ReadFile(file)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s (%s): %w", what, flag, err))
				continue
			}
			if p := read(strings.TrimSpace(string(data)), flag+" "+text); p != nil {
				put(flag+" "+text, name, p)
			}
		}
	}
	each("--connection-file", "the connection string", f.connectionFiles, through)
	each("--workflow-file", "the callback URL", f.workflowFiles, func(text, flag string) probe.Probe {
		method, address := probe.ReadWorkflow(text)
		p, err := probe.NewWorkflow(probe.Workflow{URL: address, Method: method, Within: f.within, TLS: trust})
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", flag, err))
			return nil
		}
		return p
	})
	return errors.Join(errs...)
}

func watched(all []groups.Location, name string) bool {
	for _, l := range all {
		if l.Name == name {
			return true
		}
	}
	return false
}
