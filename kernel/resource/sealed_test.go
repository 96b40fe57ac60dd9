package resource

import (
	"bytes"
	"strings"
	"testing"

	"weir/internal/seal"
	"weir/kernel/fault"
)

func testRing(t *testing.T, bytesOf ...byte) seal.Ring {
	t.Helper()
	var raw [][]byte
	for _, b := range bytesOf {
		raw = append(raw, bytes.Repeat([]byte{b}, 32))
	}
	r, err := seal.New(raw...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// store is a document with a secret in an object.
func secretStore(pin string) Document {
	return Document{ID: MustID("/subscriptions/s/resourceGroups/g/providers/Test.Shop/stores/north"),
		Properties: map[string]any{"city": "Ulm", "owner": map[string]any{"name": "Ada", "pin": pin}}}
}

func pinOf(t *testing.T, d Document) any {
	t.Helper()
	owner, _ := d.Properties["owner"].(map[string]any)
	return owner["pin"]
}

func stored(u *fakeUnit) string {
	var all strings.Builder
	for _, f := range u.facts {
		all.Write(f)
	}
	return all.String()
}

func TestSecretsAreSealed(t *testing.T) {
	r, u := newShop(t)
	r.SealWith(testRing(t, 1))
	first, err := r.Put(t.Context(), secretStore("81726354"), Condition{})
	if err != nil {
		t.Fatal(err)
	}
	if text := stored(u) + string(r.Snapshot(nil)); strings.Contains(text, "81726354") || !strings.Contains(text, sealedName) {
		t.Errorf("the secret lies open in the journal or the snapshot: %s", text)
	}
	d, err := r.Get(t.Context(), first.Document.ID)
	if err != nil || pinOf(t, d) != "81726354" || pinOf(t, first.Document) != "81726354" {
		t.Errorf("read back as %v, %v", d.Properties, err)
	}
	again, err := r.Put(t.Context(), secretStore("81726354"), Condition{})
	if err != nil || again.Changed {
		t.Errorf("putting what is there already changed it: %+v, %v", again, err)
	}
	patched, err := r.Patch(t.Context(), d.ID, []byte(`{"properties":{"state":"Closed"}}`), Condition{})
	if err != nil || pinOf(t, patched.Document) != "81726354" || strings.Contains(stored(u), "81726354") {
		t.Errorf("patched: %v, %v", patched.Document.Properties, err)
	}
}

func TestSecretsAreSealedAgain(t *testing.T) {
	r, u := newShop(t)
	if _, err := r.Put(t.Context(), secretStore("81726354"), Condition{}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(stored(u), "81726354") {
		t.Fatal("without a ring the secret should be stored as it is")
	}
	for _, step := range []struct {
		ring   seal.Ring
		wanted int
	}{
		{testRing(t, 1), 1},
		{testRing(t, 1), 0},
		{testRing(t, 2, 1), 1},
		{testRing(t, 2), 0},
	} {
		r.SealWith(step.ring)
		if err := r.Readable(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, err := r.Reseal(t.Context()); err != nil || n != step.wanted {
			t.Fatalf("sealed %d again, %v; want %d", n, err, step.wanted)
		}
		if d, err := r.Get(t.Context(), secretStore("").ID); err != nil || pinOf(t, d) != "81726354" {
			t.Fatalf("%v, %v", d.Properties, err)
		}
	}
	if snapshot := string(r.Snapshot(nil)); strings.Contains(snapshot, "81726354") {
		t.Errorf("the snapshot still has it: %s", snapshot)
	}
}

// What cannot be read is not taken for what is not there: it would be made anew.
func TestSecretsWithoutTheirKey(t *testing.T) {
	r, u := newShop(t)
	r.SealWith(testRing(t, 1))
	if _, err := r.Put(t.Context(), secretStore("81726354"), Condition{}); err != nil {
		t.Fatal(err)
	}
	facts := len(u.facts)
	r.SealWith(testRing(t, 9))
	_, get := r.Get(t.Context(), secretStore("").ID)
	_, put := r.Put(t.Context(), secretStore("1111"), Condition{})
	_, resealed := r.Reseal(t.Context())
	for what, err := range map[string]error{"get": get, "put": put, "reseal": resealed, "readable": r.Readable(t.Context())} {
		if !fault.Is(err, fault.Damaged) || !strings.Contains(err.Error(), "--secrets-key-file") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(u.facts) != facts {
		t.Error("something was written")
	}
}
