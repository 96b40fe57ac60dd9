package watch

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"weir/operate/watch/core"
)

const watchPath = "/watch"

// Shown is what a watchdog says of itself. It answers who asks: it has no secrets.
type Shown struct {
	Name     string       `json:"name"`
	Instance string       `json:"instance"`
	Began    time.Time    `json:"began"`
	Silent   float64      `json:"silentSeconds"` // since the end of its newest round
	Rounds   int          `json:"rounds"`
	Alarms   []core.Alarm `json:"alarms"`
	Peers    []Other      `json:"peers,omitempty"`
}

// Other is another watchdog.
type Other struct {
	URL    string  `json:"url"`
	Name   string  `json:"name,omitempty"`
	Silent float64 `json:"silentSeconds"`
}

// serve answers other watchdogs and Prometheus.
func (w *Watchdog) serve() error {
	door, err := net.Listen("tcp", w.o.Listen)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	if err := registry.Register(figures{w}); err != nil {
		return errors.Join(err, door.Close())
	}
	w.door = door
	if w.o.TLS != nil {
		door = tls.NewListener(door, w.o.TLS)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+watchPath, func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(out).Encode(w.Show()) // who asked may have gone
	})
	mux.Handle("GET "+watchPath+"/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	w.server = &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: headerTimeout, IdleTimeout: time.Minute}
	w.watching.Go(func() { _ = w.server.Serve(door) }) // it ends with Stop
	return nil
}

// Show says how the watchdog is.
func (w *Watchdog) Show() Shown {
	now := time.Now()
	s := Shown{Name: w.o.Name, Instance: w.instance}
	for url, h := range w.others() {
		s.Peers = append(s.Peers, Other{url, h.name, now.Sub(h.at).Seconds()})
	}
	slices.SortFunc(s.Peers, func(a, b Other) int { return strings.Compare(a.URL, b.URL) })
	w.mu.Lock()
	defer w.mu.Unlock()
	s.Began, s.Rounds, s.Alarms = w.began, w.rounds, w.up
	if s.Silent = now.Sub(w.began).Seconds(); !w.last.IsZero() {
		s.Silent = now.Sub(w.last).Seconds()
	}
	if s.Alarms == nil {
		s.Alarms = []core.Alarm{}
	}
	return s
}

// figures are what Prometheus reads.
type figures struct{ w *Watchdog }

var (
	aboutAlarm  = prometheus.NewDesc("weir_watch_alarm", "1 for each alarm that is raised.", []string{"key", "severity"}, nil)
	aboutRounds = prometheus.NewDesc("weir_watch_rounds_total", "Rounds that were finished.", nil, nil)
	aboutSilent = prometheus.NewDesc("weir_watch_silent_seconds", "Time since the newest round.", nil, nil)
	aboutUp     = prometheus.NewDesc("weir_watch_location_up", "Whether a location says that it is well.", []string{"location"}, nil)
	aboutData   = prometheus.NewDesc("weir_watch_message_up", "Whether a message went through; location is empty for the address of applications.", []string{"location"}, nil)
	aboutTook   = prometheus.NewDesc("weir_watch_message_seconds", "What that took.", []string{"location"}, nil)
	aboutLost   = prometheus.NewDesc("weir_watch_events_lost_total", "Events that could not be delivered.", []string{"to"}, nil)
)

// Describe says that the figures are what they are when they are read.
func (f figures) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{aboutAlarm, aboutRounds, aboutSilent, aboutUp, aboutData, aboutTook, aboutLost} {
		ch <- d
	}
}

// Collect reads them.
func (f figures) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	is := func(so bool) float64 {
		if so {
			return 1
		}
		return 0
	}
	s := f.w.Show()
	for _, a := range s.Alarms {
		gauge(aboutAlarm, 1, a.Key, string(a.Severity))
	}
	ch <- prometheus.MustNewConstMetric(aboutRounds, prometheus.CounterValue, float64(s.Rounds))
	gauge(aboutSilent, s.Silent)
	f.w.mu.Lock()
	seen, message := f.w.seen, f.w.message
	f.w.mu.Unlock()
	probes := map[string]core.Probe{"": message}
	for name, at := range seen.Locations {
		gauge(aboutUp, is(at.Health == ""), name)
		probes[name] = at.Data
	}
	for name, p := range probes {
		if p.Asked {
			gauge(aboutData, is(p.Err == ""), name)
			gauge(aboutTook, p.Seconds, name)
		}
	}
	lost := map[string]int64{}
	for _, s := range f.w.sinks {
		lost[s.name] += s.lost.Load() // two webhooks may be at one place
	}
	for name, n := range lost {
		ch <- prometheus.MustNewConstMetric(aboutLost, prometheus.CounterValue, float64(n), name)
	}
}
