package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"weir/face/answer"
	"weir/face/api"
	"weir/face/arm"
	"weir/internal/seal"
	"weir/kernel/fault"
	"weir/kernel/replica"
	"weir/kernel/resource"
	"weir/service/bus"
)

// registryUnit is the name of the unit that keeps the registry of the location.
const registryUnit = "registry"

// location is the registry of the location as this node's services see it: reading
// is local, changing reaches the owner wherever it is.
type location struct {
	*resource.Registry
	unit   *replica.Unit
	secret []byte
}

func (p *Platform) openRegistry(ctx context.Context) error {
	types, err := resource.NewTypes(Types()...)
	if err != nil {
		return err
	}
	registry := resource.NewRegistry(types, nil)
	ring, err := p.sealing()
	if err != nil {
		return err
	}
	registry.SealWith(ring)
	var unit *replica.Unit
	err = persist(ctx, func() (err error) { // nodes that start together are in each other's way
		unit, err = p.openUnit(ctx, replica.Options{
			Unit: registryUnit, Node: p.o.Node, Address: p.address(), Machine: registry, Logger: p.log,
		})
		return err
	})
	if err != nil {
		return err
	}
	registry.Bind(resource.On(unit))
	p.registry = &location{registry, unit, p.secret}
	unit.Start()
	p.undo.push("registry", unit.Stop)
	if _, err := unit.WaitOwner(ctx); err != nil {
		return fmt.Errorf("wait for the registry: %w", err)
	}
	return p.sealAgain(ctx)
}

// sealing is the ring that seals secrets in the registry.
func (p *Platform) sealing() (seal.Ring, error) {
	file := filepath.Join(p.o.Data, "secrets-key")
	switch {
	case p.o.KeyFile != "":
		return seal.Load(p.o.KeyFile)
	case len(p.secret) == 0:
		return seal.LoadOrMake(file)
	}
	shared, err := seal.Derive(p.secret)
	if err != nil {
		return shared, err
	}
	own, err := seal.Load(file) // of when this node had no others
	if errors.Is(err, fs.ErrNotExist) {
		return shared, nil
	}
	return shared.With(own), err
}

// sealAgain sees to it that every secret can be read, and is sealed by the newest key.
func (p *Platform) sealAgain(ctx context.Context) error {
	if err := p.registry.Readable(ctx); err != nil {
		return err
	}
	n, err := p.registry.Reseal(ctx)
	switch fault.KindOf(err) {
	case fault.NotOwner, fault.Unavailable, fault.Busy: // its owner does it, or the next start
		return nil
	}
	if n > 0 {
		p.log.Info("secrets were sealed by the newest key; older forms stay in the journal until it is trimmed", "resources", n)
	}
	return err
}

// Owner gives the transport to the node that owns the registry; nil when this one
// does.
func (l *location) Owner(ctx context.Context) (http.RoundTripper, error) {
	if ctx.Value(stayKey{}) != nil {
		return nil, nil // it was passed on to this node
	}
	owner, err := l.unit.WaitOwner(ctx)
	if err != nil || owner.Self {
		return nil, err
	}
	if len(l.secret) == 0 {
		return nil, fault.New(fault.Unavailable, "The node %s owns the registry, and this node has no cluster secret to reach it with.", owner.Node)
	}
	return hopTransport(owner.Address, l.secret), nil
}

// Put changes the registry wherever its owner is.
func (l *location) Put(ctx context.Context, d resource.Document, c resource.Condition) (resource.Result, error) {
	owner, err := l.Owner(ctx)
	if err != nil {
		return resource.Result{}, err
	}
	if owner == nil {
		return l.Registry.Put(ctx, d, c)
	}
	body, err := json.Marshal(d)
	if err != nil {
		return resource.Result{}, fault.Wrap(fault.Internal, err, "The resource %s cannot be sent.", d.ID)
	}
	var result resource.Result
	status, err := l.ask(ctx, owner, http.MethodPut, d.ID.String(), c, body, &result.Document)
	result.Created, result.Changed = status == http.StatusCreated, true
	return result, err
}

// PutAll is Put for many; the file is sent as it is.
func (l *location) PutAll(ctx context.Context, docs []resource.Document) ([]api.Outcome, error) {
	return l.putAll(ctx, docs, l.Registry.PutAll)
}

// PutAllOfService is PutAll for what a service does for those who use it, which locks do
// not hold.
func (l *location) PutAllOfService(ctx context.Context, docs []resource.Document) error {
	_, err := l.putAll(ctx, docs, l.Registry.PutAllOfService)
	return err
}

func (l *location) putAll(ctx context.Context, docs []resource.Document, here func(context.Context, []resource.Document) ([]resource.Result, error)) ([]api.Outcome, error) {
	owner, err := l.Owner(ctx)
	if err != nil {
		return nil, err
	}
	if owner == nil {
		results, err := here(ctx, docs)
		return api.Outcomes(results), err
	}
	body, err := json.Marshal(docs)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "The resources cannot be sent.")
	}
	var deployed api.Deployed
	_, err = l.ask(ctx, owner, http.MethodPost, "/deploy", resource.Condition{}, body, &deployed)
	return deployed.Resources, err
}

// Delete removes a resource wherever the registry's owner is.
func (l *location) Delete(ctx context.Context, id resource.ID, c resource.Condition) error {
	owner, err := l.Owner(ctx)
	if err != nil {
		return err
	}
	if owner == nil {
		return l.Registry.Delete(ctx, id, c)
	}
	status, err := l.ask(ctx, owner, http.MethodDelete, id.String(), c, nil, nil)
	if status == http.StatusNoContent {
		return fault.New(fault.NotFound, "The resource %s was not found.", id)
	}
	return err
}

// Fresh returns when this node has folded at least what the registry's owner had
// when it was called.
func (l *location) Fresh(ctx context.Context) error {
	owner, err := l.Owner(ctx)
	if err != nil || owner == nil {
		return err
	}
	var there api.Status
	if _, err := l.ask(ctx, owner, http.MethodGet, "/status", resource.Condition{}, nil, &there); err != nil {
		return err
	}
	for {
		here, err := l.revision(ctx)
		if err != nil || here >= there.Revision {
			return err
		}
		if _, err := l.Watch(here).Next(ctx); err != nil && !errors.Is(err, resource.ErrListAgain) {
			return err
		}
	}
}

// revision is how far this node's registry is.
func (l *location) revision(ctx context.Context) (uint64, error) {
	_, revision, err := l.List(ctx, DefaultScope, typeNamespace)
	return revision, err
}

// answerBytesMax bounds what another node may answer.
const answerBytesMax = 16 << 20

// ask sends a request to the owner's HTTP door and turns a refusal back into the
// fault it was.
func (l *location) ask(ctx context.Context, owner http.RoundTripper, method, path string, c resource.Condition, body []byte, result any) (int, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://owner", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.URL.Path = path
	r.Header.Set(api.OwnHeader, "1")
	if c.AsIs {
		r.Header.Set(arm.AsIsHeader, "1")
	}
	if c.IfMatch != "" {
		r.Header.Set("If-Match", c.IfMatch)
	}
	if c.IfNoneMatch {
		r.Header.Set("If-None-Match", "*")
	}
	given, err := owner.RoundTrip(r)
	if err != nil {
		return 0, fault.Wrap(fault.Unavailable, err, "The node that owns the registry could not be reached.")
	}
	defer given.Body.Close()
	data, err := io.ReadAll(io.LimitReader(given.Body, answerBytesMax))
	switch {
	case err != nil:
		return 0, fault.Wrap(fault.Unavailable, err, "The node that owns the registry did not answer whole.")
	case given.StatusCode >= 300:
		return given.StatusCode, answer.FaultOf(given.StatusCode, given.Header, data)
	case result == nil || len(data) == 0:
		return given.StatusCode, nil
	}
	return given.StatusCode, json.Unmarshal(data, result)
}

// typeNamespace is the type of what the first start makes.
const typeNamespace = "Microsoft.ServiceBus/namespaces"

// declare makes the default namespace and applies the files of --deploy.
func (p *Platform) declare(ctx context.Context) error {
	if err := p.declareNamespace(ctx); err != nil {
		return err
	}
	for _, file := range p.o.Deploy {
		if err := p.deployFile(ctx, file); err != nil {
			return fmt.Errorf("apply %s (--deploy): %w", file, err)
		}
	}
	return nil
}

func (p *Platform) declareNamespace(ctx context.Context) error {
	id, err := DefaultScope.Resource(typeNamespace, p.o.Namespace)
	if err != nil {
		return fmt.Errorf("the default namespace (--namespace): %w", err)
	}
	if _, err := p.registry.Get(ctx, id); err == nil {
		return nil
	}
	err = persist(ctx, func() error {
		_, err := p.registry.Put(ctx, resource.Document{ID: id}, resource.Condition{IfNoneMatch: true})
		return err
	})
	if fault.Is(err, fault.PreconditionFailed) { // made by another node just now
		return nil
	}
	return err
}

const (
	retryPause  = 200 * time.Millisecond
	retriesMost = 150
)

// persist repeats what fails because ownership is moving between nodes.
func persist(ctx context.Context, do func() error) error {
	for range retriesMost {
		err := do()
		switch fault.KindOf(err) {
		case fault.NotOwner, fault.Unavailable, fault.Busy:
		default:
			return err
		}
		timer := time.NewTimer(retryPause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
	return do()
}

func (p *Platform) deployFile(ctx context.Context, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	docs, err := resource.ParseFile(data, DefaultScope, bus.Importers(DefaultScope)...)
	if err != nil {
		return err
	}
	var outcomes []api.Outcome
	err = persist(ctx, func() (err error) {
		outcomes, err = p.registry.PutAll(ctx, docs)
		return err
	})
	if err != nil {
		return err
	}
	made := map[string]int{}
	for _, one := range outcomes {
		made[one.Outcome]++
	}
	p.log.Info("applied "+filepath.Base(file), "created", made["created"], "updated", made["updated"], "unchanged", made["unchanged"])
	return nil
}

var (
	_ bus.Registry = (*location)(nil)
	_ bus.Fresher  = (*location)(nil)
)
