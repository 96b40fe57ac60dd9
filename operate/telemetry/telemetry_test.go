package telemetry

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/metric"

	"weir/kernel/journal"
	"weir/kernel/replica/core"
)

func TestMetricsOfTwoPlatformsAreApart(t *testing.T) {
	page := func(count int64) string {
		m, err := NewMetrics()
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close(t.Context())
		sent, err := m.Provider().Meter("bus").Int64Counter("weir.messages.sent", metric.WithUnit("{message}"))
		if err != nil {
			t.Fatal(err)
		}
		sent.Add(t.Context(), count)
		out := httptest.NewRecorder()
		m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(out, httptest.NewRequest("GET", "/metrics", nil))
		return out.Body.String()
	}
	for want, count := range map[string]int64{"weir_messages_sent_total 3": 3, "weir_messages_sent_total 5": 5} {
		if got := page(count); !strings.Contains(got, want) || !strings.Contains(got, "go_goroutines") {
			t.Errorf("missing %q in\n%s", want, got)
		}
	}
}

func TestReadyNamesThePartThatIsNot(t *testing.T) {
	var h Health
	orders := Part{Name: "namespace orders", Reason: "It waits for its owner."}
	h.Add(func() []Part { return []Part{{Name: "registry", Ready: true}, orders} })
	steps := []struct {
		do        func()
		status    int
		ready, em string
	}{
		{func() {}, http.StatusServiceUnavailable, `"name":"platform","ready":false,"reason":"It is starting."`, `{"status":"unhealthy","message":"platform: It is starting."}`},
		{h.Running, http.StatusServiceUnavailable, `{"name":"namespace orders","ready":false,"reason":"It waits for its owner."}`, `{"status":"unhealthy","message":"namespace orders: It waits for its owner."}`},
		{func() { orders = Part{Name: orders.Name, Ready: true} }, http.StatusOK, `{"name":"namespace orders","ready":true}`, `{"status":"healthy","message":"Service is healthy."}`},
		{h.Stopping, http.StatusServiceUnavailable, `It is shutting down.`, `{"status":"unhealthy","message":"platform: It is shutting down."}`},
	}
	for i, step := range steps {
		step.do()
		out := httptest.NewRecorder()
		h.ReadyPage(out, nil)
		if out.Code != step.status || !strings.Contains(out.Body.String(), step.ready) {
			t.Errorf("step %d: %d %s", i, out.Code, out.Body)
		}
		out = httptest.NewRecorder()
		h.EmulatorPage(out, nil)
		if out.Code != step.status || strings.TrimSpace(out.Body.String()) != step.em {
			t.Errorf("step %d: %d %s", i, out.Code, out.Body)
		}
		out = httptest.NewRecorder()
		if h.Live(out, nil); out.Code != http.StatusOK {
			t.Errorf("step %d: not live", i)
		}
	}
}

func TestLogFormats(t *testing.T) {
	for format, want := range map[string]string{"json": `"msg":"hello","n":1}`, "text": `level=WARN msg=hello n=1`} {
		var out bytes.Buffer
		log, err := NewLogger(&out, format, "warn")
		if err != nil {
			t.Fatal(err)
		}
		log.Info("quiet")
		log.Warn("hello", "n", 1)
		if !strings.Contains(out.String(), want) || strings.Contains(out.String(), "quiet") {
			t.Errorf("%s: %s", format, &out)
		}
	}
	if _, err := NewLogger(nil, "xml", "info"); err == nil {
		t.Error("xml")
	}
	if _, err := NewLogger(nil, "json", "loud"); err == nil {
		t.Error("loud")
	}
}

func TestUnitsAreCountedByName(t *testing.T) {
	m, err := NewMetrics()
	if err != nil {
		t.Fatal(err)
	}
	units, err := NewUnits(m.Provider())
	if err != nil {
		t.Fatal(err)
	}
	orders := units.Observe("bus/orders")
	orders.Role(core.Owner, 7)
	orders.Turns(3)
	orders.Appended(4096, 20, time.Millisecond)
	orders.Revealed(20, 2*time.Millisecond)
	orders.Snapshot(100, time.Millisecond, time.Second)
	orders.Trimmed(journal.Size{Bytes: 77})
	orders.Carried(2, 50)
	standby := units.Observe("registry")
	standby.Folded(10, 5*time.Millisecond)
	out := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(out, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`weir_unit_owner{unit="bus/orders"} 1`, `weir_unit_owner{unit="registry"} 0`, `weir_unit_epoch{unit="bus/orders"} 7`,
		`weir_journal_batches_total{unit="bus/orders"} 1`, `weir_journal_facts_total{unit="bus/orders"} 20`,
		`weir_journal_append_duration_seconds_count{unit="bus/orders"} 1`, `weir_follower_lag_milliseconds{unit="registry"} 5`,
		`weir_journal_size_bytes{unit="bus/orders"} 77`, `weir_journal_carried_bytes_total{unit="bus/orders"} 50`,
	} {
		if !strings.Contains(out.Body.String(), want) {
			t.Errorf("missing %s", want)
		}
	}
	if t.Failed() {
		t.Log(out.Body)
	}
}
