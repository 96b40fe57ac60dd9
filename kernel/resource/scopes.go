package resource

import (
	"context"

	"weir/kernel/resource/registry"
)

// ScopeTypes declares subscriptions and resource groups. Neither needs to be declared:
// any name is good as a subscription, and a group is there when something lies in it.
// Declaring one gives it a location, tags and, in a group, a life without content.
func ScopeTypes() []*Type {
	state := Field{Name: "provisioningState", Kind: String, ReadOnly: true, Description: "Succeeded, once it is declared."}
	return []*Type{
		{
			Name: TypeSubscription, APIVersions: scopeVersions, Description: "A subscription: the resource groups that are one account. Any name is good, a GUID as in Azure or a word.",
			NamePattern: `[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?`, NameHint: "letters, digits, '.', '_' and '-', a letter or digit first and last", NameRange: Range{1, 64},
			Fields: []Field{
				{Name: "displayName", Kind: String, Range: &Range{0, 128}, Description: "What people call it."},
				state,
			},
		},
		{
			Name: TypeGroup, APIVersions: scopeVersions, Description: "A resource group: resources that are looked at, secured and deleted together.",
			NamePattern: `[\p{L}\p{N}._()-]*[\p{L}\p{N}_()-]`, NameHint: "letters, digits, '.', '_', '-' and parentheses, no '.' at the end", NameRange: Range{1, 90},
			Located: true,
			Fields:  []Field{state},
		},
	}
}

var scopeVersions = []string{"2024-11-01", "2024-07-01", "2023-07-01", "2022-12-01", "2022-09-01", "2021-04-01", "2020-10-01", "2020-06-01", "2019-10-01", "2018-05-01"}

// Scopes lists what lies directly in the tenant (its subscriptions) or in a
// subscription (its groups), declared or only lived in, with their documents: those of
// scopes that nobody declared have an id and nothing else.
func (r *Registry) Scopes(ctx context.Context, in ID) ([]Document, error) {
	step := "subscriptions"
	if in.Subscription() != "" {
		step = "resourcegroups"
	}
	var ids []string
	declared := map[string]registry.Entry{}
	err := r.read(ctx, func(s *registry.State) {
		ids = s.Links(in.String(), step)
		for _, id := range ids {
			if e, ok := s.Get(id); ok {
				declared[id] = e
			}
		}
	})
	if err != nil {
		return nil, err
	}
	docs := make([]Document, 0, len(ids))
	for _, text := range ids {
		id, err := ParseID(text)
		if err != nil {
			continue // of no scope
		}
		d := Document{ID: id}
		if e, ok := declared[text]; ok {
			if d, err = r.decode(e); err != nil {
				return nil, damaged(err)
			}
		}
		docs = append(docs, d)
	}
	return docs, nil
}

// Scope is the document of a scope, and whether it is there at all: declared, or
// something lies in it.
func (r *Registry) Scope(ctx context.Context, id ID) (d Document, there bool, err error) {
	var entry registry.Entry
	var declared bool
	err = r.read(ctx, func(s *registry.State) {
		entry, declared = s.Get(id.String())
		there = declared || s.Holds(id.String())
	})
	if err != nil || !declared {
		return Document{ID: id}, there, err
	}
	d, err = r.decode(entry)
	return d, true, err
}
