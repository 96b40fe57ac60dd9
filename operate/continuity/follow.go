package continuity

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"weir/internal/groups"
	"weir/kernel/ballot"
	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/kernel/resource"
)

// Paths that the other location asks.
const (
	peerRoot   = "/continuity/peer/"
	peerBallot = peerRoot + "ballot"
)

// ask asks the other location.
func (g *group) ask(ctx context.Context, cfg config, method, verb string, body, result any) error {
	return g.askOwner(ctx, cfg, "", method, verb, body, result)
}

// askOwner asks the node of the other location that owns a unit.
func (g *group) askOwner(ctx context.Context, cfg config, unit, method, verb string, body, result any) error {
	if err := g.apart(); err != nil {
		return err
	}
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	url := "http://" + cfg.pairing.Peer + peerRoot + "groups/" + cfg.name + verb
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	resp, err := g.c.clientOf(cfg.pairing, unit).Do(r)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "The location %s could not be reached.", cfg.pairing.Peer)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, answerBytesMax))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		var refused errorBody
		_ = json.Unmarshal(answer, &refused) // anything else has no message
		return fault.New(fault.Conflict, "The location %s refused: %s (status %d).", cfg.pairing.Peer, refused.Error.Message, resp.StatusCode)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(answer, result)
}

const answerBytesMax = 64 << 20

// heedPeer has the primary look at the other location, which may have been promoted
// without it.
func (g *group) heedPeer(ctx context.Context, cfg config, n note) {
	if time.Since(g.probed) < probeEvery {
		return
	}
	g.probed = time.Now()
	var said groups.Status
	probe, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	if err := g.ask(probe, cfg, http.MethodGet, "", nil, &said); err != nil || said.Term <= n.Term || said.Holder != cfg.pairing.Peer {
		return // not to be heard is nothing new: the voters say whether this location may go on
	}
	_ = g.deposed(ctx, &ballot.Deposed{Term: said.Term, Holder: said.Holder}) // else it is tried again
}

// followPeer looks at the primary: its term, its documents, whether it is there.
func (g *group) followPeer(ctx context.Context, cfg config, n note) error {
	if time.Since(g.probed) < probeEvery {
		return nil
	}
	g.probed = time.Now()
	var said groups.Status
	probe, cancel := context.WithTimeout(ctx, probeWithin)
	err := g.ask(probe, cfg, http.MethodGet, "", nil, &said)
	cancel()
	g.mu.Lock()
	g.peer, g.peerSaid = said, err == nil
	g.mu.Unlock()
	if err != nil {
		g.probes++
		if cfg.automatic && g.probes >= cfg.failedProbes {
			g.takeOver(ctx, cfg, n)
		}
		return err
	}
	g.probes = 0
	if said.Holder == g.c.o.Location && said.Term > n.Term {
		return g.claim(ctx, cfg, said.Term)
	}
	if said.Holder != cfg.pairing.Peer || said.Standing != groups.Primary {
		return nil
	}
	if said.Term > n.Term {
		if n, err = g.change(ctx, func(n *note) bool {
			if n.Term >= said.Term {
				return false
			}
			n.Term, n.Holder, n.Phase = said.Term, said.Holder, phaseNone
			return true
		}); err != nil {
			return err
		}
	}
	g.noteFork(ctx, n)
	bounded, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return g.copyDocuments(bounded, cfg, false)
}

// noteFork marks the group as parted when the link of a unit says so.
func (g *group) noteFork(ctx context.Context, n note) {
	if n.Phase != phaseNone {
		return
	}
	for unit := range n.Units {
		m, ok := g.c.o.Members(unit)
		if !ok || m.Receiver.State().Refused != "fork" {
			continue
		}
		g.c.log.Error("this location has records that the primary does not have; it copies nothing until somebody decides about them", "unit", unit, "position", m.Unit.Position())
		_, err := g.change(ctx, func(now *note) bool {
			if now.Term != n.Term || now.Phase != phaseNone {
				return false
			}
			now.Phase = phaseParted
			return true
		})
		if err != nil {
			g.c.log.Error("that could not be noted", "error", err)
		}
		return
	}
}

// carryOrder asks the primary to record again what a copy that began with a snapshot
// lacks.
type carryOrder struct {
	Unit string           `json:"unit"`
	At   journal.Position `json:"at"` // everything live up to here
}

// noteCaught marks copies that have come to the primary's end for the first time and are
// whole, and asks for what those lack that are not.
func (g *group) noteCaught(ctx context.Context, cfg config, n note) {
	for unit, u := range n.Units {
		m, ok := g.c.o.Members(unit)
		if !ok || u.Caught || m.Generation != u.Generation {
			continue
		}
		if r := m.Receiver.State(); r.PrimaryEnd == 0 || r.Mark.At < r.PrimaryEnd || m.Unit.Position() < r.Mark.At {
			continue // by the primary's last word, also when it is gone since
		}
		whole, first, err := m.Unit.Whole(ctx)
		if err == nil && !whole {
			err = g.askOwner(ctx, cfg, unit, http.MethodPost, "/carry", carryOrder{unit, first - 1}, nil)
		} else if err == nil {
			_, err = g.change(ctx, func(now *note) bool {
				if now.Units[unit] != u {
					return false
				}
				now.Units[unit] = unitNote{Generation: u.Generation, Caught: true}
				return true
			})
		}
		if err != nil && ctx.Err() == nil {
			g.c.log.Debug("whether a copy is complete could not be settled", "unit", unit, "error", err)
		}
	}
}

// carryForward answers the order.
func (g *group) carryForward(o carryOrder) error {
	_, n := g.look()
	m, ok := g.c.o.Members(o.Unit)
	if _, in := n.Units[o.Unit]; !in || !ok || n.Holder != g.c.o.Location {
		return fault.New(fault.Conflict, "%s does not have %s at the moment.", g.c.o.Location, o.Unit)
	}
	m.Unit.CarryBehind(o.At)
	return nil
}

// partial names a unit whose copy here is not whole; "": all are.
func (g *group) partial(ctx context.Context, n note) string {
	for unit := range n.Units {
		if m, ok := g.c.o.Members(unit); ok {
			if whole, _, err := m.Unit.Whole(ctx); err != nil || !whole {
				return unit
			}
		}
	}
	return ""
}

// takeOver promotes this location because the primary does not answer, if a majority
// of the voters has not heard of it either.
func (g *group) takeOver(ctx context.Context, cfg config, n note) {
	if !g.changing.TryLock() {
		return
	}
	defer g.changing.Unlock()
	if n.Phase != phaseNone || n.Term == 0 {
		return
	}
	for unit, u := range n.Units {
		if !u.Caught {
			g.c.log.Warn("the primary does not answer, and this location does not take over by itself: its copy was never complete. \"weir failover\" says what would be lost", "group", cfg.name, "unit", unit)
			return
		}
	}
	if _, err := g.promote(ctx, cfg, n, "automatic", false); err != nil {
		g.c.log.Info("the primary does not answer, and this location does not take over", "group", cfg.name, "reason", fault.Sentence(err))
	}
}

// claim takes a term that the primary has passed on to here, when its own call to do
// so was lost.
func (g *group) claim(ctx context.Context, cfg config, term uint64) error {
	if polls := g.polls(cfg); polls != nil {
		if r, err := polls.Acquire(ctx, term); err != nil {
			return fmt.Errorf("claim term %d: %w", r.Term, err)
		}
	}
	_, err := g.take(ctx, term, groups.Change{Kind: "switch", From: cfg.pairing.Peer, To: g.c.o.Location, Term: term, At: time.Now()}, nil)
	return err
}

// take makes this location the holder of a term. began is about where its journals end
// when the other location does not take part.
func (g *group) take(ctx context.Context, term uint64, change groups.Change, began map[string]journal.Mark) (note, error) {
	return g.change(ctx, func(n *note) bool {
		if n.Term >= term {
			return false
		}
		n.Term, n.Holder, n.Phase, n.Last, n.Began = term, g.c.o.Location, phaseNone, &change, began
		for unit, u := range n.Units {
			u.Caught = true
			n.Units[unit] = u
		}
		return true
	})
}

// declared is what a location declares about the units of a group.
type declared struct {
	Revision  uint64              `json:"revision"`
	Documents []resource.Document `json:"documents"`
}

// documents reads what this location declares about the units.
func (g *group) ownDocuments(ctx context.Context, cfg config) (declared, error) {
	var all declared
	for _, id := range cfg.units {
		doc, err := g.c.o.Registry.Get(ctx, id)
		if err != nil {
			return all, err
		}
		under, revision, err := g.c.o.Registry.ListUnder(ctx, id, "")
		if err != nil {
			return all, err
		}
		all.Revision = revision
		all.Documents = append(all.Documents, doc)
		for _, d := range under {
			if !d.ID.Equal(id) {
				all.Documents = append(all.Documents, d)
			}
		}
	}
	return all, nil
}

// copyDocuments makes what is declared here about the units the same as in the
// primary; all of it, or when something has changed there.
func (g *group) copyDocuments(ctx context.Context, cfg config, all bool) error {
	g.copying.Lock()
	defer g.copying.Unlock()
	if all {
		g.documents = 0
	}
	var there declared
	if err := g.ask(ctx, cfg, http.MethodGet, fmt.Sprintf("/documents?since=%d", g.documents), nil, &there); err != nil {
		return err
	}
	if there.Revision == g.documents {
		return nil
	}
	wanted := map[string]bool{}
	for _, d := range there.Documents {
		wanted[d.ID.Key()] = true
		have, err := g.c.o.Registry.Get(ctx, d.ID)
		if err == nil && same(have, d) {
			continue
		}
		if err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
		if _, err := g.c.o.Registry.Put(ctx, d, resource.Condition{}); err != nil {
			return fmt.Errorf("copy the declaration of %s: %w", d.ID, err)
		}
	}
	here, err := g.ownDocuments(ctx, cfg)
	if err != nil {
		return err
	}
	for i := len(here.Documents) - 1; i >= 0; i-- {
		if id := here.Documents[i].ID; !wanted[id.Key()] {
			if err := g.c.o.Registry.Delete(ctx, id, resource.Condition{}); err != nil && !fault.Is(err, fault.NotFound) {
				return fmt.Errorf("remove %s, which %s does not declare: %w", id, cfg.pairing.Peer, err)
			}
		}
	}
	g.documents = there.Revision
	return nil
}

// same compares what was declared.
func same(a, b resource.Document) bool {
	return compact(a) == compact(b)
}

func compact(d resource.Document) string {
	text, err := json.Marshal(struct {
		Properties, Tags, SKU any
		Location              string
	}{d.Properties, d.Tags, d.SKU, d.Location})
	if err != nil {
		return err.Error()
	}
	return string(text)
}
