package fire

import (
	"time"

	"weir/service/workflow/internal/expression"
	"weir/service/workflow/internal/run"
)

// scope is what an expression of a trigger can see.
type scope struct {
	t    *Trigger
	e    *Env
	in   Input
	seed uint64
}

func (t *Trigger) scope(e *Env, in Input, part uint64) *scope {
	return &scope{t: t, e: e, in: in, seed: e.Random ^ part<<32}
}

// Now is when the trigger looked.
func (s *scope) Now() time.Time { return s.e.Now.UTC() }

// Random is splitmix64.
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
	if !ok {
		return nil, expression.ErrNotFound
	}
	return v, nil
}

func (s *scope) find(kind expression.Kind, name string) (any, bool) {
	switch kind {
	case expression.TheTrigger:
		if s.in.Outputs == nil {
			return nil, false
		}
		return expression.NewObject("name", s.t.Name, "inputs", s.in.Inputs, "outputs", s.in.Outputs), true
	case expression.TheTriggerOutputs:
		if s.in.Outputs == nil {
			return nil, false
		}
		return s.in.Outputs, true
	case expression.TheParameter:
		return s.parameter(name)
	case expression.TheSetting:
		if s.e.Setting != nil {
			return s.e.Setting(name)
		}
	case expression.TheWorkflow:
		if s.e.Workflow != nil {
			return s.e.Workflow, true
		}
	case expression.TheCallbackURL:
		if s.e.Callback != nil {
			address := s.e.Callback()
			return address, address != ""
		}
	}
	return nil, false
}

func (s *scope) parameter(name string) (any, bool) {
	if s.e.Parameters != nil {
		if v, ok := s.e.Parameters.Get(name); ok {
			return v, true
		}
	}
	p := s.t.of.Parameter(name)
	switch {
	case p == nil:
		return nil, false
	case p.Value.Get("value") != nil:
		return run.ValueOf(p.Value.Get("value")), true
	case p.Default != nil:
		return run.ValueOf(p.Default), true
	}
	return nil, false
}
