package bus

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"weir/kernel/resource"
)

// What is read of the changes alone is what all documents say, whatever was put and
// deleted in between.
func TestEntitiesByTheirChanges(t *testing.T) {
	h := newHouse(t)
	ns := h.put(typeNamespace, "plenty", nil)
	c := newCatalog(h.bus, &space{id: ns})
	random := rand.New(rand.NewPCG(1, 2))
	name := func() string { return fmt.Sprint("e", random.IntN(3)) }
	for step := range 300 {
		var typ, names string
		var properties map[string]any
		switch random.IntN(4) {
		case 0:
			typ, names, properties = typeQueue, "plenty/q"+name(), map[string]any{"maxDeliveryCount": int64(1 + random.IntN(9))}
		case 1:
			typ, names = typeTopic, "plenty/t"+name()
		case 2:
			typ, names = typeSubscription, "plenty/t"+name()+"/"+name()
		case 3:
			typ, names, properties = typeRule, "plenty/t"+name()+"/"+name()+"/"+name(), map[string]any{"sqlFilter": map[string]any{"sqlExpression": fmt.Sprint("a = ", random.IntN(5))}}
		}
		id, err := resource.MustID(scope).Resource(typ, names)
		h.must(err)
		if random.IntN(4) == 0 {
			_ = h.registry.Delete(h.within(), id, resource.Condition{}) // it may not be there
		} else {
			_, _ = h.registry.Put(h.within(), resource.Document{ID: id, Properties: properties}, resource.Condition{}) // its parent may not be there
		}
		if random.IntN(3) == 0 {
			continue // several changes at once
		}
		docs, _, err := h.registry.ListUnder(h.within(), ns, "")
		h.must(err)
		want, err := definitions(docs)
		h.must(err)
		got, err := c.Entities(h.within())
		h.must(err)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("step %d: %+v\nwant %+v", step, got, want)
		}
	}
}
