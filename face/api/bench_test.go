package api

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"weir/kernel/resource"
)

// BenchmarkGet measures what reading one resource costs the server, whole: over a
// connection, with who asks and what they may; beside a handler that only answers as
// many bytes, which is what HTTP itself costs.
//
//	go test ./face/api -run xxx -bench Get -cpu 1
func BenchmarkGet(b *testing.B) {
	types, err := resource.NewTypes(shop()...)
	if err != nil {
		b.Fatal(err)
	}
	registry := resource.NewRegistry(types, nil)
	registry.Bind(&unit{})
	for _, id := range []string{at("/a"), at("/a/tables/t")} {
		if _, err := registry.Put(b.Context(), resource.Document{ID: resource.MustID(id)}, resource.Condition{}); err != nil {
			b.Fatal(err)
		}
	}
	none := func(http.ResponseWriter, *http.Request) {}
	door := New(b.Context(), Options{
		Registry: registry, Scope: theScope(), Token: "sesame", Live: none, Ready: none, Health: none, Metrics: http.HandlerFunc(none),
	})
	r := httptest.NewRequest("GET", at("/a"), nil)
	r.Header.Set("Authorization", "Bearer sesame")
	w := httptest.NewRecorder()
	door.ServeHTTP(w, r)
	body := w.Body.Bytes()
	b.Run("bare", func(b *testing.B) {
		over(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = w.Write(body)
		}))
	})
	b.Run("arm", func(b *testing.B) { over(b, door) })
	b.Run("arm without HTTP", func(b *testing.B) {
		for b.Loop() {
			door.ServeHTTP(httptest.NewRecorder(), r)
		}
	})
}

// over asks a handler over one connection, again and again.
func over(b *testing.B, h http.Handler) {
	server := httptest.NewServer(h)
	defer server.Close()
	r, err := http.NewRequestWithContext(b.Context(), "GET", server.URL+at("/a?api-version=2024-01-01"), nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer sesame")
	for b.Loop() {
		got, err := server.Client().Do(r)
		if err != nil || got.StatusCode != 200 {
			b.Fatal(got, err)
		}
		_, _ = io.Copy(io.Discard, got.Body)
		got.Body.Close()
	}
}
