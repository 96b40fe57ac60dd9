package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Cluster is several nodes that make one location, with one address in front of
// them.
type Cluster struct {
	Nodes []*Server
	Front *Balancer
}

// NewCluster prepares n nodes; nothing runs yet but the address in front.
func NewCluster(o Options, n int) (*Cluster, error) {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	routes, err := freePorts(o.Host, n)
	if err != nil {
		return nil, err
	}
	c := &Cluster{}
	for i := range n {
		node := o
		node.Dir = filepath.Join(o.Dir, nodeName(i))
		node.Ports = Ports{}
		s, err := newNode(nodeName(i), node, membership(o.Host, routes, i))
		if err != nil {
			return nil, err
		}
		c.Nodes = append(c.Nodes, s)
	}
	c.Front, err = newBalancer(c.Nodes)
	return c, err
}

// NewLocation is NewCluster that also makes a location of one node.
func NewLocation(o Options, n int) (*Cluster, error) {
	if n > 1 {
		return NewCluster(o, n)
	}
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Nodes: []*Server{s}}
	c.Front, err = newBalancer(c.Nodes)
	return c, err
}

func nodeName(i int) string { return fmt.Sprintf("n%d", i+1) }

// clusterSecret is what the nodes share.
const clusterSecret = "conformance-cluster-secret"

// membership is the part of a node's command line that makes it one of many.
func membership(host string, routes []int, i int) []string {
	at := func(i int) string { return net.JoinHostPort(host, fmt.Sprint(routes[i])) }
	var peers []string
	for j := range routes {
		peers = append(peers, nodeName(j)+"="+at(j))
	}
	return []string{"--node", nodeName(i), "--cluster-listen", at(i), "--cluster-secret", clusterSecret, "--cluster-peers", strings.Join(peers, ",")}
}

// Start starts all nodes and waits until each is ready.
func (c *Cluster) Start(ctx context.Context) error {
	for _, s := range c.Nodes {
		if err := s.Launch(); err != nil {
			return err
		}
	}
	for _, s := range c.Nodes {
		if err := s.WaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Stop stops all nodes and closes the address in front. Nodes that stop together take the
// majority from the last of them, which then leaves what it cannot write any more as a
// crash would, and says so: that is no error while another ended well. All else is.
func (c *Cluster) Stop() error {
	c.Front.close()
	type end struct {
		of  *Server
		err error
	}
	stopped := make(chan end)
	for _, s := range c.Nodes {
		go func() { stopped <- end{s, s.Stop()} }()
	}
	var errs, left []error
	for range c.Nodes {
		e := <-stopped
		if exit := (*exec.ExitError)(nil); errors.As(e.err, &exit) && exit.ExitCode() == 1 && strings.Contains(e.of.LogTail(), endFailed) {
			left = append(left, e.err)
		} else if e.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w\n%s", e.of.Name(), e.err, e.of.LogTail()))
		}
	}
	if len(left) == len(c.Nodes) {
		errs = append(errs, left...)
	}
	return errors.Join(errs...)
}

// endFailed is what a server logs of a step of its end that it could not do.
const endFailed = "a step of the end failed"

// Emulator is the emulator's connection string for the address in front.
func (c *Cluster) Emulator() string {
	return EmulatorAt(c.Front.Addr(), RootKeyName, emulatorKey)
}

// Owner is the node that owns the namespace.
func (c *Cluster) Owner(ctx context.Context) (*Server, error) { return c.OwnerOf(ctx, Namespace) }

// OwnerOf is the node that owns the unit whose name holds some text.
func (c *Cluster) OwnerOf(ctx context.Context, unit string) (*Server, error) {
	for {
		for _, s := range c.Nodes {
			if s.owns(ctx, unit) {
				return s, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no node owns %s: %w", unit, ctx.Err())
		case <-time.After(readyEvery):
		}
	}
}

// owns reports whether a node says of itself that it owns a unit.
func (s *Server) owns(ctx context.Context, unit string) bool {
	units, err := s.Units(ctx)
	return err == nil && slices.ContainsFunc(units, func(u Unit) bool {
		return u.Role == "owner" && strings.Contains(u.Name, unit)
	})
}
