package seal

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func ring(t *testing.T, bytesOf ...byte) Ring {
	t.Helper()
	var raw [][]byte
	for _, b := range bytesOf {
		raw = append(raw, bytes.Repeat([]byte{b}, keyBytes))
	}
	r, err := New(raw...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSealAndOpen(t *testing.T) {
	r := ring(t, 1)
	for _, secret := range []string{"", "a", "key==", strings.Repeat("ö", 1000)} {
		sealed := r.Seal("/q secret", secret)
		if len(secret) > 3 && strings.Contains(sealed, secret) {
			t.Errorf("%q shows in %q", secret, sealed)
		}
		if got, err := r.Open("/q secret", sealed); err != nil || got != secret {
			t.Errorf("%q came back as %q, %v", secret, got, err)
		}
		if again := r.Seal("/q secret", secret); again != sealed {
			t.Errorf("the same secret sealed twice gives %q and %q", sealed, again)
		}
		if _, err := r.Open("/other secret", sealed); err == nil {
			t.Errorf("%q opened in a place it was not sealed for", secret)
		}
	}
	if a, b := r.Seal("ab", "c"), r.Seal("a", "bc"); a[11:27] == b[11:27] {
		t.Error("two texts share a nonce")
	}
	if r.Seal("p", "one") == r.Seal("p", "two") || r.Seal("p", "one") == r.Seal("q", "one") {
		t.Error("different secrets or places look the same")
	}
}

func TestTampering(t *testing.T) {
	r := ring(t, 1)
	sealed := r.Seal("p", "secret")
	for i := range sealed {
		changed := []byte(sealed)
		changed[i] ^= 1
		if got, err := r.Open("p", string(changed)); err == nil && string(changed) != sealed {
			t.Errorf("with byte %d changed it opened as %q", i, got)
		}
	}
	for _, text := range []string{"", ".", "1.", "1..", "plain", "2." + sealed[2:], sealed[:len(sealed)-4]} {
		if _, err := r.Open("p", text); err == nil {
			t.Errorf("%q opened", text)
		}
	}
}

func TestKeysChange(t *testing.T) {
	old, both, next := ring(t, 1), ring(t, 2, 1), ring(t, 2)
	sealed := old.Seal("p", "secret")
	if got, err := both.Open("p", sealed); err != nil || got != "secret" {
		t.Errorf("the old key does not open any more: %q, %v", got, err)
	}
	if both.Current(sealed) || !both.Current(both.Seal("p", "secret")) {
		t.Error("it is not said what is to be sealed again")
	}
	_, err := next.Open("p", sealed)
	if err == nil || !strings.Contains(err.Error(), old.Names()[0]) {
		t.Errorf("without its key: %v", err)
	}
	if got, err := next.With(old).Open("p", sealed); err != nil || got != "secret" || next.With(old).Names()[0] != next.Names()[0] {
		t.Errorf("with the old ring behind: %q, %v", got, err)
	}
	derived, err := Derive([]byte("a secret of several nodes"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := derived.Open("p", derived.Seal("p", "x")); err != nil || got != "x" {
		t.Errorf("derived: %q, %v", got, err)
	}
}

func TestFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	var all sync.WaitGroup
	rings := make([]Ring, 4)
	for i := range rings {
		all.Go(func() {
			r, err := LoadOrMake(file)
			if err != nil {
				t.Error(err)
			}
			rings[i] = r
		})
	}
	all.Wait()
	if t.Failed() {
		return
	}
	for _, r := range rings[1:] {
		if r.Names()[0] != rings[0].Names()[0] {
			t.Error("processes that start together have different keys")
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info, err)
	}
	for _, bad := range []string{"", "# nothing\n", "short\n", strings.Repeat("A", 60) + "\n"} {
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOrMake(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	raw := bytes.Repeat([]byte{7}, keyBytes)
	r, err := New(raw)
	if err != nil {
		f.Fatal(err)
	}
	sealed := r.Seal("p", "secret")
	f.Add(sealed)
	f.Add("1.00000000.AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := r.Open("p", text); err == nil && text != sealed && r.Seal("p", got) != text {
			t.Fatalf("%q opened as %q and was never sealed", text, got)
		}
	})
}
