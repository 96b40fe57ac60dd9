package bus

import (
	"strconv"
	"sync"
	"time"
)

// locksMax bounds how many deliveries are known.
const locksMax = 20_000

// delivery is a message under a lock that this process took.
type delivery struct {
	line    string
	entity  entity
	seq     int64
	id      string
	token   [16]byte
	session *session // nil: the message has a lock of its own
	settled bool
}

func (d *delivery) place() string {
	return d.line + "\x00" + d.entity.String() + "\x00" + strconv.FormatInt(d.seq, 10)
}

// locks knows deliveries: by their tokens, by where the message is, by its id. A message
// that came again is known by the tokens of all its deliveries.
type locks struct {
	mu      sync.Mutex
	tokens  map[string]string // token -> place
	places  map[string]*delivery
	ids     map[string]string // line and message id -> place
	history []string          // tokens, the oldest first
}

func (k *locks) add(d *delivery) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.tokens == nil {
		k.tokens, k.places, k.ids = map[string]string{}, map[string]*delivery{}, map[string]string{}
	}
	t := token(d.token)
	k.tokens[t], k.places[d.place()], k.ids[d.line+"\x00"+d.id] = d.place(), d, d.place()
	k.history = append(k.history, t)
	for len(k.history) > locksMax {
		k.forget(k.history[0])
		k.history = k.history[1:]
	}
}

// forget lets a token go, and its message when it has no newer one.
func (k *locks) forget(t string) {
	place := k.tokens[t]
	delete(k.tokens, t)
	if d := k.places[place]; d != nil && token(d.token) == t {
		delete(k.places, place)
		if k.ids[d.line+"\x00"+d.id] == place {
			delete(k.ids, d.line+"\x00"+d.id)
		}
	}
}

// byToken gives the newest delivery of the message that a token is of.
func (k *locks) byToken(t string) *delivery {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.places[k.tokens[t]]
}

// byID gives the newest delivery on a line of the message of an id.
func (k *locks) byID(line, id string) *delivery {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.places[k.ids[line+"\x00"+id]]
}

// newest gives the newest delivery of a message.
func (k *locks) newest(d *delivery) *delivery {
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := k.places[d.place()]; n != nil {
		return n
	}
	return d
}

// mark says that a delivery was settled, so that nobody does it again.
func (k *locks) mark(d *delivery) {
	k.mu.Lock()
	defer k.mu.Unlock()
	d.settled = true
}

func (k *locks) isSettled(d *delivery) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return d.settled
}

// lockLeast is how long a lock is taken to hold when nothing says it.
const lockLeast = 10 * time.Second
