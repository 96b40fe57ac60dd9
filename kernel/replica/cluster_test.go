package replica_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"

	"weir/kernel/journal"
	"weir/kernel/replica"
)

// TestThreeNodesPassAUnitOn: three nodes with a journal of three replicas; the
// owning node goes away, twice in a row, and comes back.
func TestThreeNodesPassAUnitOn(t *testing.T) {
	if testing.Short() {
		t.Skip("starts three servers")
	}
	options := clusterOptions(t, 3)
	stores, nodes := make([]*journal.Store, 3), make([]node, 3)
	var all sync.WaitGroup
	for i := range options {
		all.Go(func() { stores[i] = openNode(t, options[i]) })
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for i := range nodes {
		nodes[i] = open(t, stores[i], options[i].Node)
	}
	acknowledged := map[string]string{}
	for round := range 2 {
		i := owner(t, nodes)
		for key, value := range writers(t, nodes[i], 4, 20) {
			acknowledged[key] = value
		}
		nodes[i].put(t, "round", fmt.Sprint(round))
		nodes[i].Abort()
		if err := stores[i].Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		others := append(append([]node{}, nodes[:i]...), nodes[i+1:]...)
		heir := others[owner(t, others)]
		for key, want := range acknowledged {
			if got := heir.get(t, key); got != want {
				t.Fatalf("round %d: %s is %q, acknowledged was %q", round, key, got, want)
			}
		}
		if got := heir.get(t, "round"); got != fmt.Sprint(round) {
			t.Fatalf("round %d: the round is %q", round, got)
		}
		stores[i] = openNode(t, options[i])
		nodes[i] = open(t, stores[i], options[i].Node)
	}
}

func openNode(t *testing.T, o journal.Options) *journal.Store {
	s, err := journal.Open(t.Context(), o)
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// owner waits until one of the nodes owns, and returns which.
func owner(t *testing.T, nodes []node) int {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	found := make(chan int, len(nodes))
	for i, n := range nodes {
		go func() {
			if waitSelf(ctx, n) == nil {
				found <- i
			}
		}()
	}
	return <-found
}

func clusterOptions(t *testing.T, n int) []journal.Options {
	t.Helper()
	peers := map[string]string{}
	options := make([]journal.Options, n)
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint("node-", i)
		peers[name] = l.Addr().String()
		l.Close()
		options[i] = journal.Options{Dir: t.TempDir(), Node: name, Cluster: &journal.ClusterOptions{Listen: peers[name], Peers: peers, Secret: "of the three"}}
	}
	return options
}

var _ = replica.Options{}
