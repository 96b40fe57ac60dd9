package atom

import (
	"fmt"
	"net/http"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/resource"
)

// put answers a PUT: with If-Match it changes an entity, without it makes one.
func (c *call) put() error {
	if c.target.kind != queueOrTopic && c.target.kind != subscription && c.target.kind != rule {
		c.w.Header().Set("Allow", "GET")
		return fault.New(fault.MethodNotAllowed, "Nothing can be put at /%s: put an entity at its own path.", c.target.path)
	}
	if err := c.may(opWrite); err != nil {
		return err
	}
	body, err := readBody(c.r)
	if err != nil {
		return err
	}
	p, err := c.plan(body)
	if err != nil {
		return err
	}
	if err := c.forwards(p.doc); err != nil {
		return err
	}
	if err := c.mayChange(p.doc.ID, "write"); err != nil {
		return err
	}
	old, err := c.s.o.Registry.Get(c.r.Context(), p.doc.ID)
	exists := err == nil
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	match := c.r.Header.Get("If-Match")
	switch {
	case match == "" && exists:
		return fault.New(fault.AlreadyExists, "Conflict. The messaging entity '%s' exists already.", c.target.path)
	case match != "" && !exists:
		return notFound(c.target.path)
	case exists:
		if etag := strings.Trim(strings.TrimPrefix(match, "W/"), `"`); etag != "*" && etag != old.ETag {
			return fault.New(fault.PreconditionFailed, "The entity '%s' has changed: its etag is '%s'. Read it again, or send If-Match: *.", c.target.path, old.ETag)
		}
		if err := p.holds(old); err != nil {
			return err
		}
	}
	return c.carryOut(p, exists, match)
}

// mayChange refuses what another location decides about, and what is locked.
func (c *call) mayChange(id resource.ID, verb string) error {
	if err := c.s.o.Elsewhere(id); err != nil {
		return err
	}
	return c.s.o.Guard(c.r.Context(), id, verb)
}

// change is what a PUT asks for.
type change struct {
	noun
	doc   resource.Document   // the entity
	first resource.Document   // the rule a new subscription begins with; no id: the default one. It says nothing of one that is there
	rules []resource.Document // its authorization rules
	exact bool                // and no others
}

// plan reads what is to be put.
func (c *call) plan(body []byte) (p change, err error) {
	d, err := description(body)
	if err != nil {
		return p, err
	}
	switch {
	case c.target.kind == rule && d.name == ruleNoun.element:
		return c.planRule(d)
	case c.target.kind == queueOrTopic && d.name == queueNoun.element:
		p.noun, p.doc.ID = queueNoun, c.target.ids[0]
	case c.target.kind == queueOrTopic && d.name == topicNoun.element:
		p.noun, p.doc.ID = topicNoun, c.target.ids[1]
	case c.target.kind == subscription && d.name == subscriptionNoun.element:
		p.noun, p.doc.ID = subscriptionNoun, c.target.ids[0]
	default:
		return p, fault.New(fault.Invalid, "The content of the entry is '%s', and '%s' is no path for one.", d.name, c.target.path)
	}
	if p.doc.Properties, err = p.properties(d); err != nil {
		return p, err
	}
	if e := d.find("AuthorizationRules"); e != nil && !e.null && p.typ != typeSubscription {
		p.exact = true
		if p.rules, err = accessDocuments(p.doc.ID, e); err != nil {
			return p, err
		}
	}
	if e := d.find("DefaultRuleDescription"); e != nil && !e.null {
		name, properties, err := ruleProperties(e)
		if err != nil {
			return p, err
		}
		if name == "" {
			name = "$Default"
		}
		p.first.Properties = properties
		if p.first.ID, err = child(p.doc.ID, "rules", name); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (c *call) planRule(d *element) (p change, err error) {
	p.noun, p.doc.ID = ruleNoun, c.target.ids[0]
	name, properties, err := ruleProperties(d)
	if err == nil && name != "" && !strings.EqualFold(name, c.target.name) {
		err = fault.New(fault.Invalid, "The rule is called '%s' in the description and '%s' in the path.", name, c.target.name)
	}
	p.doc.Properties = properties
	return p, err
}

// holds refuses to change what cannot change, in the words clients compare.
func (p *change) holds(old resource.Document) error {
	for _, name := range []string{"requiresSession", "requiresDuplicateDetection", "enablePartitioning"} {
		now, given := p.doc.Properties[name].(bool)
		if !given || now == old.Bool(name) {
			continue
		}
		if name == "enablePartitioning" {
			return fault.New(fault.Invalid, "Partitioning cannot be changed for %s. ", p.word)
		}
		return fault.New(fault.Invalid, "The value for the %s property of an existing %s cannot be changed.", strings.ToUpper(name[:1])+name[1:], p.word)
	}
	return nil
}

// carryOut makes the change and answers when it is in force.
func (c *call) carryOut(p change, exists bool, match string) error {
	ctx := c.r.Context()
	condition := resource.Condition{IfMatch: match, IfNoneMatch: match == ""}
	var err error
	if len(p.rules) == 0 && (exists || p.first.ID.IsZero()) {
		_, err = c.s.o.Registry.Put(ctx, p.doc, condition)
	} else {
		docs := append([]resource.Document{p.doc}, p.rules...)
		if !exists && !p.first.ID.IsZero() {
			docs = append(docs, p.first)
		}
		err = c.s.o.PutAll(ctx, docs)
	}
	switch {
	case match == "" && fault.Is(err, fault.PreconditionFailed):
		return fault.Wrap(fault.AlreadyExists, err, "Conflict. The messaging entity '%s' exists already.", c.target.path)
	case match == "" && fault.Is(err, fault.Conflict):
		return fault.Wrap(fault.AlreadyExists, err, "Conflict. %s", fault.Sentence(err))
	case err != nil:
		return err
	}
	if p.exact && exists {
		if err := c.removeOtherAccess(p); err != nil {
			return err
		}
	}
	if err := c.s.o.Applied(ctx, p.doc.ID); err != nil {
		return err
	}
	d, err := c.s.o.Registry.Get(ctx, p.doc.ID)
	if err != nil {
		return err
	}
	if err := c.noteDone(p.typ, "write", d.ID); err != nil {
		return err
	}
	status := http.StatusOK
	if !exists {
		status = http.StatusCreated
	}
	return c.show(status, d)
}

// removeOtherAccess removes the authorization rules that a description leaves out.
func (c *call) removeOtherAccess(p change) error {
	have, _, err := c.s.o.Registry.List(c.r.Context(), p.doc.ID, p.typ+"/"+authorization)
	if err != nil {
		return err
	}
	kept := map[string]bool{}
	for _, d := range p.rules {
		kept[d.ID.Key()] = true
	}
	for _, d := range have {
		if kept[d.ID.Key()] {
			continue
		}
		if err := c.s.o.Registry.Delete(c.r.Context(), d.ID, resource.Condition{}); err != nil && !fault.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}

// remove answers a DELETE.
func (c *call) remove() error {
	if len(c.target.ids) == 0 || c.target.kind == rules {
		c.w.Header().Set("Allow", "GET")
		return fault.New(fault.MethodNotAllowed, "/%s cannot be deleted: delete an entity at its own path.", c.target.path)
	}
	if err := c.may(opDelete); err != nil {
		return err
	}
	d, err := c.find()
	if err != nil {
		return err
	}
	if err := c.mayChange(d.ID, "delete"); err != nil {
		return err
	}
	err = c.s.o.Registry.Delete(c.r.Context(), d.ID, resource.Condition{})
	if fault.Is(err, fault.NotFound) {
		return notFound(c.target.path)
	}
	if err == nil {
		err = c.s.o.Applied(c.r.Context(), d.ID)
	}
	if err == nil {
		err = c.noteDone(d.Type(), "delete", d.ID)
	}
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Length", "0")
	c.w.WriteHeader(http.StatusOK)
	return nil
}

// forwards holds the destinations of an entity against what the caller may do there:
// by a token of their own, or the request's.
func (c *call) forwards(d resource.Document) error {
	for property, header := range supplementary {
		to := d.String(property)
		if to == "" {
			continue
		}
		if err := c.maySendTo(to, header); err != nil {
			return fault.Wrap(fault.KindOf(err), err, "The destination '%s' is not allowed: %s", to, fault.Sentence(err))
		}
	}
	return nil
}

// supplementary names the headers with tokens for destinations, by property.
var supplementary = map[string]string{
	"forwardTo": "ServiceBusSupplementaryAuthorization", "forwardDeadLetteredMessagesTo": "ServiceBusDlqSupplementaryAuthorization",
}

// action is an operation in the words of roles.
func action(typ, verb string) string { return fmt.Sprintf("%s/%s", typ, verb) }
