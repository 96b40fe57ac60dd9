package continuity

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"weir/internal/groups"
	"weir/kernel/fault"
	"weir/kernel/journal"
	"weir/kernel/resource"
	"weir/operate/continuity/core"
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

// ahead looks at the other location, when that is due, and does what there is to do next:
// one step after another while what was heard has news.
func (g *group) ahead(ctx context.Context, cfg config) error {
	v, err := g.view(ctx, cfg)
	for range stepsMax {
		s := core.Next(g.coreOf(cfg), v)
		if s.Do == core.Nothing {
			if v.Note.Holder == g.c.o.Location {
				return nil // not to be heard is nothing new: the voters say whether it may go on
			}
			return err
		}
		if err := g.do(ctx, cfg, v, s); err != nil || s.Do == core.Copying || s.Do == core.TakeOver {
			return err
		}
		v.Doubt = 0
		_, v.Note = g.look()
	}
	return nil
}

// stepsMax bounds what is done after one look.
const stepsMax = 4

// view is what this node knows, having asked the other location if that is due.
func (g *group) view(ctx context.Context, cfg config) (v core.View, err error) {
	v = core.View{Doubt: g.doubt.Load(), Copies: g.copies(cfg)}
	if v.Idle = g.changing.TryLock(); v.Idle {
		g.changing.Unlock()
	}
	if time.Since(g.probed) >= cfg.probeEvery {
		v.Asked, g.probed = true, time.Now()
		v.Said, err = g.probe(ctx, cfg)
		v.Failed = g.probes
	}
	g.mu.Lock()
	v.Late = time.Since(g.phased) > handOverLimit
	g.mu.Unlock()
	_, v.Note = g.look() // as it is after the probe, which took a while
	return v, err
}

// probe asks the other location how it stands; nil: it did not answer.
func (g *group) probe(ctx context.Context, cfg config) (*groups.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.probeEvery)
	defer cancel()
	var said groups.Status
	err := g.ask(ctx, cfg, http.MethodGet, "", nil, &said)
	g.mu.Lock()
	g.peer, g.peerSaid = said, err == nil
	g.mu.Unlock()
	if err != nil {
		g.probes++
		return nil, err
	}
	g.probes = 0
	return &said, nil
}

// do does a step.
func (g *group) do(ctx context.Context, cfg config, v core.View, s core.Step) error {
	if s.Do == core.Copying {
		ctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		return g.copyDocuments(ctx, cfg, false)
	}
	g.announce(v, s)
	switch s.Do {
	case core.Undo, core.CallOff, core.Outbid, core.TakeOver:
		if !g.changing.TryLock() {
			return nil
		}
		defer g.changing.Unlock()
	}
	if s.Do == core.TakeOver {
		g.takeOver(ctx, cfg, v.Note)
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return core.Do(g.hands(ctx), g.coreOf(cfg), v, s)
}

// announce logs a step, once when it is tried again and again.
func (g *group) announce(v core.View, s core.Step) {
	what := fmt.Sprintf("%s %d %d %s", s.Do, v.Note.Term, s.Term, s.Unit)
	if what == g.announced {
		return
	}
	g.announced = what
	if s.Do == core.Part {
		g.c.log.Error("this location has records that the primary does not have; it copies nothing until somebody decides about them", "group", g.name, "unit", s.Unit)
		return
	}
	g.c.log.Warn("a continuity group has something to do: "+string(s.Do), "group", g.name, "term", v.Note.Term, "phase", v.Note.Phase, "other", s.Term)
}

// carryOrder asks the primary to record again what a copy that began with a snapshot
// lacks.
type carryOrder struct {
	Unit string           `json:"unit"`
	At   journal.Position `json:"at"` // everything live up to here
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

// takeOver promotes this location because the primary does not answer, if a majority
// of the voters has not heard of it either.
func (g *group) takeOver(ctx context.Context, cfg config, n note) {
	err := core.MayTakeOver(n)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, switchLimit)
		defer cancel()
		_, err = core.Promote(g.hands(ctx), g.coreOf(cfg), n, "automatic", false)
	}
	if err != nil {
		g.c.log.Info("the primary does not answer, and this location does not take over", "group", cfg.name, "reason", fault.Sentence(err))
	}
}

// declared is what a location declares about the units of a group.
type declared struct {
	Revision  uint64              `json:"revision"`
	Documents []resource.Document `json:"documents"`
}

// ownDocuments reads what this location declares about the units, and what moves with
// them: who may do what.
func (g *group) ownDocuments(ctx context.Context, cfg config) (declared, error) {
	all, err := g.ownUnits(ctx, cfg)
	for _, scope := range cfg.access {
		if err != nil {
			break
		}
		var docs []resource.Document
		docs, all.Revision, err = g.c.o.Registry.ListUnder(ctx, scope, "")
		for _, d := range docs {
			if g.c.access(cfg, d.ID) {
				all.Documents = append(all.Documents, d)
			}
		}
	}
	return all, err
}

// access reports whether a resource says who may do what in a scope that moves with a
// group, and is no part of a unit of it.
func (c *Controller) access(cfg config, id resource.ID) bool {
	in := func(scope resource.ID) bool { return scope.Contains(id) }
	moved := func(unit resource.ID) bool { return c.covers(unit, id) }
	return c.o.Access != nil && c.o.Access(id.Type()) && slices.ContainsFunc(cfg.access, in) && !slices.ContainsFunc(cfg.units, moved)
}

// covers reports whether what is declared as id moves with a unit.
func (c *Controller) covers(unit, id resource.ID) bool {
	if c.o.Covers == nil {
		return unit.Contains(id)
	}
	return c.o.Covers(unit, id)
}

func (g *group) ownUnits(ctx context.Context, cfg config) (declared, error) {
	var all declared
	for _, id := range cfg.units {
		if g.c.covers(id, id) { // it has a document of its own
			doc, err := g.c.o.Registry.Get(ctx, id)
			if err != nil {
				return all, err
			}
			all.Documents = append(all.Documents, doc)
		}
		under, revision, err := g.c.o.Registry.ListUnder(ctx, id, "")
		if err != nil {
			return all, err
		}
		all.Revision = revision
		for _, d := range under {
			if !d.ID.Equal(id) && g.c.covers(id, d.ID) {
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
		if _, err := g.c.o.Registry.Put(ctx, d, resource.Condition{AsIs: true}); err != nil {
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
