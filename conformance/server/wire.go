package server

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Wire is the way to a location on the machine's own network: an address that passes
// connections on to its nodes, and can be slow or cut.
type Wire struct {
	listener net.Listener
	nodes    []*Server
	next     atomic.Uint64
	delay    atomic.Int64 // nanoseconds, each way

	mu   sync.Mutex
	cut  bool
	open map[net.Conn]bool
}

func newWire(nodes []*Server) (*Wire, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &Wire{listener: l, nodes: nodes, open: map[net.Conn]bool{}}
	go w.accept()
	return w, nil
}

// Addr is where the other location dials.
func (w *Wire) Addr() string { return w.listener.Addr().String() }

// Delay makes everything that is passed from now on arrive so much later, each way.
func (w *Wire) Delay(d time.Duration) { w.delay.Store(int64(d)) }

// Cut ends all connections and takes no more until Mend.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for c := range w.open {
		c.Close()
	}
}

// Mend takes connections again.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = false
}

func (w *Wire) close() {
	w.listener.Close()
	w.Cut()
}

func (w *Wire) accept() {
	for {
		c, err := w.listener.Accept()
		if err != nil {
			return
		}
		go w.pass(c)
	}
}

// pass joins a connection to the first node that answers.
func (w *Wire) pass(client net.Conn) {
	defer client.Close()
	first := w.next.Add(1)
	for i := range w.nodes {
		node := w.nodes[(first+uint64(i))%uint64(len(w.nodes))]
		server, err := net.Dial("tcp", node.Addr())
		if err != nil {
			continue
		}
		defer server.Close()
		if !w.track(client, server) {
			return
		}
		ended := make(chan struct{}, 2)
		go func() { w.carry(server, client); ended <- struct{}{} }()
		go func() { w.carry(client, server); ended <- struct{}{} }()
		<-ended
		client.Close()
		server.Close()
		<-ended
		w.forget(client, server)
		return
	}
}

func (w *Wire) track(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		return false
	}
	for _, c := range conns {
		w.open[c] = true
	}
	return true
}

func (w *Wire) forget(conns ...net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		delete(w.open, c)
	}
}

// parcel is what was read at once, and when it is to arrive.
type parcel struct {
	data []byte
	due  time.Time
}

// parcelsMax bounds what is under way on one connection, each way; a full wire
// stops reading, as a real one does.
const parcelsMax = 256

// carry copies one way, each piece late by the delay.
func (w *Wire) carry(to, from net.Conn) {
	under := make(chan parcel, parcelsMax)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for p := range under {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.data); err != nil {
				from.Close()
				for range under { // the reader ends soon
				}
				return
			}
		}
	}()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			under <- parcel{append([]byte(nil), buffer[:n]...), time.Now().Add(time.Duration(w.delay.Load()))}
		}
		if err != nil {
			break
		}
	}
	close(under)
	<-gone
}
