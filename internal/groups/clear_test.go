package groups_test

import (
	"strings"
	"testing"

	"weir/internal/groups"
)

// A token that others could read on its way is warned about, once for each address.
func TestATokenInTheClear(t *testing.T) {
	var said strings.Builder
	groups.WarnOf(&said, []groups.Location{
		{Name: "west", Token: "t", Admin: []string{"http://127.0.0.1:8080", "http://[::1]:8080", "http://localhost:8080", "https://west.example.com:8443"}},
		{Name: "east", Token: "t", Admin: []string{"http://east.example.com:8080", "http://10.0.0.7:8080"}},
		{Name: "nobody", Admin: []string{"http://nobody.example.com:8080"}},
	})
	text := said.String()
	if strings.Count(text, "Warning:") != 2 || !strings.Contains(text, "http://east.example.com:8080") || !strings.Contains(text, "http://10.0.0.7:8080") {
		t.Errorf("said %q", text)
	}
}
