// Package bench measures a weir server the way its clients feel it: the server
// is a process of its own on a directory of its own, the client is go-amqp in
// this one.
//
// go-amqp rather than the SDK above it, because it costs the client least per
// message, and what the client takes of the machine the server does not get.
// Messages are durable, of 1 KiB, each confirmed to its sender before it counts,
// and each settled by its receiver with the broker's answer waited for
// (receiver-settle-mode second) before that counts.
//
// Promises:
//  1. Beside every figure of the server stand a raw journal and a raw synced file,
//     measured in the same round: disks drift.
//  2. Figures are medians of the rounds, with the least and the most.
//  3. It never judges: there is no figure that makes it fail.
package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"weir/conformance/server"
)

// Options say what to measure.
type Options struct {
	Binary   string
	Messages int // of each send and each receive
	Rounds   int
	InFlight int // unconfirmed sends, and unsettled messages, over all links
	Backlog  int // messages to fill a queue with; 0 leaves that out
	Say      func(string, ...any)
}

// bodyBytes is the size of every message's body.
const bodyBytes = 1024

// headlineLinks is the number of links whose figures stand at the top.
const headlineLinks = 4

// linkCounts are the numbers of links that are measured.
var linkCounts = []int{1, headlineLinks}

// Figures are what one number of links came to: medians over the rounds.
type Figures struct {
	SendPerS        float64 `json:"send_per_s"`
	ReceivePerS     float64 `json:"receive_per_s"`
	SendP50Ms       float64 `json:"send_p50_ms"`
	SendP99Ms       float64 `json:"send_p99_ms"`
	SettleP50Ms     float64 `json:"settle_p50_ms"`
	SettleP99Ms     float64 `json:"settle_p99_ms"`
	CPUPerSend      float64 `json:"cpu_us_per_send"`    // of the server
	CPUPerReceive   float64 `json:"cpu_us_per_receive"` // of the server, received and settled
	MessagesPerSync float64 `json:"messages_per_sync"`  // confirmed sends per append to the journal
}

// Result is everything that was measured.
type Result struct {
	Figures                 // of headlineLinks links
	RawJournalPerS  float64 `json:"raw_journal_per_s"` // messages a second, in batches of 64 KiB
	RawSyncPerS     float64 `json:"raw_sync_per_s"`    // the same bytes into a bare file, synced per batch
	SendToJournal   float64 `json:"send_to_raw_journal"`
	SendToSync      float64 `json:"send_to_raw_sync"`
	ReceiveToSend   float64 `json:"receive_to_send"`
	BacklogPer      float64 `json:"backlog_bytes_per_message"` // resident memory the backlog added
	BacklogMessages int     `json:"backlog_messages"`
	BacklogRSS      int64   `json:"backlog_rss_bytes"`
	RestartRSS      int64   `json:"restart_rss_bytes"`
	RestartS        float64 `json:"restart_s"` // SIGKILL and start, until the first message was received

	AtBacklog *Figures           `json:"at_backlog,omitempty"` // the same work behind the backlog
	ByLinks   map[string]Figures `json:"by_links"`
	Least     Figures            `json:"least"`
	Most      Figures            `json:"most"`
	Rounds    int                `json:"rounds"`
	Messages  int                `json:"messages"`
	InFlight  int                `json:"in_flight"`
	Client    string             `json:"client"`
}

// Run measures.
func Run(ctx context.Context, o Options) (*Result, error) {
	dir, err := os.MkdirTemp("", "weir-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	r := &Result{Rounds: o.Rounds, Messages: o.Messages, InFlight: o.InFlight, ByLinks: map[string]Figures{}, Client: "go-amqp, one connection per link"}
	if err := r.measureRounds(ctx, o, dir); err != nil {
		return nil, err
	}
	if o.Backlog > 0 {
		if err := r.measureBacklog(ctx, o, filepath.Join(dir, "backlog")); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// start starts a server with the one queue that all work goes through.
func start(ctx context.Context, binary, dir string) (*server.Server, error) {
	deploy, err := estate(dir)
	if err != nil {
		return nil, err
	}
	s, err := server.New(server.Options{Binary: binary, Dir: dir, Deploy: deploy})
	if err != nil {
		return nil, err
	}
	return s, s.Start(ctx)
}

// measureRounds takes all rounds and their medians.
func (r *Result) measureRounds(ctx context.Context, o Options, dir string) error {
	s, err := start(ctx, o.Binary, filepath.Join(dir, "server"))
	if err != nil {
		return err
	}
	defer s.Stop()
	if err := warm(ctx, s, o); err != nil {
		return err
	}
	var journals, syncs []float64
	byLinks := map[int][]Figures{}
	for n := range o.Rounds {
		journal, err := rawJournal(ctx, filepath.Join(dir, "raw-journal"))
		if err != nil {
			return fmt.Errorf("raw journal: %w", err)
		}
		sync, err := rawSync(filepath.Join(dir, "raw-file"))
		if err != nil {
			return fmt.Errorf("raw file: %w", err)
		}
		journals, syncs = append(journals, journal), append(syncs, sync)
		for _, links := range linkCounts {
			f, err := measure(ctx, s, o, links)
			if err != nil {
				return fmt.Errorf("%d links: %w", links, err)
			}
			o.Say("round %d, %d links: %.0f sends/s, %.0f receives/s, %.1f and %.1f µs of the server each; raw journal %.0f/s, raw file %.0f/s",
				n+1, links, f.SendPerS, f.ReceivePerS, f.CPUPerSend, f.CPUPerReceive, journal, sync)
			byLinks[links] = append(byLinks[links], f)
		}
	}
	r.sum(journals, syncs, byLinks)
	return nil
}

// sum fills in the medians, the spread and the ratios.
func (r *Result) sum(journals, syncs []float64, byLinks map[int][]Figures) {
	r.RawJournalPerS, r.RawSyncPerS = median(journals), median(syncs)
	for links, all := range byLinks {
		r.ByLinks[fmt.Sprint(links)] = fold(all, median)
	}
	head := byLinks[headlineLinks]
	r.Figures, r.Least, r.Most = fold(head, median), fold(head, slices.Min[[]float64]), fold(head, slices.Max[[]float64])
	r.SendToJournal = ratio(r.SendPerS, r.RawJournalPerS)
	r.SendToSync = ratio(r.SendPerS, r.RawSyncPerS)
	r.ReceiveToSend = ratio(r.ReceivePerS, r.SendPerS)
}

func (f *Figures) fields() []*float64 {
	return []*float64{&f.SendPerS, &f.ReceivePerS, &f.SendP50Ms, &f.SendP99Ms, &f.SettleP50Ms, &f.SettleP99Ms, &f.CPUPerSend, &f.CPUPerReceive, &f.MessagesPerSync}
}

// fold makes one Figures of many, field by field.
func fold(all []Figures, how func([]float64) float64) (out Figures) {
	for i, field := range out.fields() {
		var values []float64
		for n := range all {
			values = append(values, *all[n].fields()[i])
		}
		if len(values) > 0 {
			*field = how(values)
		}
	}
	return out
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}

func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}
