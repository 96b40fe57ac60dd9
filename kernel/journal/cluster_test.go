package journal_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"weir/kernel/journal"
)

// cluster opens stores that are one location.
func cluster(t testing.TB, options []journal.Options) []*journal.Store {
	t.Helper()
	stores := make([]*journal.Store, len(options))
	var g errgroup.Group
	for i, o := range options {
		g.Go(func() (err error) {
			stores[i], err = journal.Open(within(t), o)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, s := range stores {
			s.Close(context.Background())
		}
	})
	return stores
}

// within bounds what would otherwise hang; nothing is judged by it.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func clusterOptions(t testing.TB, n int) []journal.Options {
	t.Helper()
	peers := map[string]string{}
	for i := range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		peers[fmt.Sprint("node-", i)] = l.Addr().String()
		l.Close()
	}
	var all []journal.Options
	for _, node := range slices.Sorted(maps.Keys(peers)) {
		address := peers[node]
		all = append(all, journal.Options{
			Dir: t.TempDir(), Node: node, Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
			Cluster: &journal.ClusterOptions{Listen: address, Peers: peers, Secret: "of the three"},
		})
	}
	return all
}

func TestThreeNodes(t *testing.T) {
	options := clusterOptions(t, 3)
	stores := cluster(t, options)
	t.Run("suite", func(t *testing.T) { runSuite(t, stores...) })
	t.Run("leases", func(t *testing.T) { runLeases(t, stores...) })
	t.Run("the leader ends", func(t *testing.T) { leaderEnds(t, options, stores) })
	t.Run("a replica is damaged", func(t *testing.T) { replicaDamaged(t, options, stores) })
}

// A node is killed and says nothing to the others. If it led the stream they take
// some seconds to elect another; the appends wait for that and succeed.
func TestAKilledLeaderOnlyDelays(t *testing.T) {
	if testing.Short() {
		t.Skip("takes an election time-out")
	}
	options := clusterOptions(t, 3)
	nodes := map[string]*exec.Cmd{}
	for _, o := range options[1:] {
		text, err := json.Marshal(o.Cluster)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(o.Dir, "node.json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		nodes[o.Node], _ = startChild(t, "node", o.Dir)
	}
	options[0].AppendTimeout = time.Minute
	s := cluster(t, options[:1])[0]
	j, leader := ledByOneOf(t, s, nodes)
	tail := appendAll(t, j, journal.Tail{}, 100, 1000)
	var last *journal.Pending
	for i := range 200 {
		if i == 100 {
			nodes[leader].Process.Kill()
		}
		last = j.Append(t.Context(), tail, 1, make([]byte, 1000))
		tail = last.Next()
	}
	if err := last.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	end, err := j.Replay(within(t), journal.Tail{}, func(journal.Batch) error { return nil })
	if err != nil || end != tail {
		t.Errorf("the journal ends at %+v, %v; want %+v", end, err, tail)
	}
}

// ledByOneOf opens journals until another process leads one of them.
func ledByOneOf(t *testing.T, s *journal.Store, nodes map[string]*exec.Cmd) (*journal.Journal, string) {
	t.Helper()
	ctx := within(t)
	for n := 0; ctx.Err() == nil; n++ {
		j := openJournal(t, s, fmt.Sprint("killed ", n))
		leader, err := j.Leader(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if nodes[leader] != nil {
			return j, leader
		}
	}
	t.Fatal("this process leads every journal")
	return nil, ""
}

// One node's copy is damaged on disk. Reading there gives what the others have, and
// the log tells when it was needed.
func replicaDamaged(t *testing.T, options []journal.Options, stores []*journal.Store) {
	j := openJournal(t, stores[0], "unit")
	appendAll(t, j, journal.Tail{}, 30, 1_000_000)
	leader, err := j.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	harmed := slices.IndexFunc(options, func(o journal.Options) bool { return o.Node != leader })
	caughtUp := within(t)
	for behind := true; behind; {
		if behind, err = j.Behind(caughtUp, options[harmed].Node); err != nil {
			t.Fatal(err)
		}
	}
	if err := stores[harmed].Close(within(t)); err != nil {
		t.Fatal(err)
	}
	flip(t, filepath.Join(options[harmed].Dir, "jetstream", "$G"), "00000003", false)
	var log logBuffer
	options[harmed].Logger = slog.New(slog.NewTextHandler(&log, nil))
	if stores[harmed], err = journal.Open(within(t), options[harmed]); err != nil {
		t.Fatal(err)
	}
	back := openJournal(t, stores[harmed], "unit")
	// Its own copy is not asked before the node has caught up; and when the server sees
	// the damage first, it fetches a sound copy from the others, and there is nothing
	// to tell.
	mended := time.Now().Add(10 * time.Second)
	for !strings.Contains(log.String(), "a replica can not give a record that the leader has") {
		if time.Now().After(mended) {
			t.Log("the server mended its copy itself")
			break
		}
		folded := 0
		_, err := back.Replay(within(t), journal.Tail{}, func(journal.Batch) error { folded++; return nil })
		if err != nil || folded != 30 {
			t.Fatalf("%d batches were folded, %v; the log:\n%s", folded, err, log.String())
		}
	}
}

// The node that leads the stream ends while another one's appends are under way.
// The writer and a follower notice nothing but a delay, and when the node is back
// it has what it missed.
func leaderEnds(t testing.TB, options []journal.Options, stores []*journal.Store) {
	leader, err := openJournal(t, stores[0], "kept").Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ends := slices.IndexFunc(options, func(o journal.Options) bool { return o.Node == leader })
	writer := openJournal(t, stores[(ends+1)%3], "kept")
	follower := openJournal(t, stores[(ends+2)%3], "kept")
	const n = 2000
	followed := make(chan error, 1)
	go func() { followed <- followTo(within(t), follower, n) }()

	var under []*journal.Pending
	tail := journal.Tail{}
	for i := range n {
		if i == n/2 {
			go stores[ends].Close(context.Background())
		}
		p := writer.Append(t.Context(), tail, 1, fmt.Append(nil, i))
		tail = p.Next()
		if under = append(under, p); len(under) == 4 || i == n-1 {
			for _, p := range under {
				if err := p.Wait(within(t)); err != nil {
					t.Fatal(err)
				}
			}
			under = nil
		}
	}
	if err := <-followed; err != errSeen {
		t.Errorf("the follower: %v", err)
	}

	if err := stores[ends].Close(within(t)); err != nil {
		t.Fatal(err)
	}
	if stores[ends], err = journal.Open(within(t), options[ends]); err != nil {
		t.Fatal(err)
	}
	if err := followTo(within(t), openJournal(t, stores[ends], "kept"), n); err != errSeen {
		t.Errorf("the node that is back: %v", err)
	}
}

var errSeen = errors.New("seen")

// followTo follows a journal of numbers and returns errSeen with the n-th.
func followTo(ctx context.Context, j *journal.Journal, n int) error {
	seen := 0
	return j.Follow(ctx, journal.Tail{}, func(b journal.Batch) error {
		if string(b.Data) != fmt.Sprint(seen) {
			return fmt.Errorf("%q follows %d", b.Data, seen-1)
		}
		if seen++; seen == n {
			return errSeen
		}
		return nil
	})
}

// A cluster without a secret would let anybody in.
func TestAClusterNeedsASecret(t *testing.T) {
	o := clusterOptions(t, 3)[0]
	o.Cluster.Secret = ""
	if _, err := journal.Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "secret") {
		t.Errorf("opened: %v", err)
	}
}

func BenchmarkThreeNodesAppend64KiB(b *testing.B) {
	stores := cluster(b, clusterOptions(b, 3))
	batch := make([]byte, 64<<10)
	b.SetBytes(int64(len(batch)))
	fill(b, openJournal(b, stores[0], "unit"), journal.Tail{}, batch, b.N, b.ResetTimer)
}
