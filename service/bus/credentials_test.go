package bus

import (
	"strings"
	"testing"
	"time"

	"weir/kernel/fault"
	"weir/kernel/identity"
)

// A signature is one whatever kind it is sent under, and a namespace that refuses
// keys refuses every one of them, the well-known one too.
func TestLocalAuthCanBeSwitchedOff(t *testing.T) {
	h := newHouse(t)
	h.put("Microsoft.ServiceBus/namespaces", "plenty", nil)
	h.await("readiness", func() bool { return h.bus.Ready() == nil && len(h.bus.Units()) == 1 })
	c := credentials{h.bus}
	near := identity.Peer{Loopback: true}
	token := identity.SignToken("sb://plenty/orders", "RootManageSharedAccessKey", "SAS_KEY_VALUE", time.Now().Add(time.Hour))
	h.await("the rules", func() bool {
		_, err := c.Token("plenty", "jwt", "sb://plenty/orders", token, near)
		return err == nil
	})
	if _, err := c.Token("plenty", "jwt", "sb://plenty/orders", "eyJhbGciOi", near); fault.KindOf(err) != fault.Unauthorized {
		t.Errorf("a token of another kind: %v", err)
	}
	h.put("Microsoft.ServiceBus/namespaces", "plenty", map[string]any{"disableLocalAuth": true})
	h.await("the refusal of tokens", func() bool {
		_, err := c.Token("plenty", "", "sb://plenty/orders", token, near)
		return fault.Is(err, fault.Unauthorized) && strings.Contains(fault.Sentence(err), "disableLocalAuth")
	})
	if _, err := c.Key("plenty", "RootManageSharedAccessKey", "SAS_KEY_VALUE", near); fault.KindOf(err) != fault.Unauthorized {
		t.Errorf("a key: %v", err)
	}
}
