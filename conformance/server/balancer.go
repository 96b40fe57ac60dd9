package server

import (
	"context"
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
	open   map[net.Conn]*Server // by the node it is joined to
	avoid  map[*Server]bool
	closed bool
}

func newBalancer(nodes []*Server) (*Balancer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &Balancer{listener: l, nodes: nodes, open: map[net.Conn]*Server{}, avoid: map[*Server]bool{}}
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
	first := b.next.Add(1)
	for i := range b.nodes {
		node := b.nodes[(first+uint64(i))%uint64(len(b.nodes))]
		if b.avoids(node) {
			continue
		}
		server, err := node.options.Inside.dial(context.Background(), "tcp", node.Addr())
		if err != nil {
			continue
		}
		b.join(node, client, server)
		return
	}
}

// join copies both ways until either side ends, then ends the other.
func (b *Balancer) join(node *Server, client, server net.Conn) {
	defer server.Close()
	if !b.track(node, client, server) {
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

func (b *Balancer) track(node *Server, conns ...net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range conns {
		b.open[c] = node
	}
	return !b.closed
}

// Avoid ends what is joined to some nodes and joins nobody to them any more, as a
// balancer does whose health check fails.
func (b *Balancer) Avoid(nodes ...*Server) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, node := range nodes {
		b.avoid[node] = true
	}
	for c, node := range b.open {
		if b.avoid[node] {
			c.Close()
		}
	}
}

// Accept joins clients to nodes again that were avoided.
func (b *Balancer) Accept(nodes ...*Server) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, node := range nodes {
		delete(b.avoid, node)
	}
}

func (b *Balancer) avoids(node *Server) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.avoid[node]
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
