package journal

import (
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
)

// replies is where the answers to all our requests arrive: one subscription, and
// for each caller an address below it. It ends with the connection.
type replies struct {
	prefix string

	mu   sync.Mutex
	next uint64
	to   map[string]func(detail string, m *nats.Msg)
}

// listen subscribes on nc.
func listen(nc *nats.Conn) (*replies, error) {
	r := &replies{prefix: nc.NewInbox() + ".", to: map[string]func(string, *nats.Msg){}}
	sub, err := nc.Subscribe(r.prefix+">", r.dispatch)
	if err != nil {
		return nil, err
	}
	// Every request bounds what it asks for, so this need not be bounded again.
	return r, sub.SetPendingLimits(-1, -1)
}

// open gives a new address. fn gets every answer sent to it, or to any address
// below it with what is below as detail. It is called on one goroutine for all
// addresses and must not block.
func (r *replies) open(fn func(detail string, m *nats.Msg)) (address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	token := strconv.FormatUint(r.next, 36)
	r.to[token] = fn
	return r.prefix + token
}

// shut ends an address. Answers still under way to it are dropped.
func (r *replies) shut(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.to, address[len(r.prefix):])
}

func (r *replies) dispatch(m *nats.Msg) {
	token, detail, _ := strings.Cut(m.Subject[len(r.prefix):], ".")
	r.mu.Lock()
	fn := r.to[token]
	r.mu.Unlock()
	if fn != nil {
		fn(detail, m)
	}
}
