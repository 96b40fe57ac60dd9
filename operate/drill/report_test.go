package drill

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"weir/operate/evidence"
	"weir/operate/orders"
)

func places(p *pair) map[string]Place {
	return map[string]Place{"west": &end{p, "west"}, "east": &end{p, "east"}}
}

// named finds an invariant by how it begins.
func named(r *evidence.Record, what string) *evidence.Invariant {
	for i := range r.Invariants {
		if strings.HasPrefix(r.Invariants[i].What, what) {
			return &r.Invariants[i]
		}
	}
	return nil
}

func TestTheReportIsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPair()
		p.auto = true
		r, err := rehearse(t.Context(), p, Isolation)
		if err != nil {
			t.Fatal(err)
		}
		r.Slices = []orders.Slice{{In: 1, Out: 2}, {In: 3}, {}}
		r.Group = `<script>"orders"</script>`
		var page, text bytes.Buffer
		if err := errors.Join(HTML(&page, r, "abcd"), Text(&text, r)); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(page.String(), "<script>") || strings.Contains(page.String(), "http") {
			t.Error("the page runs or fetches something")
		}
		for i, e := range r.Events {
			if !strings.Contains(page.String(), fmt.Sprintf("<tr><td>%d</td>", i+1)) || strings.Count(page.String(), ">"+fmt.Sprint(i+1)+"</text>") == 0 {
				t.Errorf("event %d (%s) is not on the page", i+1, e.What)
			}
		}
		begin, end := strings.Index(page.String(), "<svg"), strings.Index(page.String(), "</svg>")
		if err := xml.Unmarshal(page.Bytes()[begin:end+len("</svg>")], new(struct{})); err != nil {
			t.Errorf("the picture is not well-formed: %v", err)
		}
		if n := strings.Count(text.String(), "held"); n < len(r.Invariants) {
			t.Errorf("the text says\n%s", text.String())
		}
	})
}
