package broker

import (
	"slices"

	"weir/wire/amqp"
)

// appendSalvaged writes how far a tail was brought back: head, source, through which
// row, and how many rows more got each verdict: number of pairs, then verdict and count.
func appendSalvaged(dst []byte, source string, through uint64, more [verdicts]uint64) []byte {
	dst = appendText(appendHead(dst, factSalvaged), source)
	return appendCounts(appendNumber(dst, through), more)
}

func appendCounts(dst []byte, counts [verdicts]uint64) []byte {
	pairs := 0
	for _, n := range counts {
		if n > 0 {
			pairs++
		}
	}
	dst = appendNumber(dst, uint64(pairs))
	for v, n := range counts {
		if n > 0 {
			dst = appendNumber(append(dst, byte(v)), n)
		}
	}
	return dst
}

func (r *reader) counts() (counts [verdicts]uint64) {
	for range r.count() {
		v, n := r.byte(), r.number()
		if v == 0 || v >= verdicts {
			r.fail()
			return counts
		}
		counts[v] += n
	}
	return counts
}

func (b *Broker) foldSalvaged(r *reader) error {
	source, through := r.text(), r.number()
	more := r.counts()
	if r.bad {
		return badFact("how far a tail was brought back is cut off or not understood")
	}
	s := b.salvageOf(source)
	if s == nil {
		if len(b.salvages) == salvagesMax {
			b.salvages = slices.Delete(b.salvages, 0, 1)
		}
		b.salvages = append(b.salvages, salvage{source: source})
		s = &b.salvages[len(b.salvages)-1]
	}
	if through <= s.through {
		return badFact("row %d of a tail is brought back after row %d", through, s.through)
	}
	s.through = through
	for v, n := range more {
		s.counts[v] += n
	}
	return r.end(factSalvaged)
}

func (w *saving) salvages() {
	w.number(uint64(len(w.b.salvages)))
	for _, s := range w.b.salvages {
		w.dst = appendText(w.dst, s.source)
		w.number(s.through)
		w.dst = appendCounts(w.dst, s.counts)
	}
}

func (r *restoring) salvages() {
	n := r.count()
	if n > salvagesMax {
		r.fail()
		return
	}
	for range n {
		s := salvage{source: r.text(), through: r.number()}
		s.counts = r.counts()
		r.broker.salvages = append(r.broker.salvages, s)
	}
}

// Arrivals calls fn for every new message that a fact stores, with the numbers of the
// entities it came to lie in or went through and its bytes. Facts of other kinds store
// none.
func Arrivals(fact []byte, fn func(entities []uint32, encoded []byte)) error {
	if len(fact) < factHeadBytes || factKind(fact[0]) != factStored {
		return nil
	}
	r := reader{b: fact[factHeadBytes:], whole: len(fact)}
	r.positive()
	total := r.number()
	n := r.count()
	if r.bad || total > uint64(len(r.b)) {
		return badFact("the head of stored messages is cut off")
	}
	payloads := fact[len(fact)-int(total):]
	var entities []uint32
	for range n {
		flags := r.number()
		if flags&storedSession != 0 {
			r.bytes()
		}
		if flags&storedIDs != 0 {
			for range r.count() {
				r.small()
				r.bytes()
			}
		}
		if flags&storedOrigin != 0 {
			r.positive()
		}
		var encoded []byte
		if flags&storedPayload != 0 {
			length := r.number()
			if length > uint64(len(payloads)) {
				r.fail()
			} else {
				encoded, payloads = payloads[:length], payloads[length:]
			}
		}
		entities = entities[:0]
		for range r.count() {
			entities = append(entities, uint32(r.number()>>2))
			x := placed{flags: r.number(), seq: r.positive()}
			if x.flags != 0 && x.flags != placePassed {
				r.placementFields(&x, 0)
			}
		}
		if r.bad {
			return badFact("stored messages are cut off or not understood")
		}
		if encoded != nil {
			fn(entities, encoded)
		}
	}
	return nil
}

// IDOf returns the message id and the partition key of an encoded message, as they are
// compared; "" for none.
func IDOf(encoded []byte) (id, partition string) {
	msg, err := amqp.ScanMessage(encoded)
	if err != nil {
		return "", ""
	}
	v := view{message: msg, scanned: true, encoded: encoded}
	id, _ = idOrNil(v.props().MessageID).(string)
	partition, _ = v.annotation("x-opt-partition-key").(string)
	return id, partition
}
