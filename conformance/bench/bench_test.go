package bench

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"weir/conformance/server/servertest"
)

func TestMain(m *testing.M) { servertest.Main(m) }

// A small measurement, to see that every figure is there. None is judged.
func TestEveryFigureIsThere(t *testing.T) {
	r, err := Run(context.Background(), Options{Binary: servertest.Binary(t), Messages: 2000, Rounds: 1, InFlight: 200, Backlog: 3000, Say: t.Logf})
	if err != nil {
		t.Fatal(err)
	}
	var asJSON, table strings.Builder
	if err := r.print(&asJSON, true); err != nil {
		t.Fatal(err)
	}
	var figures map[string]any
	if err := json.Unmarshal([]byte(asJSON.String()), &figures); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"send_per_s", "receive_per_s", "send_p99_ms", "messages_per_sync", "raw_journal_per_s", "raw_sync_per_s", "restart_s"} {
		if v, ok := figures[key].(float64); !ok || v <= 0 {
			t.Errorf("%s is %v", key, figures[key])
		}
	}
	for _, key := range []string{"cpu_us_per_send", "cpu_us_per_receive", "backlog_bytes_per_message"} {
		if _, ok := figures[key].(float64); !ok {
			t.Errorf("%s is %v", key, figures[key])
		}
	}
	if err := r.print(&table, false); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", table.String())
}

// The same of two locations.
func TestEveryFigureOfTwoLocationsIsThere(t *testing.T) {
	r, err := RunPair(context.Background(), PairOptions{
		Binary: servertest.Binary(t), Nodes: 1, RTT: 4 * time.Millisecond, Sends: 20, Load: 200 * time.Millisecond, Switches: 1, Losses: 1, Say: t.Logf,
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]Spread{
		"alone": r.Alone, "async": r.Async, "sync": r.Sync, "lag": r.Lag, "switch": r.Switch, "switch, async": r.SwitchAsync,
		"promotion": r.Promotion, "fault": r.Fault, "detection": r.Detection,
	} {
		if s.Count == 0 || s.P99 < s.P50 || s.Most < s.P99 {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if r.Sync.P50 < r.RTTMs || r.CarriedPerS <= 0 || r.Fault.P50 < r.Detection.P50 {
		t.Errorf("%+v", r)
	}
	var table strings.Builder
	if err := r.print(&table, false); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", table.String())
}

func TestMediansAndQuantiles(t *testing.T) {
	if m := median([]float64{5, 1, 3}); m != 3 {
		t.Errorf("median is %v", m)
	}
	if m := median([]float64{4, 1, 3, 2}); m != 2.5 {
		t.Errorf("median of an even number is %v", m)
	}
	var sorted []time.Duration
	for i := range 100 {
		sorted = append(sorted, time.Duration(i+1)*time.Millisecond)
	}
	if p := at(sorted, 0.99); math.Abs(p-100) > 1e-9 {
		t.Errorf("p99 is %v ms", p)
	}
	if p := at(nil, 0.5); p != 0 {
		t.Errorf("quantile of nothing is %v", p)
	}
	folded := fold([]Figures{{SendPerS: 1, CPUPerSend: 9}, {SendPerS: 3, CPUPerSend: 7}, {SendPerS: 2, CPUPerSend: 8}}, median)
	if folded.SendPerS != 2 || folded.CPUPerSend != 8 {
		t.Errorf("medians are %+v", folded)
	}
	total := 0
	for which := range 3 {
		total += share(200, 3, which)
	}
	if total != 200 {
		t.Errorf("shares make %d", total)
	}
}
