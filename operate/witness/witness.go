// Package witness is a voter in a third place: a small process that keeps who owns
// which continuity group, and holds no data (decision 0007).
//
// Promises:
//
//  1. What it granted is durable before it says so, and outlives its process.
//  2. It answers who knows its secret; without it, only that it is there.
//  3. Requests are bounded in size and time.
//
// Refuses: to start without a secret; to find out by itself whether a location is
// well.
package witness

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"weir/kernel/ballot"
)

// SecretCharsMin is the shortest secret that is taken.
const SecretCharsMin = 16

// Options say where a witness listens and what it knows.
type Options struct {
	Listen string // host:port
	Data   string // directory of the ballots, this process's own
	Secret string
	TLS    *tls.Config // nil: plain HTTP
	Logger *slog.Logger
}

// Witness is one witness.
type Witness struct {
	server   *http.Server
	listener net.Listener
	done     chan error
}

const (
	requestTimeout  = 10 * time.Second
	headerBytesMax  = 16 << 10
	connectionsIdle = time.Minute
)

// Start opens a witness; it answers when Start returns.
func Start(o Options) (*Witness, error) {
	if len(o.Secret) < SecretCharsMin {
		return nil, fmt.Errorf("the secret of a witness has %d characters; it needs at least %d, best random ones", len(o.Secret), SecretCharsMin)
	}
	files, err := ballot.OpenFiles(o.Data)
	if err != nil {
		return nil, err
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	mux.Handle("/ballot", ballot.Handler(ballot.NewLocal(files), o.Secret))
	mux.HandleFunc("GET /healthz/live", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "witness\n") })
	w := &Witness{done: make(chan error, 1)}
	if w.listener, err = net.Listen("tcp", o.Listen); err != nil {
		return nil, fmt.Errorf("listen for locations: %w", err)
	}
	if o.TLS != nil {
		w.listener = tls.NewListener(w.listener, o.TLS)
	}
	w.server = &http.Server{
		Handler: mux, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout, IdleTimeout: connectionsIdle,
		MaxHeaderBytes: headerBytesMax, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() { w.done <- w.server.Serve(w.listener) }()
	log.Info("witness ready", "listen", w.Addr())
	return w, nil
}

// Addr is where it listens.
func (w *Witness) Addr() string { return w.listener.Addr().String() }

// Stop ends it; requests under way are answered, as long as ctx lasts.
func (w *Witness) Stop(ctx context.Context) error {
	err := w.server.Shutdown(ctx)
	if served := <-w.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
