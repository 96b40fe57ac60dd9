package arm

import (
	"net/http"
	"strings"
	"testing"

	"weir/kernel/fault"
	"weir/kernel/resource"
)

// What lies below a resource and is none is served by who knows it: asked about under its
// own name, noted, and refused as everything is.
func TestUnder(t *testing.T) {
	s := newStage(t, func(o *Options) {
		o.Under = map[string]Under{"test.shop/SHOPS": {
			Operation: func(method string, id resource.ID, rest []string) string {
				switch {
				case rest[0] == "orders" && method == http.MethodGet:
					return "Test.Shop/shops/orders/read"
				case rest[0] == "orders" && method == http.MethodPost:
					return "Test.Shop/shops/orders/cancel/action"
				}
				return ""
			},
			Serve: func(w http.ResponseWriter, r *http.Request, id resource.ID, rest []string) error {
				if len(rest) > 1 && rest[1] == "gone" {
					return fault.New(fault.NotFound, "There is no order gone.")
				}
				w.WriteHeader(http.StatusAccepted)
				_, err := w.Write([]byte(id.Name() + " " + strings.Join(rest, " ")))
				return err
			},
		}}
	})
	s.make(shop)
	s.gets(202, "corner orders 7 lines", "GET", shop+"/orders/7/lines", "")
	s.gets(202, "corner orders 7 cancel", "POST", shop+"/orders/7/cancel", "")
	s.gets(404, "There is no order gone.", "GET", shop+"/orders/gone", "")
	s.gets(404, "tables", "GET", shop+"/chairs/a", "") // not served: as ever
	s.gets(200, "[]", "GET", shop+"/tables", "")
	if len(s.noted) != 1 || s.noted[0].Action != "Test.Shop/shops/orders/cancel/action" || s.noted[0].Scope != shop {
		t.Errorf("noted %+v", s.noted)
	}
	s.deny = func(action, scope string) bool { return action == "Test.Shop/shops/orders/read" && scope == shop }
	s.gets(403, "AuthorizationFailed", "GET", shop+"/orders", "")
}
