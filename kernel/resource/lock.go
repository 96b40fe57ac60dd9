package resource

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource/registry"
)

// TypeLock is the type of locks. A lock holds what it extends and everything in that:
// CanNotDelete against deleting, ReadOnly against every change. It holds those who
// manage, not those who use: see Condition.Guarded.
const TypeLock = "Microsoft.Authorization/locks"

const (
	lockDelete = "CanNotDelete"
	lockWrite  = "ReadOnly"
)

// LockType declares locks.
func LockType() *Type {
	return &Type{
		Name: TypeLock, APIVersions: []string{"2020-05-01", "2017-04-01", "2016-09-01", "2015-01-01"}, Extension: true, AtTenant: true,
		Description: "A lock on a resource, a group or a subscription, and on everything in it.",
		NameRange:   Range{1, 260}, SiblingsMax: locksMax,
		Fields: []Field{
			{Name: "level", Kind: Enum, Values: []string{lockDelete, lockWrite, "NotSpecified"}, Required: true, Description: "CanNotDelete lets it be changed and not be deleted; ReadOnly neither, and none of its actions be called."},
			{Name: "notes", Kind: String, Range: &Range{0, 512}, Description: "Why it is locked."},
			{Name: "owners", Kind: List, Range: &Range{0, 20}, Description: "Kept for templates.", Element: &Field{Name: "owner", Kind: Object, Fields: []Field{
				{Name: "applicationId", Kind: String, Description: "The application that made the lock."},
			}}},
		},
	}
}

// locksMax is how many locks one place has.
const locksMax = 20

var lockStep = "providers/" + strings.ToLower(TypeLock)

// Guard refuses what locks forbid to do with a resource, for doors that change one in
// several steps: verb is write or delete.
func (r *Registry) Guard(ctx context.Context, id ID, verb string) error {
	var refusal error
	if err := r.read(ctx, func(s *registry.State) { refusal = guard(s, id, verb) }); err != nil {
		return err
	}
	return refusal
}

// codeLocked is the code of a change that a lock forbids.
const codeLocked = "ScopeLocked"

// guard refuses what locks forbid: verb is write or delete.
func guard(s *registry.State, id ID, verb string) error {
	if strings.EqualFold(id.Type(), TypeLock) {
		return nil // or nobody could take it away
	}
	var locked []string
	look := func(at string) {
		for _, e := range s.ChildrenOf(at, lockStep) {
			if d, err := decode(e); err == nil && holds(d.String("level"), verb) && !slices.Contains(locked, at) {
				locked = append(locked, at)
			}
		}
	}
	for at := id; !at.IsZero(); at = at.Parent() {
		look(at.String())
	}
	if verb == "delete" {
		// What lies in it would go too.
		for _, e := range s.Under(id.String()) {
			if at, err := ParseID(e.ID); err == nil && strings.EqualFold(at.Type(), TypeLock) {
				look(at.Parent().String())
			}
		}
	}
	if len(locked) == 0 {
		return nil
	}
	slices.Sort(locked)
	return Problems{{Code: codeLocked, Kind: fault.Conflict, Sentence: fmt.Sprintf(
		"The scope '%s' cannot perform %s operation because following scope(s) are locked: '%s'. Please remove the lock and try again.", id, verb, strings.Join(locked, "', '"))}}.Fault()
}

func holds(level, verb string) bool {
	return level == lockWrite || level == lockDelete && verb == "delete"
}
