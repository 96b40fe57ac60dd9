package amqp

// Decode reads a transfer; rest is the payload.
func (t *Transfer) Decode(b []byte) (rest []byte, err error) {
	f, rest := openFields(b, DescTransfer, "transfer")
	*t = Transfer{
		Handle:             f.needUint("handle"),
		DeliveryID:         f.uint("delivery-id"),
		DeliveryTag:        f.binary("delivery-tag"),
		MessageFormat:      f.uint("message-format"),
		Settled:            f.bool("settled"),
		More:               f.isTrue("more"),
		ReceiverSettleMode: mode(&f, ReceiverSecond, "rcv-settle-mode"),
		State:              f.state(),
		Resume:             f.isTrue("resume"),
		Aborted:            f.isTrue("aborted"),
		Batchable:          f.isTrue("batchable"),
	}
	return rest, f.err
}

// Append appends a transfer, without its payload.
func (t *Transfer) Append(dst []byte) []byte {
	w := writeFields(dst, DescTransfer)
	w.uint(t.Handle)
	w.optUint(t.DeliveryID)
	w.binary(t.DeliveryTag)
	w.optUint(t.MessageFormat)
	if t.Settled.Set {
		w.bool(t.Settled.Value)
	} else {
		w.null()
	}
	w.boolUnless(false, t.More)
	writeMode(&w, t.ReceiverSettleMode)
	w.state(t.State)
	w.boolUnless(false, t.Resume)
	w.boolUnless(false, t.Aborted)
	w.boolUnless(false, t.Batchable)
	return w.close()
}

// Decode reads a disposition.
func (d *Disposition) Decode(b []byte) (rest []byte, err error) {
	f, rest := openFields(b, DescDisposition, "disposition")
	role := f.bool("role")
	f.need(role.Set, "role")
	*d = Disposition{
		Role:      Role(role.Value),
		First:     f.needUint("first"),
		Last:      f.uint("last"),
		Settled:   f.isTrue("settled"),
		State:     f.state(),
		Batchable: f.isTrue("batchable"),
	}
	return rest, f.err
}

// Append appends a disposition.
func (d *Disposition) Append(dst []byte) []byte {
	w := writeFields(dst, DescDisposition)
	w.bool(bool(d.Role))
	w.uint(d.First)
	w.optUint(d.Last)
	w.boolUnless(false, d.Settled)
	w.state(d.State)
	w.boolUnless(false, d.Batchable)
	return w.close()
}
