package broker

// texts keeps each distinct session id (and the few other names that messages
// share) once, counted, by number. 0 is no text; the empty text has a number.
type texts struct {
	numbers map[string]uint32
	slab    slab[text, *text]
}

type text struct {
	s    string
	refs uint32
	next uint32
}

func (t *text) link() *uint32 { return &t.next }

// keep returns the text's number with one more reference.
func (t *texts) keep(s string) uint32 {
	n, ok := t.numbers[s]
	if !ok {
		n = t.enter(s)
	}
	t.slab.at(n).refs++
	return n
}

// keepBytes is keep for bytes that are about to be overwritten.
func (t *texts) keepBytes(s []byte) uint32 {
	n, ok := t.numbers[string(s)]
	if !ok {
		n = t.enter(string(s))
	}
	t.slab.at(n).refs++
	return n
}

func (t *texts) enter(s string) uint32 {
	if t.numbers == nil {
		t.numbers = map[string]uint32{}
	}
	n, item := t.slab.add()
	item.s = s
	t.numbers[s] = n
	return n
}

// find returns the number of a text that is kept, 0 of one that is not.
func (t *texts) find(s string) uint32 { return t.numbers[s] }

// again adds a reference to a kept text.
func (t *texts) again(n uint32) uint32 {
	if n != 0 {
		t.slab.at(n).refs++
	}
	return n
}

// drop takes a reference away; the last one takes the text with it.
func (t *texts) drop(n uint32) {
	if n == 0 {
		return
	}
	item := t.slab.at(n)
	item.refs--
	if item.refs > 0 {
		return
	}
	delete(t.numbers, item.s)
	if len(t.numbers) == 0 {
		t.numbers = nil // a map does not shrink by itself
	}
	t.slab.drop(n)
}

// get returns the text with that number, "" of 0.
func (t *texts) get(n uint32) string {
	if n == 0 {
		return ""
	}
	return t.slab.at(n).s
}
