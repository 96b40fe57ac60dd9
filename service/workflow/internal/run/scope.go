package run

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"weir/service/workflow/internal/definition"
	"weir/service/workflow/internal/expression"
)

// noAction stands for none, where outputs of the workflow are computed.
var noAction = &definition.Action{Operation: definition.Operation{Name: "outputs"}}

// scope is what an expression of an instance can see.
type scope struct {
	m    *machine
	i    *instance // nil for the workflow's own outputs
	n    *node
	item any
	has  bool
	seed uint64
}

func (m *machine) scope(i *instance, n *node, item any, has bool) *scope {
	s := &scope{m: m, i: i, n: n, item: item, has: has, seed: m.e.Random ^ uint64(m.s.serial)<<20 ^ uint64(m.steps)}
	if i != nil {
		s.seed ^= uint64(i.frame.id)<<40 ^ uint64(i.node)
	}
	return s
}

// Now is when the step is taken.
func (s *scope) Now() time.Time { return s.m.e.Now.UTC() }

// Random is splitmix64, begun from the step.
func (s *scope) Random() uint64 {
	s.seed += 0x9e3779b97f4a7c15
	z := s.seed
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// Value finds what an expression asks for.
func (s *scope) Value(kind expression.Kind, name string) (any, error) {
	v, ok := s.find(kind, name)
	if s.m.err != nil {
		return nil, s.m.err
	}
	if !ok {
		return nil, expression.ErrNotFound
	}
	return v, nil
}

func (s *scope) find(kind expression.Kind, name string) (any, bool) {
	m := s.m
	switch kind {
	case expression.TheTrigger:
		return m.load(m.s.Trigger), true
	case expression.TheTriggerOutputs:
		if o, ok := m.load(m.s.Trigger).(*expression.Object); ok {
			v, _ := o.Get("outputs")
			return v, true
		}
		return nil, true
	case expression.TheAction, expression.TheOutputs:
		return s.action(kind, name)
	case expression.TheVariable:
		v, ok := m.p.byVariable[strings.ToLower(name)]
		if !ok {
			return nil, false
		}
		return m.variableValue(v)
	case expression.TheParameter:
		return s.parameter(name)
	case expression.TheSetting:
		if m.e.Setting != nil {
			return m.e.Setting(name)
		}
	case expression.TheItem:
		if s.has {
			return s.item, true
		}
		return s.loop("", "Foreach")
	case expression.TheLoopItem:
		return s.loop(name, "Foreach")
	case expression.TheIterationIndex:
		return s.loop(name, "Until")
	case expression.TheResult:
		return s.result(name)
	case expression.TheWorkflow:
		if m.e.Workflow != nil {
			return m.e.Workflow, true
		}
	case expression.TheCallbackURL:
		if m.e.CallbackURL != nil && s.i != nil {
			return m.e.CallbackURL(s.i.place(), m.key(s.i)), true
		}
	}
	return nil, false
}

func (s *scope) parameter(name string) (any, bool) {
	if s.m.e.Parameters != nil {
		if v, ok := s.m.e.Parameters.Get(name); ok {
			return v, true
		}
	}
	p := s.m.p.Definition.Parameter(name)
	switch {
	case p == nil:
		return nil, false
	case p.Value.Get("value") != nil:
		return valueOf(p.Value.Get("value")), true
	case p.Default != nil:
		return valueOf(p.Default), true
	}
	return nil, false
}

func (s *scope) action(kind expression.Kind, name string) (any, bool) {
	i, n := s.i, s.n
	if name != "" {
		index, ok := s.m.p.byName[fold(name)]
		if !ok {
			return nil, false
		}
		i, n = s.m.visible(index, s.i), &s.m.p.nodes[index]
		if i == nil || i.status == NotStarted {
			// What was not carried out, since what it stands in has ended without it, has
			// null for outputs.
			if !s.m.passedOver(index, s.i) {
				return nil, false
			}
			if kind == expression.TheOutputs {
				return nil, true
			}
			return expression.NewObject("name", n.Action.Name, "code", codeSkipped, "status", Skipped.String()), true
		}
	}
	if i == nil {
		return nil, false
	}
	if kind == expression.TheOutputs {
		return s.m.outputsOf(i, n), true
	}
	return s.m.describe(i, n), true
}

// visible finds the instance that a name means, seen from another one: in the frames
// around it, or in the last frame of something that has been carried out.
func (m *machine) visible(index int32, from *instance) *instance {
	first := m.p.graphs[m.p.nodes[index].graph].first
	for i := from; i != nil; i = i.frame.owner {
		if i.frame.first == first && int(index-first) < len(i.frame.instances) {
			return &i.frame.instances[index-first]
		}
	}
	owner := m.p.graphs[m.p.nodes[index].graph].owner
	if owner < 0 {
		return &m.s.frames[0].instances[index]
	}
	holder := m.visible(owner, from)
	if holder == nil || holder.more == nil {
		return nil
	}
	for k := len(holder.more.frames) - 1; k >= 0; k-- {
		if f := holder.more.frames[k]; f.first == first && int(index-first) < len(f.instances) {
			return &f.instances[index-first]
		}
	}
	return nil
}

// passedOver reports whether something around an action has ended.
func (m *machine) passedOver(index int32, from *instance) bool {
	for owner := m.p.graphs[m.p.nodes[index].graph].owner; owner >= 0; owner = m.p.graphs[m.p.nodes[owner].graph].owner {
		if i := m.visible(owner, from); i != nil && i.status.Ended() {
			return true
		}
	}
	return false
}

// loop gives the item or the index of a loop around the instance; without a name, of
// the innermost one.
func (s *scope) loop(name, kind string) (any, bool) {
	if s.i == nil {
		return nil, false
	}
	// The condition of an Until sees the index of the iteration that has just ended.
	if kind == "Until" && s.n.Is("Until") && fold(s.n.Action.Name) == fold(name) && s.i.more != nil {
		return int64(len(s.i.more.frames) - 1), true
	}
	for f := s.i.frame; f.owner != nil; f = f.owner.frame {
		n := &s.m.p.nodes[f.owner.node]
		if n.Type != kind || name != "" && fold(n.Action.Name) != fold(name) {
			continue
		}
		if kind == "Until" {
			return int64(f.iteration), true
		}
		if f.owner.more.items == nil {
			f.owner.more.items, _ = s.m.load(f.owner.inputs).([]any)
		}
		items := f.owner.more.items
		if int(f.iteration) < len(items) {
			return items[f.iteration], true
		}
		return nil, true
	}
	return nil, false
}

// result gives what the actions in a scope did: a list of them, of a loop one list for
// each iteration.
func (s *scope) result(name string) (any, bool) {
	index, ok := s.m.p.byName[fold(name)]
	if !ok {
		return nil, false
	}
	i := s.m.visible(index, s.i)
	if i == nil || i.status == NotStarted {
		return nil, false
	}
	list := []any{}
	if i.more == nil {
		return list, true
	}
	n := &s.m.p.nodes[index]
	for _, f := range i.more.frames {
		one := make([]any, 0, len(f.instances))
		for k := range f.instances {
			one = append(one, s.m.describe(&f.instances[k], &s.m.p.nodes[f.instances[k].node]))
		}
		if !n.Is("Foreach", "Until") {
			return one, true
		}
		list = append(list, one)
	}
	return list, true
}

// outputsOf gives the outputs of an instance.
func (m *machine) outputsOf(i *instance, n *node) any {
	if n.isVariable() && i.inputs.Len > 0 {
		return expression.NewObject("body", m.load(i.inputs))
	}
	return m.load(i.outputs)
}

// stamp writes a time as the engine does.
func stamp(micro int64) string {
	return time.UnixMicro(micro).UTC().Format("2006-01-02T15:04:05.0000000Z")
}

// describe is an action as actions() and result() give it.
func (m *machine) describe(i *instance, n *node) *expression.Object {
	o := &expression.Object{}
	put := func(name string, v any) { o.Members = append(o.Members, expression.Member{Name: name, Value: v}) }
	put("name", n.Action.Name)
	if i.inputs.Len > 0 {
		put("inputs", m.p.Shown(uint32(i.node), m.load(i.inputs)))
	}
	if out := m.outputsOf(i, n); out != nil {
		put("outputs", out)
	}
	if i.began != 0 {
		put("startTime", stamp(i.began))
	}
	if i.ended != 0 {
		put("endTime", stamp(i.ended))
	}
	put("trackingId", m.tracking(i))
	if m.e.ClientTracking != "" {
		put("clientTrackingId", m.e.ClientTracking)
	}
	if i.code != "" {
		put("code", i.code)
	}
	put("status", i.status.String())
	if e := m.p.errorOf(i, n, m.load); e != nil {
		put("error", e)
	}
	return o
}

// path is the iteration of every loop around an instance, the outermost first.
func (m *machine) path(i *instance) []int32 {
	var path []int32
	for f := i.frame; f.owner != nil; f = f.owner.frame {
		if f.iteration >= 0 {
			path = append([]int32{f.iteration}, path...)
		}
	}
	return path
}

// digest is made of the run, the action and its iterations: the same for every attempt.
func digest(what, run, action string, path []int32) [32]byte {
	h := append([]byte(what+"\x00"+run+"\x00"+strings.ToLower(action)), 0)
	for _, n := range path {
		h = binary.BigEndian.AppendUint32(h, uint32(n))
	}
	return sha256.Sum256(h)
}

// key is the idempotency key, and what calls back are found by.
func (m *machine) key(i *instance) string {
	d := digest("key", m.e.Run, m.p.nodes[i.node].Action.Name, m.path(i))
	return hex.EncodeToString(d[:16])
}

// tracking is the action's tracking id.
func (m *machine) tracking(i *instance) string {
	return Tracking(m.e.Run, m.p.nodes[i.node].Action.Name, m.path(i))
}

// Tracking is the tracking id of an action, by the name of its run and the iterations
// around it.
func Tracking(run, action string, path []int32) string {
	d := digest("tracking", run, action, path)
	d[6], d[8] = d[6]&0x0f|0x80, d[8]&0x3f|0x80
	x := hex.EncodeToString(d[:16])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}
