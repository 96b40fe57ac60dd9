package broker

import (
	"slices"

	"weir/kernel/fault"
	"weir/wire/amqp"
)

// extra is what few messages have beside their slot.
type extra struct {
	edit   *Edit  // never changed once it is here: deliveries share it
	ttl    int64  // ms, of a scheduled message that names one
	source uint32 // text: path the message was dead-lettered from
	next   uint32
}

func (x *extra) link() *uint32 { return &x.next }

// newExtra keeps what is not empty and returns its number, 0 when there is nothing
// to keep.
func (b *Broker) newExtra(edit *Edit, source string, ttl int64) uint32 {
	if edit == nil && source == "" && ttl == 0 {
		return 0
	}
	n, x := b.extras.add()
	x.edit, x.ttl = edit, ttl
	if source != "" {
		x.source = b.texts.keep(source)
	}
	return n
}

func (b *Broker) dropExtra(n uint32) {
	if n == 0 {
		return
	}
	b.texts.drop(b.extras.at(n).source)
	b.extras.drop(n)
}

// extraOf returns a copy of what a slot has beside it.
func (b *Broker) extraOf(s *slot) extra {
	if s.extra == 0 {
		return extra{}
	}
	return *b.extras.at(s.extra)
}

// setEdit replaces a message's edit.
func (b *Broker) setEdit(s *slot, edit *Edit) {
	if edit == nil {
		return
	}
	if s.extra != 0 {
		b.extras.at(s.extra).edit = edit
		return
	}
	s.extra = b.newExtra(edit, "", 0)
}

// with returns the edit that follows e by setting application properties. e itself
// stays as it is, deliveries may be reading it; nil is an edit of nothing.
func (e *Edit) with(set []Property) *Edit {
	if len(set) == 0 {
		return e
	}
	n := e.copy()
	for _, p := range set {
		n.set(p.Name, p.Value)
	}
	return n
}

func (e *Edit) copy() *Edit {
	if e == nil {
		return &Edit{}
	}
	return &Edit{
		Application: slices.Clone(e.Application),
		Removed:     slices.Clone(e.Removed),
		System:      slices.Clone(e.System),
	}
}

func (e *Edit) set(name string, value any) {
	e.Removed = slices.DeleteFunc(e.Removed, func(r string) bool { return r == name })
	e.Application = setProperty(e.Application, name, value)
}

func (e *Edit) setSystem(name string, value any) { e.System = setProperty(e.System, name, value) }

func (e *Edit) remove(name string) {
	e.Application = slices.DeleteFunc(e.Application, func(p Property) bool { return p.Name == name })
	if !slices.Contains(e.Removed, name) {
		e.Removed = append(e.Removed, name)
	}
}

func setProperty(in []Property, name string, value any) []Property {
	for i := range in {
		if in[i].Name == name {
			in[i].Value = value
			return in
		}
	}
	return append(in, Property{name, value})
}

func property(in []Property, name string) (any, bool) {
	for i := range in {
		if in[i].Name == name {
			return in[i].Value, true
		}
	}
	return nil, false
}

// modified checks what a client wants to set on a message and returns it in the
// types of the wire.
func modified(set []Property) ([]Property, error) {
	if len(set) == 0 {
		return nil, nil
	}
	total := 0
	out := make([]Property, len(set))
	for i, p := range set {
		v, ok := wireValue(p.Value)
		if !ok {
			return nil, fault.New(fault.Invalid, "The property '%s' cannot be set to a value of that type.", p.Name)
		}
		out[i] = Property{p.Name, cloned(v)}
		n := len(p.Name) + len(amqp.AppendValue(nil, v))
		if total += n; n > propertyBytesMax || total > headerBytesMax {
			return nil, fault.New(fault.TooLarge, "The properties to set are larger than %d bytes each or %d bytes together.", propertyBytesMax, headerBytesMax)
		}
	}
	return out, nil
}
