package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"weir/internal/hop"
	"weir/kernel/ballot"
	"weir/kernel/journal"
	"weir/kernel/link"
	"weir/kernel/replica"
	"weir/kernel/resource"
	"weir/kernel/resource/access"
	"weir/operate/continuity"
)

// members are the units on this node with what ties them to another location.
type members struct {
	mu     sync.Mutex
	byName map[string]*member
}

// member is one of them.
type member struct {
	continuity.Member
	unit *replica.Unit
	log  *linkLog
}

func (m *members) get(unit string) *member {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.byName[unit]
}

// put takes the place of a member whose unit has ended.
func (m *members) put(unit string, one *member) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byName == nil {
		m.byName = map[string]*member{}
	}
	if before := m.byName[unit]; before != nil {
		before.log.close()
	}
	m.byName[unit] = one
}

// leases tells which leases are free: given back, or held by a node that has not
// renewed it for as long as was agreed.
type leases struct {
	*journal.Leases
	timeout time.Duration

	mu   sync.Mutex
	seen map[string]seenLease
}

// seenLease is a revision of a lease, and since when it is the newest.
type seenLease struct {
	revision uint64
	since    time.Time
}

// free reports whether no node holds a unit's lease. Of a node that died it says so
// only when it was asked before and a time-out has gone by. What is free is written as
// free: a reading may be old, and a node that only stood still could renew what it had.
func (l *leases) free(ctx context.Context, unit string) (bool, error) {
	lease, held, err := l.Get(ctx, unit)
	if err != nil || held && lease.Node != "" && !l.lapsed(unit, lease) {
		return false, err
	}
	lease.Unit = unit
	err = l.Release(ctx, lease)
	if errors.Is(err, journal.ErrLeaseChanged) {
		return false, nil
	}
	return err == nil, err
}

// lapsed reports whether a lease was not renewed for a time-out.
func (l *leases) lapsed(unit string, lease journal.Lease) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seen := l.seen[unit]; seen.revision == lease.Revision {
		return time.Since(seen.since) >= l.timeout
	}
	if l.seen == nil {
		l.seen = map[string]seenLease{}
	}
	l.seen[unit] = seenLease{lease.Revision, time.Now()}
	return false
}

// notesBucket keeps the notes of continuity groups, votesBucket the location's votes.
const (
	notesBucket = "continuity"
	votesBucket = "ballots"
)

// votes keeps ballots among the location's notes.
type votes struct{ *journal.Notes }

func (v votes) Load(ctx context.Context, group string) ([]byte, uint64, error) {
	return v.Get(ctx, group)
}

func (v votes) Save(ctx context.Context, group string, data []byte, version uint64) (uint64, error) {
	version, err := v.Put(ctx, group, data, version)
	if errors.Is(err, journal.ErrNoteChanged) {
		err = ballot.ErrChanged
	}
	return version, err
}

// openContinuity builds the controller of continuity groups; units that are opened
// from now on know where they stand.
func (p *Platform) openContinuity(ctx context.Context) error {
	ballots, err := p.store.Notes(ctx, votesBucket)
	if err != nil {
		return err
	}
	notes, err := p.store.Notes(ctx, notesBucket)
	if err != nil {
		return err
	}
	held, err := p.store.Leases(ctx)
	if err != nil {
		return err
	}
	leases := &leases{Leases: held, timeout: p.o.LeaseTimeout}
	p.notes = notes
	p.continuity = continuity.New(continuity.Options{
		Location: p.o.Location, Node: p.o.Node, Alone: p.o.ClusterListen == "" && p.o.NATS == "", Registry: p.registry, Notes: notes,
		Votes:    ballot.NewLocal(votes{ballots}),
		Access:   access.Concerns,
		UnitName: unitName, Covers: covers,
		Members: func(unit string) (continuity.Member, bool) {
			m := p.members.get(unit)
			if m == nil {
				return continuity.Member{}, false
			}
			return m.Member, true
		},
		Free: leases.free,
		Holder: func(ctx context.Context, unit string) (node, address string, held bool) {
			lease, found, err := leases.Get(ctx, unit)
			return lease.Node, lease.Address, err == nil && found && lease.Node != ""
		},
		Colleague: func(address string) http.RoundTripper { return ownRequests{hopTransport(address, p.secret)} },
		Seed:      p.store.Seed,
		Reopen:    p.reopen,
		History: func(ctx context.Context, unit string, generation int) (continuity.History, error) {
			return p.store.Journal(ctx, unit, generation)
		},
		Generations: p.store.Generations, Remove: p.store.Remove,
		Tail:   p.tail,
		Bring:  p.bring,
		Dir:    p.o.Data,
		Dial:   p.dialLocation,
		Logger: p.log.With("part", "continuity"),
	})
	close(p.paired)
	return nil
}

// startContinuity lets the controller look after the groups.
func (p *Platform) startContinuity(context.Context) error {
	p.continuity.Start()
	p.undo.push("continuity", p.continuity.Stop)
	return nil
}

// openMember opens a unit with what ties it to another location, standing as its
// group's note says: one that is in a group waits for the controller.
func (p *Platform) openMember(ctx context.Context, o replica.Options) (*replica.Unit, error) {
	groups, _, err := p.registry.ListUnder(ctx, resource.ID{}, continuity.TypeGroup)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, d := range groups {
		names = append(names, strings.ToLower(d.Name()))
	}
	generation, grouped, err := continuity.Placement(ctx, p.notes, names, o.Unit)
	if err != nil {
		return nil, err
	}
	m := &member{log: &linkLog{store: p.store, unit: o.Unit, generation: generation}}
	m.Permit, m.Generation = replica.NewPermit(!grouped), generation
	m.Sender = link.NewSender(link.SenderOptions{Unit: o.Unit, Location: p.o.Location, Log: m.log, Snapshots: m.log, Logger: p.log})
	m.Receiver = link.NewReceiver(link.ReceiverOptions{
		Unit: o.Unit, Location: p.o.Location, Logger: p.log,
		Dial:   func(ctx context.Context) (net.Conn, error) { return p.continuity.DialLink(ctx, o.Unit) },
		Term:   func() uint64 { return p.continuity.Term(o.Unit) },
		Seeded: func(ctx context.Context, s journal.Snapshot) error { return p.continuity.Seeded(ctx, o.Unit, s) },
	})
	o.Generation, o.Permit, o.Barrier, o.Source = generation, m.Permit, m.Sender, m.Receiver
	o.MayOwn = func(ctx context.Context) (bool, error) { return p.continuity.MayOwn(ctx, o.Unit) }
	if grouped {
		o.Standing.Mode = replica.Halted
	}
	if m.unit, err = replica.Open(ctx, p.store, o); err != nil {
		return nil, err
	}
	m.Unit = m.unit
	p.members.put(o.Unit, m)
	return m.unit, nil
}

// secretOf is what is shared with who dials a hop. Doors take connections from before
// the pairings are known: until then other locations are strangers.
func (p *Platform) secretOf(location string) []byte {
	if location == "" {
		return p.secret
	}
	select {
	case <-p.paired:
		return p.continuity.Secret(location)
	default:
		return nil
	}
}

// dialLocation opens a connection to a node of another location.
func (p *Platform) dialLocation(ctx context.Context, to continuity.Pairing, address, kind, unit string) (net.Conn, error) {
	about := introduction{Kind: hopHTTP, From: p.o.Node, Unit: unit}
	if kind == continuity.DialLink {
		about = introduction{Kind: hopLink, From: p.o.Node, Hops: 1, Unit: unit}
	}
	text, err := json.Marshal(about)
	if err != nil {
		return nil, err
	}
	return hop.Dial(ctx, address, p.o.Location, []byte(to.Secret), text)
}

// leaveLinkAfter is how long a link is served here when another node has the unit.
const leaveLinkAfter = 2 * time.Second

// leaveLink ends the link of a unit when another node of this location has had it for some
// time: only its owner can heed what the other location acknowledges.
func (p *Platform) leaveLink(ctx context.Context, u *replica.Unit, end context.CancelCauseFunc) {
	for ctx.Err() == nil {
		o, changed := u.Watch()
		var leave <-chan time.Time
		if !o.Self && o.Node != "" && o.Node != p.o.Node && o.Node != replica.ElsewhereNode {
			leave = time.After(leaveLinkAfter)
		}
		select {
		case <-changed:
		case <-leave:
			end(fmt.Errorf("%s has the unit now", o.Node))
			return
		case <-ctx.Done():
		}
	}
}

// takeLink serves the link of a unit to another location, or passes it on to the node
// that owns the unit.
func (p *Platform) takeLink(conn net.Conn, about introduction) {
	m := p.members.get(about.Unit)
	if m == nil {
		p.log.Info("another location asks for a unit that is not open here", "unit", about.Unit)
		conn.Close()
		return
	}
	if p.toOwner(conn, about) {
		return
	}
	release, err := p.continuity.Admit(about.Unit, conn)
	if err != nil {
		p.log.Debug("a link was refused", "unit", about.Unit, "error", err)
		conn.Close()
		return
	}
	defer release()
	ctx, cancel := context.WithCancelCause(p.life)
	defer cancel(nil)
	go p.leaveLink(ctx, m.unit, cancel)
	if err := m.Sender.Serve(ctx, conn); err != nil {
		p.log.Debug("a link ended", "unit", about.Unit, "error", err)
	}
}

// toOwner passes a connection about a unit on to the node of this location that owns it,
// unless that is this one, or nobody.
func (p *Platform) toOwner(conn net.Conn, about introduction) bool {
	m := p.members.get(about.Unit)
	if m == nil {
		return false
	}
	owner := m.unit.Ownership()
	if owner.Self || owner.Node == "" || owner.Node == p.o.Node || owner.Node == replica.ElsewhereNode || about.Hops >= hopsMost {
		return false
	}
	about.Hops++
	there, err := p.hop(p.life, owner.Address, about)
	if err != nil {
		p.log.Info("a connection about a unit could not be passed on", "unit", about.Unit, "to", owner.Address, "error", err)
		conn.Close()
		return true
	}
	hop.Join(p.life, conn, there)
	return true
}
