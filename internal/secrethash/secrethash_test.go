package secrethash

import (
	"crypto/rand"
	"strings"
	"testing"
)

func TestMatches(t *testing.T) {
	h, err := New("correct horse", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := New("correct horse", rand.Reader)
	if h == again || strings.Contains(h, "horse") || !Sound(h) {
		t.Errorf("%s and %s", h, again)
	}
	if !Matches(h, "correct horse") || Matches(h, "correct horsf") || Matches(h, "") {
		t.Error("it matches what it should not, or not what it should")
	}
	parts := strings.Split(h, "$")
	for _, bad := range []string{"", "x", "md5$1$a$b", strings.Join([]string{parts[0], "999999999", parts[2], parts[3]}, "$"), strings.Join([]string{parts[0], "0", parts[2], parts[3]}, "$"), strings.Join(append(parts, "x"), "$"), strings.Join([]string{parts[0], parts[1], "", parts[3]}, "$")} {
		if Sound(bad) || Matches(bad, "correct horse") {
			t.Errorf("%q is a hash", bad)
		}
	}
	if _, err := New(strings.Repeat("a", secretMax+1), rand.Reader); err == nil {
		t.Error("a secret without end is hashed")
	}
}
