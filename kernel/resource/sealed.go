package resource

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"weir/internal/seal"
	"weir/kernel/fault"
	"weir/kernel/resource/registry"
)

// sealedName is the one member of the object that stands in a stored body where a
// document has a secret.
const sealedName = "$sealed"

// codec writes documents as the registry stores them, and reads them. With a ring,
// fields of the kind Secret are sealed for the document and the path they are at.
type codec struct {
	types *Types
	ring  seal.Ring
}

// eachOf calls fn with the map that holds a value of a kind, its name there and its
// path.
func eachOf(k Kind, fields []Field, m map[string]any, path string, fn func(m map[string]any, name, path string)) {
	for _, f := range fields {
		v, ok := m[f.Name]
		if !ok {
			continue
		}
		at := path + "." + f.Name
		switch f.Kind {
		case k:
			fn(m, f.Name, at)
		case Object:
			inner, _ := v.(map[string]any)
			eachOf(k, f.Fields, inner, at, fn)
		case List:
			items, _ := v.([]any)
			for i, item := range items {
				inner, _ := item.(map[string]any)
				eachOf(k, f.Element.Fields, inner, at+"["+strconv.Itoa(i)+"]", fn)
			}
		}
	}
}

// place is what a secret is sealed for.
func place(id ID, path string) string { return id.Key() + " " + path }

// encode gives what the registry stores of a document.
func (c codec) encode(d Document) ([]byte, error) {
	if t, ok := c.types.Lookup(d.Type()); ok && t.secrets && c.ring.Can() {
		d = d.Clone()
		eachOf(Secret, t.Fields, d.Properties, "properties", func(m map[string]any, name, path string) {
			if secret, ok := m[name].(string); ok {
				m[name] = map[string]any{sealedName: c.ring.Seal(place(d.ID, path), secret)}
			}
		})
	}
	return json.Marshal(d.declared())
}

// decode reads what the registry stored.
func (c codec) decode(e registry.Entry) (Document, error) {
	d, err := decode(e)
	if err != nil {
		return d, fault.Wrap(fault.Damaged, err, "The resource %s cannot be read.", e.ID)
	}
	t, ok := c.types.Lookup(d.Type())
	if ok && t.raw {
		if err := t.restore(&d, e.Body); err != nil {
			return d, fault.Wrap(fault.Damaged, err, "The resource %s cannot be read.", e.ID)
		}
	}
	if !ok || !t.secrets {
		return d, nil
	}
	eachOf(Secret, t.Fields, d.Properties, "properties", func(m map[string]any, name, path string) {
		box, ok := m[name].(map[string]any)
		if !ok || err != nil {
			return // of before secrets were sealed
		}
		text, _ := box[sealedName].(string)
		var secret string
		if secret, err = c.ring.Open(place(d.ID, path), text); err == nil {
			m[name] = secret
			return
		}
		err = fault.Wrap(fault.Damaged, err, "The secret %s of %s cannot be read: %s. Start the server with the key file it was sealed with (--secrets-key-file).", path, d.ID, err)
	})
	return d, err
}

// current says whether every secret of a stored document is sealed by the key that
// seals now.
func (c codec) current(e registry.Entry) bool {
	d, err := decode(e)
	t, ok := c.types.Lookup(d.Type())
	if err != nil || !ok || !t.secrets {
		return true
	}
	sound := true
	eachOf(Secret, t.Fields, d.Properties, "properties", func(m map[string]any, name, _ string) {
		box, _ := m[name].(map[string]any)
		text, _ := box[sealedName].(string)
		sound = sound && c.ring.Current(text)
	})
	return sound
}

// SealWith has secrets sealed from now on; it comes before Bind.
func (r *Registry) SealWith(ring seal.Ring) { r.codec.ring = ring }

// Readable says why a secret that is stored cannot be read, if one cannot.
func (r *Registry) Readable(ctx context.Context) error {
	var sealed []registry.Entry
	err := r.read(ctx, func(s *registry.State) { sealed = s.All() })
	for _, e := range sealed {
		if err != nil {
			break
		}
		_, err = r.decode(e)
	}
	return err
}

// Reseal writes every secret again that is stored in the clear or sealed by a key that
// is not the first of the ring, and says of how many resources. It works on the owner.
// Old forms stay in the journal until it is trimmed.
func (r *Registry) Reseal(ctx context.Context) (int, error) {
	if !r.codec.ring.Can() {
		return 0, nil
	}
	resealed := 0
	var refusal error
	err := r.unit.Call(ctx, func(t Turn) {
		resealed, refusal = r.reseal(t)
	})
	if err != nil {
		return 0, err
	}
	return resealed, refusal
}

func (r *Registry) reseal(t Turn) (n int, err error) {
	for _, e := range r.state.All() {
		if r.codec.current(e) {
			continue
		}
		d, err := r.codec.decode(e)
		if err != nil {
			return n, err
		}
		body, err := r.codec.encode(d)
		if err != nil {
			return n, fmt.Errorf("seal %s: %w", d.ID, err)
		}
		if err := r.record(t, registry.Put(t.Now(), e.ID, body)); err != nil {
			return n, err
		}
		n++
	}
	r.revealWith(t)
	return n, nil
}
