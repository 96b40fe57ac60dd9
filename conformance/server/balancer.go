package server

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Balancer is one address that passes each connection to a node that takes it,
// in turn: what a load balancer or a DNS name is to a location.
type Balancer struct {
	listener net.Listener
	nodes    []*Server
	next     atomic.Uint64

	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
}

func newBalancer(nodes []*Server) (*Balancer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &Balancer{listener: l, nodes: nodes, open: map[net.Conn]bool{}}
	go b.accept()
	return b, nil
}

// Addr is where clients connect.
func (b *Balancer) Addr() string { return b.listener.Addr().String() }

// accept runs until close.
func (b *Balancer) accept() {
	for {
		client, err := b.listener.Accept()
		if err != nil {
			return
		}
		go b.pass(client)
	}
}

// pass joins a client to the first node that answers; with none, the client is
// turned away as it would be by a dead address.
func (b *Balancer) pass(client net.Conn) {
	defer client.Close()
	for range b.nodes {
		node := b.nodes[b.next.Add(1)%uint64(len(b.nodes))]
		server, err := net.Dial("tcp", node.Addr())
		if err != nil {
			continue
		}
		b.join(client, server)
		return
	}
}

// join copies both ways until either side ends, then ends the other.
func (b *Balancer) join(client, server net.Conn) {
	defer server.Close()
	if !b.track(client, server) {
		return
	}
	defer b.forget(client, server)
	ended := make(chan struct{}, 2)
	copyOne := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		ended <- struct{}{}
	}
	go copyOne(server, client)
	go copyOne(client, server)
	<-ended
	client.Close()
	server.Close()
	<-ended
}

func (b *Balancer) track(conns ...net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range conns {
		b.open[c] = true
	}
	return !b.closed
}

func (b *Balancer) forget(conns ...net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range conns {
		delete(b.open, c)
	}
}

func (b *Balancer) close() {
	b.listener.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for c := range b.open {
		c.Close()
	}
}
