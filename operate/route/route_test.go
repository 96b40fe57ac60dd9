package route

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestClientsReachThePrimary(t *testing.T) {
	west, east := pair(t)
	r := start(t, Options{Listen: []string{"127.0.0.1:0", "127.0.0.1:0"}}, west, east)
	mustDial(t, r).wants(t, "west") // it may have to wait for the first answers
	if at := r.Addrs(); len(at) != 2 || at[0] == at[1] {
		t.Errorf("listens on %v", at)
	}
}

// TestASwitchUnderLoad moves a group there and back under clients that dial all the
// time: none is refused, and each is with the primary in the end.
func TestASwitchUnderLoad(t *testing.T) {
	west, east := pair(t)
	r := start(t, Options{}, west, east)
	awaitActive(t, r, "west")
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	defer wait.Wait()
	defer cancel()
	var served [2]atomic.Int64 // dials that were answered by west and by east
	var refused atomic.Pointer[string]
	for range 16 {
		wait.Go(func() {
			for ctx.Err() == nil {
				location, err := visit(r)
				switch {
				case err != nil:
					why := err.Error()
					refused.Store(&why)
					return
				case location == "west":
					served[0].Add(1)
				default:
					served[1].Add(1)
				}
			}
		})
	}
	flowing := func(n *atomic.Int64) {
		t.Helper()
		before := n.Load()
		eventually(t, "clients are served", func() bool { return n.Load() > before+20 || refused.Load() != nil })
	}
	flowing(&served[0])
	for term := uint64(1); term < 5; term++ {
		from, to, n := west, east, &served[1]
		if term%2 == 0 {
			from, to, n = east, west, &served[0]
		}
		stays := mustDial(t, r)
		stays.wants(t, from.name)

		from.says(term, "halted")
		awaitActive(t, r, "")
		eventually(t, "new connections wait", func() bool { return len(r.waiting) == 16 || refused.Load() != nil })
		stays.wants(t, from.name) // it finishes what it has

		to.says(term+1, "primary")
		stays.isEnded(t)
		flowing(n)
		from.says(term+1, "secondary")
		flowing(n)
		awaitActive(t, r, to.name)
	}
	if why := refused.Load(); why != nil {
		t.Error("a client was refused:", *why)
	}
}

// visit dials, asks twice, and says goodbye.
func visit(r *Router) (location string, err error) {
	c, err := dial(r)
	if err != nil {
		return "", err
	}
	defer c.Close()
	answer, err := c.ask("hello")
	if err != nil {
		return "", fmt.Errorf("before the first answer: %w", err)
	}
	return strings.Fields(answer)[0], nil
}

func TestForcedPromotionClosesWhatIsLeft(t *testing.T) {
	west, east := pair(t)
	r := start(t, Options{}, west, east)
	old := mustDial(t, r)
	old.wants(t, "west")
	west.silence(true) // it still believes that it is primary, and can not be asked
	east.says(2, "primary")
	old.isEnded(t)
	mustDial(t, r).wants(t, "east")

	// Back in its old belief it gets nobody.
	west.silence(false)
	seen := west.asked()
	eventually(t, "west is asked again", func() bool { return west.asked() > seen+2 })
	mustDial(t, r).wants(t, "east")
}

func TestALocationThatCannotBeAskedKeepsItsClients(t *testing.T) {
	west, east := pair(t)
	r := start(t, Options{}, west, east)
	c := mustDial(t, r)
	c.wants(t, "west")
	west.silence(true)
	seen := west.asked()
	eventually(t, "west was asked in vain", func() bool { return west.asked() > seen+2 })
	c.wants(t, "west")
	mustDial(t, r).wants(t, "west")
}

func TestAnAbortedSwitchEndsNothing(t *testing.T) {
	west, east := pair(t)
	r := start(t, Options{}, west, east)
	c := mustDial(t, r)
	c.wants(t, "west")
	west.says(1, "halted")
	awaitActive(t, r, "")
	west.says(1, "primary")
	awaitActive(t, r, "west")
	c.wants(t, "west")
}

// TestBytesPassAsTheyAre sends what begins like TLS and is not, and a half-close.
func TestBytesPassAsTheyAre(t *testing.T) {
	west, _ := pair(t)
	mirror, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mirror.Close()
	go func() {
		conn, err := mirror.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		said, _ := io.ReadAll(conn) // ends with the client's half-close
		_, _ = conn.Write(said)
	}()
	l := west.location()
	l.Doors = []string{mirror.Addr().String()}
	r, err := New(Options{Listen: []string{"127.0.0.1:0"}, Locations: []Location{l}, Every: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	defer r.Stop(t.Context())
	sent := make([]byte, 1<<20)
	_, _ = rand.Read(sent)
	copy(sent, "\x16\x03\x01AMQP\x00\x01\x00\x00")
	c := mustDial(t, r)
	if _, err := c.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c.in); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back of %d, %v", len(got), len(sent), err)
	}
}

func TestPatienceEnds(t *testing.T) {
	west, east := pair(t)
	west.says(1, "halted")
	r := start(t, Options{Patience: 30 * time.Millisecond}, west, east)
	c := mustDial(t, r)
	began := time.Now()
	c.isEnded(t)
	if took := time.Since(began); took > limit/2 {
		t.Errorf("it took %s", took)
	}
}

// TestADoorThatIsClosedIsTriedAgain is a primary that restarts.
func TestADoorThatIsClosedIsTriedAgain(t *testing.T) {
	west, east := pair(t)
	address := west.door.Addr().String()
	west.door.Close()
	r := start(t, Options{}, west, east)
	c := mustDial(t, r)
	turn := r.turn.Load()
	eventually(t, "the door was tried", func() bool { return r.turn.Load() > turn+1 })
	door, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip("the port was taken by another program:", err)
	}
	defer door.Close()
	go func() {
		if conn, err := door.Accept(); err == nil {
			_, _ = io.WriteString(conn, "here again\n")
			conn.Close()
		}
	}()
	if got, err := c.in.ReadString('\n'); err != nil || got != "here again\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	west, east := pair(t)
	r := start(t, Options{ConnectionsMax: 2}, west, east)
	first, second := mustDial(t, r), mustDial(t, r)
	first.wants(t, "west")
	second.wants(t, "west")
	third := mustDial(t, r) // not refused: it waits
	if _, err := io.WriteString(third, "hello\n"); err != nil {
		t.Fatal(err)
	}
	first.wants(t, "west")
	if n := west.taken.Load(); n != 2 {
		t.Fatalf("%d connections were passed on", n)
	}
	first.Close()
	if got, err := third.in.ReadString('\n'); err != nil || got != "west hello\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestWaitingIsBounded(t *testing.T) {
	west, east := pair(t)
	west.says(1, "halted")
	r := start(t, Options{WaitingMax: 2}, west, east)
	awaitActive(t, r, "")
	var all []*client
	for range 5 {
		all = append(all, mustDial(t, r))
	}
	eventually(t, "two wait", func() bool { return len(r.waiting) == 2 && len(r.slots) == 3 })
	east.says(2, "primary")
	for _, c := range all {
		c.wants(t, "east")
	}
}

func TestStopEndsConnections(t *testing.T) {
	west, east := pair(t)
	r := start(t, Options{}, west, east)
	passed := mustDial(t, r)
	passed.wants(t, "west")
	west.says(1, "halted")
	awaitActive(t, r, "")
	waits := mustDial(t, r)
	eventually(t, "one waits", func() bool { return len(r.waiting) == 1 })
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	passed.isEnded(t)
	waits.isEnded(t)
}

// TestAnotherMachineDoesNotPassForThisOne: locations trust their own machine more.
func TestAnotherMachineDoesNotPassForThisOne(t *testing.T) {
	west, east := pair(t)
	r, err := New(Options{Listen: []string{":0"}, Locations: []Location{west.location(), east.location()}})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("started: %v", err)
		r.Stop(t.Context())
	}
}

func TestNodesAreAskedInTurn(t *testing.T) {
	west, east := pair(t)
	other := newFake(t, "west")
	other.says(1, "primary")
	l := west.location()
	l.Admin = []string{"http://127.0.0.1:1", west.admin.URL, other.admin.URL}
	r, err := New(Options{Listen: []string{"127.0.0.1:0"}, Locations: []Location{l, east.location()}, Every: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	defer r.Stop(t.Context())
	awaitActive(t, r, "west")
	west.silence(true)
	other.says(3, "primary") // what only this node can tell
	eventually(t, "the other node is asked", func() bool { _, term, _ := r.Active(); return term == 3 })

	// A node that lags behind what others say is left for another.
	east.says(4, "secondary")
	west.silence(false)
	west.says(5, "primary")
	eventually(t, "the node that knows is asked", func() bool { _, term, _ := r.Active(); return term == 5 })
}

func TestAnswersThatAreNotBelieved(t *testing.T) {
	west, east := pair(t)
	for name, change := range map[string]func(l *Location){
		"another location":  func(l *Location) { l.Admin = []string{east.admin.URL} },
		"a wrong token":     func(l *Location) { l.Token = "guessed" },
		"not a location":    func(l *Location) { l.Admin = []string{west.admin.URL + "/somewhere"} },
		"nobody is at home": func(l *Location) { l.Admin = []string{"http://127.0.0.1:1"} },
	} {
		t.Run(name, func(t *testing.T) {
			l := west.location()
			change(&l)
			r, err := New(Options{Locations: []Location{l}, Listen: []string{"127.0.0.1:0"}})
			if err != nil {
				t.Fatal(err)
			}
			if said, err := r.places[0].round(t.Context()); err == nil {
				t.Errorf("believed: %v", said)
			}
		})
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	good := Location{Name: "west", Admin: []string{"https://west:8443"}, Doors: []string{"west:5671"}}
	with := func(change func(l *Location)) []Location { l := good; change(&l); return []Location{l} }
	listen := []string{"127.0.0.1:0"}
	for want, o := range map[string]Options{
		"something to do":     {Locations: []Location{good}},
		"needs the locations": {Listen: listen},
		"given twice":         {Listen: listen, Locations: []Location{good, good}},
		"the name it gives":   {Listen: listen, Locations: with(func(l *Location) { l.Name = "" })},
		"needs the URL":       {Listen: listen, Locations: with(func(l *Location) { l.Admin = nil })},
		"is no HTTP door":     {Listen: listen, Locations: with(func(l *Location) { l.Admin = []string{"west:8443"} })},
		"needs a door":        {Listen: listen, Locations: with(func(l *Location) { l.Doors = nil })},
		"is no door":          {Listen: listen, Locations: with(func(l *Location) { l.Doors = []string{"west"} })},
		"is no zone":          {Alias: Alias{Zone: "."}, Locations: []Location{good}},
		"whole seconds":       {Alias: Alias{Zone: "z.test", TTL: time.Millisecond}, Locations: []Location{good}},
		"HOST:PORT":           {Alias: Alias{Zone: "z.test", Listen: "here"}, Locations: []Location{good}},
		"not from them":       {Alias: Alias{Zone: "test"}, Locations: with(func(l *Location) { l.Public = []string{"west.test"} })},
		"neither an address":  {Alias: Alias{Zone: "z.test"}, Locations: with(func(l *Location) { l.Public = []string{"a..b"} })},
		"no name of a name":   {Alias: Alias{Zone: "z.test", Servers: []string{"=1.2.3.4"}}, Locations: []Location{good}},
		"no address of the":   {Alias: Alias{Zone: "z.test", Servers: []string{"ns1=x"}}, Locations: []Location{good}},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := New(Options{Listen: listen, Locations: []Location{good}}); err != nil {
		t.Error("good ones:", err)
	}
}
