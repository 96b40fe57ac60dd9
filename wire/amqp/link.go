package amqp

// Decode reads an attach.
func (a *Attach) Decode(b []byte) (rest []byte, err error) {
	f, rest := openFields(b, DescAttach, "attach")
	*a = Attach{}
	name, set := f.text("name")
	f.need(set, "name")
	a.Name = name
	a.Handle = f.needUint("handle")
	role := f.bool("role")
	f.need(role.Set, "role")
	a.Role = Role(role.Value)
	a.SenderSettleMode = mode(&f, SenderMixed, "snd-settle-mode")
	a.ReceiverSettleMode = mode(&f, ReceiverSecond, "rcv-settle-mode")
	a.Source = f.source()
	a.Target, a.Coordinator = f.target()
	a.Unsettled = f.mapping("unsettled")
	a.IncompleteUnsettled = f.isTrue("incomplete-unsettled")
	a.InitialDeliveryCount = f.uint("initial-delivery-count")
	a.MaxMessageSize, _ = f.number(^uint64(0), "max-message-size")
	a.OfferedCapabilities = f.symbols("offered-capabilities")
	a.DesiredCapabilities = f.symbols("desired-capabilities")
	a.Properties = f.mapping("properties")
	return rest, f.err
}

// Append appends an attach.
func (a *Attach) Append(dst []byte) []byte {
	w := writeFields(dst, DescAttach)
	w.string(a.Name)
	w.uint(a.Handle)
	w.bool(bool(a.Role))
	writeMode(&w, a.SenderSettleMode)
	writeMode(&w, a.ReceiverSettleMode)
	w.source(a.Source)
	w.target(a.Target, a.Coordinator)
	w.mapping(a.Unsettled)
	w.boolUnless(false, a.IncompleteUnsettled)
	w.optUint(a.InitialDeliveryCount)
	w.ulongUnless(0, a.MaxMessageSize)
	w.symbols(a.OfferedCapabilities)
	w.symbols(a.DesiredCapabilities)
	w.mapping(a.Properties)
	return w.close()
}

// Decode reads a detach.
func (d *Detach) Decode(b []byte) (rest []byte, err error) {
	f, rest := openFields(b, DescDetach, "detach")
	*d = Detach{
		Handle: f.needUint("handle"),
		Closed: f.isTrue("closed"),
		Error:  f.errorField(),
	}
	return rest, f.err
}

// Append appends a detach.
func (d *Detach) Append(dst []byte) []byte {
	w := writeFields(dst, DescDetach)
	w.uint(d.Handle)
	w.boolUnless(false, d.Closed)
	w.error(d.Error)
	return w.close()
}

// Decode reads a flow.
func (l *Flow) Decode(b []byte) (rest []byte, err error) {
	f, rest := openFields(b, DescFlow, "flow")
	*l = Flow{
		NextIncomingID: f.uint("next-incoming-id"),
		IncomingWindow: f.needUint("incoming-window"),
		NextOutgoingID: f.needUint("next-outgoing-id"),
		OutgoingWindow: f.needUint("outgoing-window"),
		Handle:         f.uint("handle"),
		DeliveryCount:  f.uint("delivery-count"),
		LinkCredit:     f.uint("link-credit"),
		Available:      f.uint("available"),
		Drain:          f.isTrue("drain"),
		Echo:           f.isTrue("echo"),
		Properties:     f.mapping("properties"),
	}
	return rest, f.err
}

// Append appends a flow.
func (l *Flow) Append(dst []byte) []byte {
	w := writeFields(dst, DescFlow)
	w.optUint(l.NextIncomingID)
	w.uint(l.IncomingWindow)
	w.uint(l.NextOutgoingID)
	w.uint(l.OutgoingWindow)
	w.optUint(l.Handle)
	w.optUint(l.DeliveryCount)
	w.optUint(l.LinkCredit)
	w.optUint(l.Available)
	w.boolUnless(false, l.Drain)
	w.boolUnless(false, l.Echo)
	w.mapping(l.Properties)
	return w.close()
}
