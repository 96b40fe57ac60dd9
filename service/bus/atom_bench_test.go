package bus

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"weir/kernel/resource"
)

// What a page of a list, and one entity, cost in a namespace of many entities.
func BenchmarkAdmin(b *testing.B) {
	const entities = 9_000
	h := newHouse(b)
	h.put(typeNamespace, "plenty", nil)
	docs := make([]resource.Document, entities)
	for i := range docs {
		id, err := resource.MustID(scope).Resource(typeQueue, fmt.Sprintf("plenty/q%05d", i))
		h.must(err)
		docs[i] = resource.Document{ID: id}
	}
	_, err := h.registry.PutAll(h.within(), docs)
	h.must(err)
	h.await("readiness", func() bool {
		return h.bus.Ready() == nil && len(h.bus.Units()) == 1 && h.bus.all()[0].rules.Load() != nil
	})
	h.must(h.bus.Applied(h.within(), docs[0].ID))
	for _, path := range []string{"/q00007?api-version=2021-05", "/$Resources/Queues?api-version=2021-05&$skip=5000&$top=100"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				r := httptest.NewRequest("GET", path, nil)
				r.Header.Set("Authorization", h.token("RootManageSharedAccessKey", "SAS_KEY_VALUE", path))
				w := httptest.NewRecorder()
				h.bus.ServeHTTP(w, r, Asked{Loopback: true})
				if w.Code != 200 {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
	b.Run("create", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			if status, said := h.asHTTP("RootManageSharedAccessKey", "SAS_KEY_VALUE", "PUT", fmt.Sprintf("/new%d?api-version=2021-05", b.N*1000000+i), adminQueue); status != 201 && status != 403 {
				b.Fatal(status, said)
			}
		}
	})
}
