package template

import (
	"fmt"
	"strings"

	"weir/internal/jsonc"
)

// Resource is a resource of a template.
type Resource struct {
	ID         string
	Type       string
	Name       string // whole: namespace/queue
	APIVersion string
	Symbol     string // symbolic name, with [index] where a loop made it
	Loop       string // name of the loop that made it
	Scope      Scope
	Line       int            // in the template
	Lines      map[string]int // of properties, by path
	Off        bool           // its condition is false
	Existing   bool           // it is referred to, not deployed
	Body       *Object        // location, tags, properties and so on, as far as they are known
	Refs       []Ref          // what its properties need of others
	DependsOn  []*Resource

	Nested *Nested // of a deployment in the template

	decl   *jsonc.Value
	env    *env
	stage  *stage
	turn   int64
	parent *Resource // around it in the template
	wants  []want
}

// Nested is a template in a template.
type Nested struct {
	Name, Mode string
	Plan       *Plan
}

// Ref is a need of something deployed.
type Ref struct {
	Function string // reference, listKeys ...
	ID       string
	Path     string
	Line     int
	Resource *Resource // in the template, when it is
}

// want is an entry of dependsOn.
type want struct {
	text string
	at   *jsonc.Value
}

// stage is where the resources of one template go, and which there are.
type stage struct {
	scope     Scope
	symbolic  bool // resources have symbolic names
	resources []*Resource
	bySymbol  map[string][]*Resource
	byName    map[string][]*Resource
	byID      map[string]*Resource
	byLoop    map[string][]*Resource
	outer     *stage // of the template around, when names of that may be used
}

// Label is a resource for people: type and name.
func (r *Resource) Label() string { return strings.TrimSpace(r.Type + " " + r.Name) }

// controls are the keys of a resource that decide about it and are no part of it.
var controls = map[string]bool{
	"type": true, "apiversion": true, "name": true, "dependson": true, "condition": true, "copy": true, "comments": true, "scope": true,
	"resources": true, "metadata": true, "existing": true, "subscriptionid": true, "resourcegroup": true, "id": true, "$schema": true,
	"asserts": true, "displayname": true,
}

// parts are the keys of a resource that are put.
var parts = map[string]bool{
	"location": true, "tags": true, "kind": true, "sku": true, "identity": true, "properties": true, "zones": true, "plan": true,
	"managedby": true, "managedbyextended": true, "extendedlocation": true, "etag": true, "scale": true, "placement": true,
}

// gather lists the resources of a template, loops turned and children taken out.
func (s *stage) gather(base *env, list *jsonc.Value) {
	if list == nil {
		return
	}
	switch list.Kind {
	case jsonc.List:
		for i, decl := range list.Items {
			s.declare(base, decl, "", fmt.Sprintf("resources[%d]", i), nil)
		}
	case jsonc.Object:
		s.symbolic = true
		for _, f := range list.Fields {
			s.declare(base, f.Value, f.Name, "resources."+f.Name, nil)
		}
	default:
		base.world.problem(list, "resources", "resources must be an array, or an object by symbolic names, and are %s", list.Kind)
	}
}

func (s *stage) declare(base *env, decl *jsonc.Value, symbol, path string, parent *Resource) {
	if decl.Kind != jsonc.Object {
		base.world.problem(decl, path, "a resource must be an object, and is %s", decl.Kind)
		return
	}
	e := *base
	e.path, e.stage, e.place = path, s, inIdentity
	loop := decl.Get("copy")
	if loop == nil || loop.Kind != jsonc.Object {
		if loop != nil {
			e.world.problem(loop, path+".copy", "the loop of a resource is an object with name and count, and this is %s", loop.Kind)
		}
		s.instance(&e, decl, symbol, parent)
		return
	}
	name := loop.Get("name").Str()
	if name == "" {
		name = symbol
	}
	count, err := e.count(loop.Get("count"))
	if err != nil {
		e.subject = s.labelOf(&e, decl)
		e.report(loop, "copy.count", err)
		return
	}
	mode, batch := strings.ToLower(loop.Get("mode").Str()), int64(0)
	if mode == "serial" {
		batch = 1
		if size := loop.Get("batchSize"); size != nil {
			n, err := e.literalOrExpression(size)
			if batch, _ = n.(int64); err != nil || batch < 1 {
				e.world.problem(size, path+".copy.batchSize", "the size of a batch must be an integer from 1 on")
				batch = 1
			}
		}
	}
	var before, turns []*Resource
	if loops := strings.ToLower(name); s.byLoop[loops] == nil {
		s.byLoop[loops] = []*Resource{}
	}
	for i := range count {
		turn := e
		turn.frames = append(e.frames[:len(e.frames):len(e.frames)], frame{loop: name, index: i, resource: true})
		if batch > 0 && i%batch == 0 {
			before, turns = turns, nil
		}
		made := s.instance(&turn, decl, symbol, parent)
		if made == nil {
			return
		}
		made.Loop, made.turn = name, i
		made.DependsOn = append(made.DependsOn, before...) // the batch before this one
		turns = append(turns, made)
		s.byLoop[strings.ToLower(name)] = append(s.byLoop[strings.ToLower(name)], made)
	}
}

// labelOf names a resource as far as it can be read.
func (s *stage) labelOf(e *env, decl *jsonc.Value) string {
	return strings.TrimSpace(decl.Get("type").Str() + " " + decl.Get("name").Str())
}

// instance makes one resource: what it is and where it goes.
func (s *stage) instance(e *env, decl *jsonc.Value, symbol string, parent *Resource) *Resource {
	if len(s.resources) >= resourcesMax {
		e.world.problem(decl, e.path, "a template may have %d resources at most", resourcesMax)
		return nil
	}
	r := &Resource{Symbol: symbol, decl: decl, stage: s, parent: parent, Line: e.world.t.line(decl)}
	ev := *e
	ev.subject = s.labelOf(e, decl)
	ev.path = ""
	r.env = &ev
	ok := ev.identify(r)
	if ok {
		ev.subject = r.Label()
	}
	r.register(s)
	ev.unknownKeys(r)
	if list := decl.Get("resources"); list != nil {
		s.children(&ev, r, list)
	}
	return r
}

func (s *stage) children(e *env, r *Resource, list *jsonc.Value) {
	base := *e
	if list.Kind == jsonc.Object {
		for _, f := range list.Fields {
			s.declare(&base, f.Value, f.Name, "resources."+f.Name, r)
		}
		return
	}
	for i, decl := range list.Items {
		s.declare(&base, decl, "", fmt.Sprintf("resources[%d]", i), r)
	}
}

func (r *Resource) register(s *stage) {
	s.resources = append(s.resources, r)
	if r.Symbol != "" {
		symbol := strings.ToLower(r.Symbol)
		s.bySymbol[symbol] = append(s.bySymbol[symbol], r)
		if n := len(r.env.frames); n > 0 && r.env.frames[n-1].resource && r.decl.Get("copy") != nil {
			r.Symbol = fmt.Sprintf("%s[%d]", r.Symbol, r.env.frames[n-1].index)
			s.bySymbol[strings.ToLower(r.Symbol)] = append(s.bySymbol[strings.ToLower(r.Symbol)], r)
		}
	}
	if r.ID == "" {
		return
	}
	name, id := strings.ToLower(r.Name), strings.ToLower(r.ID)
	if first, twice := s.byID[id]; twice && !r.Off && !first.Off && !r.Existing && !first.Existing {
		r.env.report(r.decl, "name", fmt.Errorf("the resource %s is in the template twice, first on line %d", r.ID, first.Line))
	}
	if have := s.byID[id]; have == nil || have.Off || have.Existing {
		s.byID[id] = r
	}
	s.byName[name] = append(s.byName[name], r)
}

// identify finds out type, name, condition and id.
func (e *env) identify(r *Resource) bool {
	fail := func(key string, err error) bool {
		if r.Off && key != "condition" { // what is not deployed need not be named
			return false
		}
		e.report(orElse(r.decl.Get(key), r.decl), key, err)
		return false
	}
	var err error
	if c := r.decl.Get("condition"); c != nil {
		v, err := e.literalOrExpression(c)
		switch v := v.(type) {
		case bool:
			r.Off = !v
		default:
			if s, ok := v.(string); ok && (strings.EqualFold(s, "true") || strings.EqualFold(s, "false")) {
				r.Off = strings.EqualFold(s, "false")
				break
			}
			if e.excused(v) {
				err = errReported
			}
			if err == nil {
				err = fmt.Errorf("a condition must be a boolean that is known before anything is deployed, and is %s", describe(v))
			}
			r.Off = true
			return fail("condition", err)
		}
	}
	if r.parent != nil && r.parent.Off { // children go with what they lie in
		r.Off = true
	}
	if x := r.decl.Get("existing"); x != nil {
		r.Existing = x.Scalar == true
	}
	for _, foreign := range []string{"import", "extension"} {
		if v := r.decl.Get(foreign); v != nil {
			return fail(foreign, fmt.Errorf("resources of the extension %q are not deployed here: only Azure's resource types are", v.Str()))
		}
	}
	if r.decl.Get("type") == nil {
		return fail("type", fmt.Errorf("a resource needs a type, such as Microsoft.ServiceBus/namespaces"))
	}
	if r.Type, err = e.str(r.decl.Get("type"), "a type"); err != nil {
		return fail("type", err)
	}
	if r.decl.Get("name") == nil {
		return fail("name", fmt.Errorf("a resource needs a name"))
	}
	if r.Name, err = e.str(r.decl.Get("name"), "a name"); err != nil {
		return fail("name", err)
	}
	r.Name = strings.Trim(r.Name, "/")
	if v := r.decl.Get("apiVersion"); v != nil {
		if r.APIVersion, err = e.str(v, "an API version"); err != nil {
			return fail("apiVersion", err)
		}
	} else if e.world.t.root.Get("apiProfile") == nil {
		return fail("apiVersion", fmt.Errorf("a resource needs an apiVersion, such as 2024-01-01"))
	}
	if r.parent != nil {
		r.Type, r.Name = nestedIn(r)
	}
	return e.locate(r)
}

func orElse(v, other *jsonc.Value) *jsonc.Value {
	if v == nil {
		return other
	}
	return v
}

// nestedIn gives the whole type and name of a resource in another.
func nestedIn(r *Resource) (typ, name string) {
	typ, name = r.Type, r.Name
	if !strings.Contains(strings.SplitN(typ, "/", 2)[0], ".") {
		typ = r.parent.Type + "/" + typ
	}
	if want := strings.Count(typ, "/"); strings.Count(name, "/")+1 < want {
		name = r.parent.Name + "/" + name
	}
	return typ, name
}

// locate finds the scope a resource goes to, and its id.
func (e *env) locate(r *Resource) bool {
	r.Scope = e.stage.scope
	base := r.Scope.ID()
	for key, into := range map[string]*string{"subscriptionId": &r.Scope.Subscription, "resourceGroup": &r.Scope.ResourceGroup} {
		if v := r.decl.Get(key); v != nil {
			s, err := e.str(v, key)
			if err != nil {
				if !r.Off {
					e.report(v, key, err)
				}
				return false
			}
			if key == "subscriptionId" && !strings.EqualFold(s, r.Scope.Subscription) && r.decl.Get("resourceGroup") == nil {
				r.Scope.ResourceGroup = ""
			}
			*into, r.Scope.ManagementGroup = s, ""
		}
	}
	base = r.Scope.ID()
	if strings.EqualFold(r.Type, "Microsoft.Resources/resourceGroups") {
		r.ID = "/subscriptions/" + r.Scope.Subscription + "/resourceGroups/" + r.Name
		return e.wellNamed(r)
	}
	if v := r.decl.Get("scope"); v != nil {
		s, err := e.str(v, "a scope")
		at := ""
		if err == nil {
			at, err = r.scopeOf(s)
		}
		if err != nil {
			if !r.Off {
				e.report(v, "scope", err)
			}
			return false
		}
		base = at
	}
	if !e.wellNamed(r) {
		return false
	}
	r.ID = joinID(base, r.Type, strings.Split(r.Name, "/"))
	return true
}

// scopeOf reads a scope: an id, "/" for the tenant, or what is relative to the
// deployment's: Microsoft.ServiceBus/namespaces/NAME, or a symbolic name's resource.
func (r *Resource) scopeOf(s string) (string, error) {
	isDeployment := strings.EqualFold(r.Type, "Microsoft.Resources/deployments")
	switch {
	case s == "/":
		if isDeployment {
			r.Scope = Scope{}
		}
		return "", nil
	case strings.HasPrefix(strings.ToLower(s), "/subscriptions/") || strings.HasPrefix(strings.ToLower(s), "/providers/"):
		if parts := strings.Split(strings.Trim(s, "/"), "/"); isDeployment && strings.EqualFold(parts[0], "subscriptions") {
			r.Scope = Scope{Subscription: parts[1]}
			if len(parts) == 4 {
				r.Scope.ResourceGroup = parts[3]
			}
		}
		return strings.TrimSuffix(s, "/"), nil
	}
	parts := strings.Split(strings.Trim(s, "/"), "/")
	if len(parts) < 3 || len(parts)%2 == 0 || !strings.Contains(parts[0], ".") {
		return "", fmt.Errorf("%q is no scope: write an id, or Microsoft.ServiceBus/namespaces/NAME for a resource of the same deployment", s)
	}
	if strings.EqualFold(parts[0]+"/"+parts[1], "Microsoft.Management/managementGroups") {
		if isDeployment {
			r.Scope = Scope{ManagementGroup: parts[2]}
		}
		return "/providers/" + strings.Join(parts, "/"), nil
	}
	return r.stage.scope.ID() + "/providers/" + strings.Join(parts, "/"), nil
}

// wellNamed holds type and name against each other.
func (e *env) wellNamed(r *Resource) bool {
	if r.Off && strings.Trim(r.Name, "/") == "" {
		return false
	}
	steps := strings.Split(r.Type, "/")
	if len(steps) < 2 || !strings.Contains(steps[0], ".") {
		e.report(r.decl.Get("type"), "type", fmt.Errorf("%q is no resource type: one is written as Microsoft.ServiceBus/namespaces/queues", r.Type))
		return false
	}
	if names := strings.Split(r.Name, "/"); len(names) != len(steps)-1 {
		e.report(r.decl.Get("name"), "name", fmt.Errorf("the name %q has %d parts and the type %s needs %d, one for each step, with '/' between them", r.Name, len(names), r.Type, len(steps)-1))
		return false
	}
	return true
}

// joinID makes an id of a scope, a type and names.
func joinID(base, typ string, names []string) string {
	steps := strings.Split(typ, "/")
	var b strings.Builder
	b.WriteString(base + "/providers/" + steps[0])
	for i, step := range steps[1:] {
		if i < len(names) {
			b.WriteString("/" + step + "/" + names[i])
		}
	}
	return b.String()
}

// unknownKeys refuses keys that a resource does not have.
func (e *env) unknownKeys(r *Resource) {
	for _, f := range r.decl.Fields {
		key := strings.ToLower(f.Name)
		if !controls[key] && !parts[key] && !strings.HasPrefix(key, "$") && !strings.HasPrefix(key, "@") && key != "import" && key != "extension" {
			e.report(f.Value, f.Name, fmt.Errorf("a resource has no %q; it has type, apiVersion, name, location, tags, kind, sku, identity, properties, scope, dependsOn, condition, copy, resources and existing", f.Name))
		}
	}
}
