// Package telemetry is what a running platform says of itself: logs, metrics,
// whether it lives and whether it is ready.
//
// What it promises:
//  1. Nothing is process-wide: two platforms in one process share no registry, no
//     meter and no logger.
//  2. Metrics are OpenTelemetry instruments, read as Prometheus text; names carry
//     their unit, and cardinality is the business of who makes the instrument.
//  3. Ready means that every part that registered is ready; a part that is not says
//     why in one sentence, and the sentence is in the answer.
//
// What it refuses: to send anything anywhere on its own.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
)

// Metrics gathers a platform's instruments.
type Metrics struct {
	provider *sdk.MeterProvider
	registry *prometheus.Registry
}

// NewMetrics makes an empty gathering with the figures of the Go runtime and of
// the process in it.
func NewMetrics() (*Metrics, error) {
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("make the metrics page: %w", err)
	}
	own := registry.Register(collectors.NewGoCollector())
	process := registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	if err := errors.Join(own, process); err != nil {
		return nil, fmt.Errorf("add the runtime's figures: %w", err)
	}
	return &Metrics{sdk.NewMeterProvider(sdk.WithReader(reader)), registry}, nil
}

// Provider is what parts make their instruments with.
func (m *Metrics) Provider() metric.MeterProvider { return m.provider }

// Handler answers /metrics.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)})
}

// Close ends the gathering.
func (m *Metrics) Close(ctx context.Context) error { return m.provider.Shutdown(ctx) }
