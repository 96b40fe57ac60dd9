package bus

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"weir/internal/wall"
	"weir/kernel/fault"
	"weir/kernel/resource"
	"weir/service/bus/internal/broker"
	"weir/service/bus/internal/namespace"
)

// catalog is one namespace's part of the registry, as the namespace sees it.
type catalog struct {
	registry Registry
	space    *space
	grouped  func() bool
	log      *slog.Logger

	mu      sync.Mutex
	changed func()
	deleted map[string]bool      // by lower-case path: seen to be deleted, and not put since
	missing map[string]time.Time // since when others are not listed
	kept    map[string]bool      // those that are kept although nobody declares them, and that was said

	reading sync.Mutex
	read    pieces // what the documents say that were read
	at      uint64 // the registry's revision when they were
}

func newCatalog(s *Service, sp *space) *catalog {
	unit := unitName(sp.id.Name())
	return &catalog{
		registry: s.o.Registry, space: sp, grouped: func() bool { return s.o.Grouped(unit) }, log: s.log,
		changed: func() {}, deleted: map[string]bool{}, missing: map[string]time.Time{}, kept: map[string]bool{},
	}
}

var _ namespace.Catalog = (*catalog)(nil)

// Entities implements namespace.Catalog. It reads what has changed since it was asked
// last: a namespace of many entities is asked after each change of one.
func (c *catalog) Entities(ctx context.Context) ([]broker.Definition, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	docs, keys, revision, err := c.registry.Newer(ctx, c.space.id, c.at)
	if err != nil {
		return nil, err
	}
	if c.read == nil {
		c.read = pieces{}
	}
	for _, d := range docs {
		c.read.put(d)
	}
	for key := range c.read {
		if _, there := keys[key]; !there {
			delete(c.read, key)
		}
	}
	c.at = revision
	return c.read.definitions()
}

// freshWait is how long an entity must be missing here, where the registry can not
// say that it is up to date.
const freshWait = 10 * time.Second

// Gone implements namespace.Catalog. A registry that follows another node's may not
// have heard of an entity yet: unless the deletion was seen, it must catch up first.
// In a group the declarations come from another location, later than the messages:
// only a deletion that was seen counts.
func (c *catalog) Gone(ctx context.Context, path string) (bool, error) {
	key := strings.ToLower(path)
	c.mu.Lock()
	seen := c.deleted[key]
	c.mu.Unlock()
	if seen {
		return true, nil
	}
	if c.grouped() {
		c.keep(key)
		return false, nil
	}
	if r, ok := c.registry.(Fresher); ok {
		ctx, cancel := context.WithTimeout(ctx, freshWait)
		defer cancel()
		if err := r.Fresh(ctx); err != nil {
			return false, err
		}
	} else if !c.missingLong(key) {
		return false, nil
	}
	_, err := c.entity(ctx, path)
	if fault.Is(err, fault.NotFound) && ctx.Err() == nil {
		return true, nil
	}
	return false, err
}

// keep says once of an entity that it stays although it is not declared.
func (c *catalog) keep(key string) {
	c.mu.Lock()
	said := c.kept[key]
	c.kept[key] = true
	c.mu.Unlock()
	if !said {
		c.log.Warn("an entity is not declared here and stays: its namespace is in a continuity group, and no deletion was seen. Declare it and delete it to remove it",
			"namespace", c.space.id.Name(), "entity", key)
	}
}

// missingLong says whether an entity has been missing for freshWait. If not, the
// question comes again when it has.
func (c *catalog) missingLong(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	since, known := c.missing[key]
	if !known {
		c.missing[key] = wall.Now()
		time.AfterFunc(freshWait, c.changed)
		return false
	}
	return time.Since(since) >= freshWait
}

// Watch implements namespace.Catalog.
func (c *catalog) Watch(ctx context.Context, changed func()) error {
	c.mu.Lock()
	c.changed = changed
	c.mu.Unlock()
	return watch(ctx, c.registry, c.space.id, func(_ context.Context, changes []resource.Change) error {
		c.note(changes)
		changed()
		return nil
	})
}

// note remembers which entities were deleted.
func (c *catalog) note(changes []resource.Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, change := range changes {
		path := strings.ToLower(entityPath(change.ID))
		switch {
		case path == "" || !c.space.id.Contains(change.ID) || !isEntity(change.ID):
		case change.Deleted:
			c.deleted[path] = true
		default:
			delete(c.deleted, path)
			delete(c.missing, path)
			delete(c.kept, path)
		}
	}
}

func isEntity(id resource.ID) bool {
	_, ok := kindOf(resource.Document{ID: id})
	return ok
}

// watch calls changed at once, and after every change in a resource.
func watch(ctx context.Context, r Registry, in resource.ID, changed func(context.Context, []resource.Change) error) error {
	for {
		_, revision, err := r.ListUnder(ctx, in, "")
		if err == nil {
			err = changed(ctx, nil)
		}
		for w := r.Watch(revision); err == nil; {
			var changes []resource.Change
			changes, err = w.Next(ctx)
			if touches(changes, in) && err == nil {
				err = changed(ctx, changes)
			}
		}
		if !errors.Is(err, resource.ErrListAgain) {
			return err
		}
	}
}

func touches(changes []resource.Change, in resource.ID) bool {
	for _, c := range changes {
		if in.Contains(c.ID) || c.ID.Contains(in) {
			return true
		}
	}
	return false
}

// Delete implements namespace.Catalog.
func (c *catalog) Delete(ctx context.Context, path string) error {
	id, err := c.entity(ctx, path)
	if err != nil {
		return err
	}
	return c.registry.Delete(ctx, id, resource.Condition{})
}

// PutRule implements namespace.Catalog.
func (c *catalog) PutRule(ctx context.Context, subscription string, rule broker.Rule) error {
	id, err := c.entity(ctx, subscription)
	if err != nil {
		return err
	}
	doc, err := ruleDocument(id, rule)
	if err != nil {
		return err
	}
	_, err = c.registry.Put(ctx, doc, resource.Condition{IfNoneMatch: true})
	if fault.Is(err, fault.PreconditionFailed) || fault.Is(err, fault.AlreadyExists) {
		return fault.Wrap(fault.AlreadyExists, err, "The messaging entity '%s/Rules/%s' already exists.", subscription, rule.Name)
	}
	return err
}

// DeleteRule implements namespace.Catalog.
func (c *catalog) DeleteRule(ctx context.Context, subscription, rule string) error {
	id, err := c.entity(ctx, subscription)
	if err == nil {
		id, err = id.Child("rules", rule)
	}
	if err != nil {
		return err
	}
	err = c.registry.Delete(ctx, id, resource.Condition{})
	if fault.Is(err, fault.NotFound) {
		return fault.Wrap(fault.NotFound, err, "The messaging entity '%s/Rules/%s' could not be found.", subscription, rule)
	}
	return err
}

// entity finds the resource of an entity.
func (c *catalog) entity(ctx context.Context, path string) (resource.ID, error) {
	return entityID(c.space.id, path, func(id resource.ID) bool {
		_, err := c.registry.Get(ctx, id)
		return err == nil
	})
}
