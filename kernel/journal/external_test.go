package journal_test

import (
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"weir/kernel/journal"
	"weir/kernel/journal/journaltest"
)

// external starts a NATS server that is not ours, on loopback.
func external(t *testing.T, dir string, port int) (*server.Server, int) {
	t.Helper()
	s, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true, SyncAlways: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("the external server does not start")
	}
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return s, s.Addr().(*net.TCPAddr).Port
}

func TestAnExternalClusterPassesTheSuite(t *testing.T) {
	s, _ := external(t, t.TempDir(), server.RANDOM_PORT)
	o := journal.Options{URL: s.ClientURL()}
	runSuite(t, openStore(t, o), openStore(t, o))
	t.Run("snapshots", func(t *testing.T) { journaltest.RunSnapshots(t, openSnapshots(t, openStore(t, o), "unit")) })
	t.Run("leases", func(t *testing.T) { runLeases(t, openStore(t, o), openStore(t, o)) })
}

// The external server goes away in the middle of appends and comes back: they
// succeed, late.
func TestAppendsOutliveARestartOfTheServer(t *testing.T) {
	dir := t.TempDir()
	s, port := external(t, dir, server.RANDOM_PORT)
	j := openJournal(t, openStore(t, journal.Options{URL: s.ClientURL(), AppendTimeout: time.Minute}), "unit")
	var under []*journal.Pending
	tail := journal.Tail{}
	for i := range 200 {
		if i == 100 {
			s.Shutdown()
			s.WaitForShutdown()
		}
		p := j.Append(t.Context(), tail, 1, fmt.Append(nil, i))
		tail = p.Next()
		under = append(under, p)
	}
	external(t, dir, port)
	for i, p := range under {
		if err := p.Wait(within(t)); err != nil {
			t.Fatalf("append %d: %v", i, err)
		}
	}
	if err := followTo(within(t), j, 200); err != errSeen {
		t.Error(err)
	}
}

// The server goes away for good: the outcome is unknown, for all that are chained.
func TestAppendsToASilentServerAreUnknown(t *testing.T) {
	s, _ := external(t, t.TempDir(), server.RANDOM_PORT)
	j := openJournal(t, openStore(t, journal.Options{URL: s.ClientURL(), AppendTimeout: 100 * time.Millisecond}), "unit")
	first := j.Append(t.Context(), journal.Tail{}, 1, []byte("stored"))
	if err := first.Wait(within(t)); err != nil {
		t.Fatal(err)
	}
	s.Shutdown()
	second := j.Append(t.Context(), first.Next(), 1, []byte("unknown"))
	third := j.Append(t.Context(), second.Next(), 1, []byte("unknown too"))
	for _, p := range []*journal.Pending{second, third} {
		if err := p.Wait(within(t)); !errors.Is(err, journal.ErrUnknown) {
			t.Errorf("append: %v", err)
		}
	}
}

func TestAnExternalClusterThatIsNotThere(t *testing.T) {
	s, port := external(t, t.TempDir(), server.RANDOM_PORT)
	s.Shutdown()
	if _, err := journal.Open(t.Context(), journal.Options{URL: fmt.Sprintf("nats://127.0.0.1:%d", port)}); err == nil {
		t.Error("opened a store on nothing")
	}
}
