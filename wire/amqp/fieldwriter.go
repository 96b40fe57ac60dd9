package amqp

// fieldWriter writes the fields of one composite; nulls at the end are never
// written.
type fieldWriter struct {
	dst   []byte
	start int // of the list's head
	count int // fields written
	nulls int // nulls not written yet
}

// writeFields appends the descriptor and starts the list.
func writeFields(dst []byte, descriptor uint64) fieldWriter {
	dst = append(dst, CodeDescribed, CodeSmallUlong, byte(descriptor))
	dst, start := openCompound(dst)
	return fieldWriter{dst: dst, start: start}
}

// close ends the list and returns everything appended.
func (w *fieldWriter) close() []byte { return closeList(w.dst, w.start, w.count) }

func (w *fieldWriter) null() { w.nulls++ }

// next writes the nulls that stand before a field that is not null.
func (w *fieldWriter) next() {
	for range w.nulls {
		w.dst = append(w.dst, CodeNull)
	}
	w.count += w.nulls + 1
	w.nulls = 0
}

func (w *fieldWriter) uint(v uint32) {
	w.next()
	w.dst = AppendUint(w.dst, v)
}

// uintUnless writes v, or null when it is the default.
func (w *fieldWriter) uintUnless(fallback, v uint32) { w.optUint(Optional[uint32]{v, v != fallback}) }

func (w *fieldWriter) optUint(v Optional[uint32]) {
	if !v.Set {
		w.null()
		return
	}
	w.uint(v.Value)
}

func (w *fieldWriter) ulongUnless(fallback, v uint64) {
	if v == fallback {
		w.null()
		return
	}
	w.next()
	w.dst = AppendUlong(w.dst, v)
}

func (w *fieldWriter) optUshort(v Optional[uint16]) {
	if !v.Set {
		w.null()
		return
	}
	w.next()
	w.dst = append(w.dst, CodeUshort, byte(v.Value>>8), byte(v.Value))
}

func (w *fieldWriter) ubyte(v uint8) {
	w.next()
	w.dst = append(w.dst, CodeUbyte, v)
}

func writeMode[T ~uint8](w *fieldWriter, v Optional[T]) {
	if !v.Set {
		w.null()
		return
	}
	w.ubyte(uint8(v.Value))
}

func (w *fieldWriter) bool(v bool) {
	w.next()
	w.dst = AppendBool(w.dst, v)
}

// boolUnless writes v, or null when it is the default.
func (w *fieldWriter) boolUnless(fallback, v bool) {
	if v == fallback {
		w.null()
		return
	}
	w.bool(v)
}

func (w *fieldWriter) string(v string) {
	w.next()
	w.dst = AppendString(w.dst, v)
}

// stringUnlessEmpty writes v, or null when it is empty.
func (w *fieldWriter) stringUnlessEmpty(v string) { w.optString(Optional[string]{v, v != ""}) }

func (w *fieldWriter) optString(v Optional[string]) {
	if !v.Set {
		w.null()
		return
	}
	w.string(v.Value)
}

func (w *fieldWriter) symbol(v Symbol) { w.optSymbol(Optional[Symbol]{v, v != ""}) }

func (w *fieldWriter) optSymbol(v Optional[Symbol]) {
	if !v.Set {
		w.null()
		return
	}
	w.next()
	w.dst = AppendSymbol(w.dst, v.Value)
}

func (w *fieldWriter) timestamp(v Optional[Timestamp]) {
	if !v.Set {
		w.null()
		return
	}
	w.next()
	w.dst = AppendTimestamp(w.dst, v.Value)
}

func (w *fieldWriter) binary(v []byte) {
	if v == nil {
		w.null()
		return
	}
	w.next()
	w.dst = AppendBinary(w.dst, v)
}

func (w *fieldWriter) any(v any) {
	if v == nil {
		w.null()
		return
	}
	w.next()
	w.dst = AppendValue(w.dst, v)
}

func (w *fieldWriter) mapping(v Map) {
	if v == nil {
		w.null()
		return
	}
	w.next()
	w.dst = appendMap(w.dst, v)
}

// symbols writes an array; nil is null. One symbol is an array too, which every
// peer understands.
func (w *fieldWriter) symbols(v []Symbol) {
	if v == nil {
		w.null()
		return
	}
	w.next()
	w.dst = AppendValue(w.dst, v)
}

func (w *fieldWriter) state(v State) {
	if v == nil {
		w.null()
		return
	}
	w.next()
	w.dst = v.appendState(w.dst)
}

func (w *fieldWriter) error(v *Error) {
	if v == nil {
		w.null()
		return
	}
	w.next()
	w.dst = v.Append(w.dst)
}
