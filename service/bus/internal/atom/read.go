package atom

import (
	"weir/kernel/fault"
	"weir/kernel/resource"
)

// read answers a GET.
func (c *call) read() error {
	switch c.target.kind {
	case root:
		c.showNothing()
		return nil
	case namespaceInfo:
		if err := c.may(opRead); err != nil {
			return err
		}
		return c.showNamespace()
	case queues, topics, subscriptions, rules:
		return c.list()
	}
	d, err := c.find()
	switch {
	case err == nil:
	case !fault.Is(err, fault.NotFound):
		return err
	case c.target.kind == queueOrTopic: // whoever may not manage learns only that there is none
		c.showNothing()
		return nil
	default:
		if err := c.may(opRead); err != nil {
			return err
		}
		c.showNothing()
		return nil
	}
	if err := c.may(opRead); err != nil {
		return err
	}
	return c.show(200, d)
}

// find finds the entity of the target.
func (c *call) find() (d resource.Document, err error) {
	for _, id := range c.target.ids {
		if d, err = c.s.o.Registry.Get(c.r.Context(), id); !fault.Is(err, fault.NotFound) {
			return d, err
		}
	}
	return d, notFound(c.target.path)
}

func notFound(path string) error {
	return fault.New(fault.NotFound, "The messaging entity '%s' could not be found.", path)
}

func (c *call) list() error {
	if err := c.may(opList); err != nil {
		return err
	}
	if c.target.kind == subscriptions || c.target.kind == rules {
		if _, err := c.s.o.Registry.Get(c.r.Context(), c.target.parent); fault.Is(err, fault.NotFound) {
			return notFound(pathOf(c.target.parent))
		} else if err != nil {
			return err
		}
	}
	page, more, err := c.s.o.Registry.Window(c.r.Context(), c.target.parent, c.target.listType, c.query.skip, c.query.top)
	if err != nil {
		return err
	}
	return c.showList(page, more)
}
