package continuity

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"weir/internal/groups"
	"weir/kernel/ballot"
	"weir/kernel/fault"
	"weir/operate/continuity/core"
)

// How much a status asks others for.
type scope uint8

const (
	wholeLocation scope = iota // the nodes of the location that do the work
	withVoters                 // and the voters
	thisNode                   // nobody
)

// status is what this location knows.
func (g *group) status(ctx context.Context, ask scope) groups.Status {
	cfg, n := g.look()
	g.mu.Lock()
	reachable := g.peerSaid
	g.mu.Unlock()
	s := groups.Status{
		Name: cfg.name, Term: n.Term, Holder: n.Holder, Phase: n.Phase, Mode: cfg.mode, Peer: cfg.pairing.Peer,
		PeerReachable: reachable, Automatic: cfg.automatic, LastChange: n.Last, Units: []groups.Unit{},
		RTOSeconds: cfg.rto, RPOSeconds: cfg.rpo, Undecided: n.Phase == core.Parted || len(n.Tails) > 0,
	}
	if cfg.mode == "sync" {
		s.WhenAway = cfg.whenAway
	} else {
		s.LagBounds = &groups.Bounds{Messages: cfg.lagMessages, Bytes: cfg.lagBytes, Seconds: cfg.lagTime.Seconds()}
	}
	if isolated(n) {
		s.IsolatedUntil = &n.Isolated
	}
	primary := n.Holder == g.c.o.Location
	switch {
	case primary && n.Phase == core.None:
		s.Standing = groups.Primary
		if s.Undecided {
			s.Advice = "This location has messages or settlements in old journals, from before it was promoted, that are not decided about. \"weir salvage\" goes on with them."
		}
	case n.Phase == core.Parted:
		s.Standing = groups.Salvage
		s.Advice = "This location has messages or settlements that the primary does not have. \"weir salvage\" lists them, brings them back, or leaves them; then this location follows."
	case !primary && len(n.Tails) > 0:
		s.Standing = groups.Salvage
		s.Advice = "This location follows the primary, and has messages or settlements from before that are not decided about. \"weir salvage\" goes on with them."
	case primary || n.Term == 0:
		s.Standing = groups.Halted
	default:
		s.Standing = groups.Secondary
	}
	for unit := range n.Units {
		s.Units = append(s.Units, g.unitStatus(ctx, unit, primary, ask))
	}
	sort.Slice(s.Units, func(i, j int) bool { return s.Units[i].Unit < s.Units[j].Unit })
	if primary {
		s.PeerReachable = len(s.Units) > 0 && !slices.ContainsFunc(s.Units, func(u groups.Unit) bool { return !u.Connected })
	}
	if polls := g.polls(cfg); ask == withVoters && polls != nil {
		for _, r := range polls.Look(ctx).Replies {
			v := groups.Voter{Name: r.Name, Reachable: r.Err == nil, Term: r.Answer.Term, Holder: r.Answer.Holder}
			if r.Err != nil {
				v.Error = r.Err.Error()
			}
			s.Voters = append(s.Voters, v)
		}
	}
	return s
}

// colleagueWithin bounds the question to another node.
const colleagueWithin = time.Second

// colleague asks the node that holds a unit's lease, when that is another one: only it
// knows about the link.
func (g *group) colleague(ctx context.Context, unit string) (groups.Unit, bool) {
	node, address, held := g.c.o.Holder(ctx, unit)
	if !held || node == g.c.o.Node {
		return groups.Unit{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, colleagueWithin)
	defer cancel()
	there := groups.Location{Name: g.c.o.Location, Admin: []string{"http://" + node}, Client: &http.Client{Transport: g.c.o.Colleague(address)}}
	var s groups.Status
	err := there.Do(ctx, http.MethodGet, groups.Path+"/"+g.name+"?here=true", nil, &s)
	for _, u := range s.Units {
		if u.Unit == unit {
			return u, true
		}
	}
	return groups.Unit{Unit: unit, Reason: fmt.Sprintf("the node %s, which keeps it, does not say how it is: %v", node, err)}, true
}

func (g *group) unitStatus(ctx context.Context, unit string, primary bool, ask scope) groups.Unit {
	if ask != thisNode {
		if u, elsewhere := g.colleague(ctx, unit); elsewhere {
			return u
		}
	}
	m, ok := g.c.o.Members(unit)
	if !ok {
		return groups.Unit{Unit: unit, Reason: "it is not open here yet"}
	}
	u := groups.Unit{Unit: unit, Role: m.Unit.RoleName(), Ready: m.Unit.Ready() == nil, Position: uint64(m.Unit.Position())}
	if primary {
		lag := m.Sender.Lag()
		u.PeerPosition, u.LagMessages, u.LagBytes, u.LagSeconds = uint64(lag.Acked), lag.Messages, lag.Bytes, lag.Time.Seconds()
		u.Connected, u.Degraded = lag.Connected, lag.Degraded
		return u
	}
	if whole, _, err := m.Unit.Whole(ctx); err == nil && !whole {
		u.Partial = true
	}
	r := m.Receiver.State()
	u.PeerPosition, u.LagMessages, u.LagBytes, u.LagSeconds = uint64(r.PrimaryEnd), r.Lag.Messages, r.Lag.Bytes, r.Lag.Time.Seconds()
	u.Connected, u.Reason = r.Connected, r.Reason
	return u
}

type errorBody struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

const bodyBytesMax = 1 << 20

// Handler answers administrators, below /continuity/. refuse writes a fault.
func (c *Controller) Handler(refuse func(http.ResponseWriter, *http.Request, error)) http.Handler {
	mux := http.NewServeMux()
	answer := func(pattern string, fn func(r *http.Request, g *group, body map[string]any) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			g, err := c.group(r.PathValue("group"))
			var body map[string]any
			if err == nil {
				body, err = readBody(w, r)
			}
			var result any
			if err == nil {
				result, err = fn(r, g, body)
			}
			if err != nil {
				refuse(w, r, err)
				return
			}
			writeJSON(w, result)
		})
	}
	mux.HandleFunc("GET /continuity/groups", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, c.list(r.Context())) })
	answer("GET /continuity/groups/{group}", func(r *http.Request, g *group, _ map[string]any) (any, error) {
		if r.URL.Query().Get("here") != "" {
			return g.status(r.Context(), thisNode), nil
		}
		return g.status(r.Context(), withVoters), nil
	})
	answer("POST /continuity/groups/{group}/switch", func(r *http.Request, g *group, body map[string]any) (any, error) {
		to, _ := body["to"].(string)
		return c.Switch(r.Context(), g.name, to)
	})
	answer("POST /continuity/groups/{group}/promote", func(r *http.Request, g *group, body map[string]any) (any, error) {
		force, _ := body["force"].(bool)
		dryRun, _ := body["dryRun"].(bool)
		change, votes, err := c.Promote(r.Context(), g.name, force, dryRun)
		if dryRun {
			return map[string]any{"expectedLoss": change.ExpectedLoss, "votes": votes}, err
		}
		return change, err
	})
	answer("POST /continuity/groups/{group}/isolate", func(r *http.Request, g *group, body map[string]any) (any, error) {
		seconds, ok := body["seconds"].(float64)
		if !ok {
			return nil, fault.New(fault.Invalid, "Say for how long: {\"seconds\": 30}; 0 ends it.")
		}
		until, err := c.Isolate(r.Context(), g.name, time.Duration(seconds*float64(time.Second)))
		return map[string]any{"until": until}, err
	})
	answer("GET /continuity/groups/{group}/salvage", func(r *http.Request, g *group, _ map[string]any) (any, error) {
		rows, err := strconv.Atoi(cmp.Or(r.URL.Query().Get("rows"), "0"))
		if err != nil || rows < 0 {
			return nil, fault.New(fault.Invalid, "rows is how many rows to show, at most %d.", tailRowsMax)
		}
		return c.Tail(r.Context(), g.name, rows)
	})
	answer("POST /continuity/groups/{group}/salvage", func(r *http.Request, g *group, body map[string]any) (any, error) {
		choice, _ := body["choice"].(string)
		resent, _ := body["resent"].(bool)
		return c.Salvage(r.Context(), g.name, choice, resent)
	})
	answer("POST /continuity/groups/{group}/rejoin", func(r *http.Request, g *group, body map[string]any) (any, error) {
		discard, _ := body["discard"].(bool)
		return c.Rejoin(r.Context(), g.name, discard)
	})
	return mux
}

// list is the status of all groups, without asking the voters.
func (c *Controller) list(ctx context.Context) any {
	c.mu.Lock()
	var all []*group
	for _, g := range c.groups {
		all = append(all, g)
	}
	c.mu.Unlock()
	value := []groups.Status{}
	for _, g := range all {
		value = append(value, g.status(ctx, wholeLocation))
	}
	sort.Slice(value, func(i, j int) bool { return value[i].Name < value[j].Name })
	return map[string]any{"location": c.o.Location, "node": c.o.Node, "value": value}
}

// PeerHandler answers the other location, which has proved a pairing.
func (c *Controller) PeerHandler(peer string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle(peerBallot, ballot.Handler(ownVoter{c, c.o.Votes}, string(c.Secret(peer))))
	answer := func(pattern string, fn func(r *http.Request, g *group, body []byte) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			g, err := c.group(r.PathValue("group"))
			var body []byte
			if err == nil {
				body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, bringBodyMax))
			}
			if cfg := (config{}); err == nil {
				if cfg, _ = g.look(); cfg.pairing.Peer != peer {
					err = fault.New(fault.Forbidden, "The group %s is not shared with %s.", cfg.name, peer)
				}
			}
			if err == nil {
				err = g.apart()
			}
			var result any
			if err == nil {
				result, err = fn(r, g, body)
			}
			if err != nil {
				var b errorBody
				b.Error.Code, b.Error.Message = "Refused", fault.Sentence(err)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(http.StatusConflict)
				_ = json.NewEncoder(w).Encode(b)
				return
			}
			writeJSON(w, result)
		})
	}
	root := peerRoot + "groups/{group}"
	answer("GET "+root, func(r *http.Request, g *group, _ []byte) (any, error) {
		return g.status(r.Context(), wholeLocation), nil
	})
	answer("GET "+root+"/documents", func(r *http.Request, g *group, _ []byte) (any, error) {
		cfg, _ := g.look()
		return g.ownDocuments(r.Context(), cfg)
	})
	answer("POST "+root+"/switch", func(r *http.Request, g *group, body []byte) (any, error) {
		var order struct{ To string }
		if err := json.Unmarshal(body, &order); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "The order is not understood.")
		}
		if _, n := g.look(); n.Holder != c.o.Location {
			return nil, fault.New(fault.Conflict, "%s does not have the group %s either: in its view %s does.", c.o.Location, g.name, n.Holder) // it would ask back
		}
		return c.Switch(r.Context(), g.name, order.To)
	})
	answer("POST "+root+"/decline", func(r *http.Request, g *group, body []byte) (any, error) {
		var order declineOrder
		if err := json.Unmarshal(body, &order); err != nil || order.Term == 0 {
			return nil, fault.New(fault.Invalid, "The order is not understood.")
		}
		return nil, g.decline(r.Context(), order.Term)
	})
	answer("POST "+root+"/stands", func(r *http.Request, g *group, body []byte) (any, error) {
		var q standsQuestion
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "The question is not understood.")
		}
		return g.stands(r.Context(), q)
	})
	answer("POST "+root+"/carry", func(_ *http.Request, g *group, body []byte) (any, error) {
		var order carryOrder
		if err := json.Unmarshal(body, &order); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "The order is not understood.")
		}
		return nil, g.carryForward(order)
	})
	answer("POST "+root+"/salvage", func(r *http.Request, g *group, body []byte) (any, error) {
		var order bringOrder
		if err := json.Unmarshal(body, &order); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "The rows are not understood.")
		}
		return g.bring(r.Context(), order)
	})
	answer("POST "+root+"/ready", func(r *http.Request, g *group, body []byte) (any, error) {
		var ends marks
		if err := json.Unmarshal(body, &ends); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "The marks are not understood.")
		}
		ctx, cancel := context.WithTimeout(r.Context(), switchLimit/2)
		defer cancel()
		return nil, g.ready(ctx, ends)
	})
	answer("POST "+root+"/take", func(r *http.Request, g *group, body []byte) (any, error) {
		var change groups.Change
		if err := json.Unmarshal(body, &change); err != nil || change.Term == 0 {
			return nil, fault.New(fault.Invalid, "The change is not understood.")
		}
		ctx, cancel := context.WithTimeout(r.Context(), switchLimit/2)
		defer cancel()
		cfg, n := g.look()
		return nil, core.Taken(g.hands(ctx), g.coreOf(cfg), n, change)
	})
	return mux
}

func readBody(w http.ResponseWriter, r *http.Request) (map[string]any, error) {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if err != nil || len(strings.TrimSpace(string(data))) == 0 {
		return nil, err
	}
	var body map[string]any
	if err := json.Unmarshal(data, &body); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "The body must be a JSON object.")
	}
	return body, nil
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if v == nil {
		v = struct{}{}
	}
	_ = json.NewEncoder(w).Encode(v)
}
