package journal

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// SyncMode says when an append counts as stored.
type SyncMode int

const (
	// SyncAlways syncs every append to disk before it is acknowledged.
	SyncAlways SyncMode = iota
	// SyncMayLoseLastSecond acknowledges appends that are written and not yet
	// synced, and syncs once a second: a power cut loses up to a second of
	// acknowledged appends. The death of the process alone loses nothing.
	SyncMayLoseLastSecond
)

// Options say where journals are kept.
type Options struct {
	Dir     string          // directory of the embedded server; one process at a time
	URL     string          // external NATS cluster; Dir, Cluster and Sync are not used then
	Node    string          // this node's name: stable over restarts, unique in the location
	Cluster *ClusterOptions // nil: a single node, without any listener
	Sync    SyncMode
	Logger  *slog.Logger // nil: discards

	// Replicas of each journal; 0 is 3 where there are three nodes, otherwise 1.
	Replicas int
	// CacheBytes bounds the recent records kept for Read, over all journals of the
	// store; 0 is 64 MiB.
	CacheBytes int
	// AppendTimeout is how long an append may stay unanswered before it is
	// ErrUnknown; 0 is 20 s.
	AppendTimeout time.Duration
}

// ClusterOptions join this node with the others of its location.
type ClusterOptions struct {
	Listen string            // host:port for the other nodes
	Peers  map[string]string // node name to host:port of every node, this one included
	Secret string            // shared by all nodes
	TLS    *tls.Config       // nil: plain connections between the nodes
}

const (
	cacheBytesDefault    = 64 << 20
	appendTimeoutDefault = 20 * time.Second // longer than the election of a leader takes
	retryEvery           = 100 * time.Millisecond
)

// Store is the place where journals, snapshots and leases are kept.
type Store struct {
	o       Options
	log     *slog.Logger
	lock    *os.File  // nil with an external cluster
	server  *embedded // nil with an external cluster
	nc      *nats.Conn
	js      jetstream.JetStream
	replies *replies
	cache   *cache
	room    room

	life context.Context // ends with the store
	end  context.CancelFunc
	work sync.WaitGroup // what runs in the background

	mu     sync.Mutex
	closed bool
	open   map[*pipeline]bool
	marks  map[string]*mark // by stream
}

// Open starts the embedded server, or connects to the external one, and waits
// until JetStream answers; with several nodes that is when enough of them have
// found each other. The caller closes the store.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{o: o.withDefaults(), open: map[*pipeline]bool{}, marks: map[string]*mark{}}
	s.life, s.end = context.WithCancel(context.Background())
	s.log = s.o.Logger
	s.cache = newCache(s.o.CacheBytes)
	if err := s.start(ctx); err != nil {
		s.stop()
		return nil, err
	}
	if s.server != nil {
		s.background(s.tend)
	}
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = cacheBytesDefault
	}
	if o.AppendTimeout == 0 {
		o.AppendTimeout = appendTimeoutDefault
	}
	if o.Node == "" {
		o.Node = "weir"
	}
	return o
}

func (s *Store) start(ctx context.Context) (err error) {
	switch {
	case s.o.URL == "" && s.o.Dir == "":
		return errors.New("a store needs a directory or the URL of a NATS cluster")
	case s.o.URL != "":
		s.nc, err = nats.Connect(s.o.URL, s.connection()...)
	default:
		if s.lock, err = lockDir(s.o.Dir); err != nil {
			return err
		}
		if s.server, err = startServer(ctx, s.o, s.log, s.room.heard); err != nil {
			return err
		}
		s.nc, err = s.server.connect(s.connection())
	}
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	if s.js, err = jetstream.New(s.nc); err != nil {
		return fmt.Errorf("use JetStream: %w", err)
	}
	if s.replies, err = listen(s.nc); err != nil {
		return fmt.Errorf("listen for answers: %w", err)
	}
	return s.ready(ctx)
}

// connection are the options of our client connection. Nothing is buffered while
// disconnected: what an old owner had to say must not arrive late.
func (s *Store) connection() []nats.Option {
	return []nats.Option{
		nats.Name("weir " + s.o.Node),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(retryEvery),
		nats.ReconnectBufSize(-1),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			s.log.Warn("journal connection", "error", err)
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				s.log.Warn("journal connection lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { s.log.Info("journal connection is back") }),
	}
}

// ready waits until JetStream answers, which in a cluster takes an elected leader.
func (s *Store) ready(ctx context.Context) error {
	return s.retry(ctx, "wait for JetStream", func(ctx context.Context) error {
		_, err := s.js.AccountInfo(ctx)
		return err
	})
}

// retry calls try until it succeeds, fails in a way that waiting does not mend,
// or ctx ends. Every try gets its own bound.
func (s *Store) retry(ctx context.Context, what string, try func(context.Context) error) error {
	const tryWithin = 5 * time.Second
	for {
		bounded, cancel := context.WithTimeout(ctx, tryWithin)
		err := try(bounded)
		cancel()
		if err == nil || !passing(err) {
			return wrap(what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w (last answer: %w)", what, context.Cause(ctx), err)
		case <-time.After(retryEvery):
		}
	}
}

// errNotYet: another node has just made what is looked for, and this one does not know
// of it.
var errNotYet = errors.New("it is not known here yet")

// notYet takes what is missing although it was found or made a moment ago for something
// that will be there.
func notYet(err error) error {
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("%w: %w", errNotYet, err)
	}
	return err
}

// passing reports whether an error of the JetStream API may go away by itself:
// no leader yet, too few nodes yet, a time-out.
func passing(err error) bool {
	if errors.Is(err, errNotYet) {
		return true
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		return api.Code == 503 || api.Code == 500 || api.ErrorCode == noSuitablePeers
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, nats.ErrTimeout) || errors.Is(err, jetstream.ErrJetStreamNotEnabled)
}

// noSuitablePeers is JetStream's error code for a placement that can not be met.
const noSuitablePeers = 10005

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Close ends the connection and the embedded server; with several nodes what it
// led passes to the others first. Appends under way become ErrUnknown.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	open := s.open
	s.open = nil
	s.mu.Unlock()
	for p := range open {
		p.close()
	}
	stopped := make(chan struct{})
	go func() {
		s.stop()
		close(stopped)
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close the journal store: %w", ctx.Err())
	}
}

// pipeline makes a writer that ends with the store.
func (s *Store) pipeline(l *stream) (*pipeline, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	p := newPipeline(l)
	s.open[p] = true
	return p, nil
}

// ended takes a writer out and closes it.
func (s *Store) ended(p *pipeline) {
	s.mu.Lock()
	mine := s.open[p]
	delete(s.open, p)
	s.mu.Unlock()
	if mine {
		p.close()
	}
}

var errClosed = errors.New("journal: the store is closed")

// background runs work until it returns; closing the store ends its context and
// waits for it.
func (s *Store) background(work func(context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.work.Go(func() { work(s.life) })
	}
}

// stop undoes start, as far as that got.
func (s *Store) stop() {
	s.end()
	s.work.Wait()
	if s.nc != nil {
		s.nc.Close()
	}
	if s.server != nil {
		s.server.stop()
	}
	if s.lock != nil {
		s.lock.Close()
	}
}
