package amqp

// Source is where a link's messages come from (part 3, 3.5.3). An empty Address
// is encoded as null.
type Source struct {
	Address               string
	Durable               uint32 // terminus-durability: 0 none, 1 configuration, 2 unsettled-state
	ExpiryPolicy          Symbol // empty: absent, which means session-end
	Timeout               uint32 // seconds
	Dynamic               bool
	DynamicNodeProperties Map
	DistributionMode      Symbol // "move", "copy" or empty
	Filter                Map
	DefaultOutcome        State
	Outcomes              []Symbol
	Capabilities          []Symbol
}

// Target is where a link's messages go (part 3, 3.5.4). An empty Address is
// encoded as null.
type Target struct {
	Address               string
	Durable               uint32
	ExpiryPolicy          Symbol
	Timeout               uint32 // seconds
	Dynamic               bool
	DynamicNodeProperties Map
	Capabilities          []Symbol
}

// Coordinator is the target of a link that controls transactions (part 4, 4.5.1).
type Coordinator struct{ Capabilities []Symbol }

// Declare is the body of a message that asks for a transaction (part 4, 4.5.2).
type Declare struct{ GlobalID any }

// Discharge is the body of a message that ends one (part 4, 4.5.3).
type Discharge struct {
	TxnID []byte
	Fail  bool
}

func (f *fields) source() *Source {
	b := f.raw()
	if b == nil {
		return nil
	}
	in, _ := openFields(b, DescSource, "source")
	s := &Source{
		Address:               in.string("address"),
		Durable:               in.uintOr(0, "durable"),
		ExpiryPolicy:          in.symbol("expiry-policy"),
		Timeout:               in.uintOr(0, "timeout"),
		Dynamic:               in.isTrue("dynamic"),
		DynamicNodeProperties: in.mapping("dynamic-node-properties"),
		DistributionMode:      in.symbol("distribution-mode"),
		Filter:                in.mapping("filter"),
		DefaultOutcome:        in.state(),
		Outcomes:              in.symbols("outcomes"),
		Capabilities:          in.symbols("capabilities"),
	}
	f.adopt(in.err)
	return s
}

func (w *fieldWriter) source(s *Source) {
	if s == nil {
		w.null()
		return
	}
	w.next()
	in := writeFields(w.dst, DescSource)
	in.stringUnlessEmpty(s.Address)
	in.uintUnless(0, s.Durable)
	in.symbol(s.ExpiryPolicy)
	in.uintUnless(0, s.Timeout)
	in.boolUnless(false, s.Dynamic)
	in.mapping(s.DynamicNodeProperties)
	in.symbol(s.DistributionMode)
	in.mapping(s.Filter)
	in.state(s.DefaultOutcome)
	in.symbols(s.Outcomes)
	in.symbols(s.Capabilities)
	w.dst = in.close()
}

// target reads an attach's target, which may be a coordinator.
func (f *fields) target() (*Target, *Coordinator) {
	b := f.raw()
	if b == nil {
		return nil, nil
	}
	if code, _, err := Descriptor(b); err == nil && code == DescCoordinator {
		in, _ := openFields(b, DescCoordinator, "coordinator")
		c := &Coordinator{Capabilities: in.symbols("capabilities")}
		f.adopt(in.err)
		return nil, c
	}
	in, _ := openFields(b, DescTarget, "target")
	t := &Target{
		Address:               in.string("address"),
		Durable:               in.uintOr(0, "durable"),
		ExpiryPolicy:          in.symbol("expiry-policy"),
		Timeout:               in.uintOr(0, "timeout"),
		Dynamic:               in.isTrue("dynamic"),
		DynamicNodeProperties: in.mapping("dynamic-node-properties"),
		Capabilities:          in.symbols("capabilities"),
	}
	f.adopt(in.err)
	return t, nil
}

func (w *fieldWriter) target(t *Target, c *Coordinator) {
	switch {
	case c != nil:
		w.next()
		in := writeFields(w.dst, DescCoordinator)
		in.symbols(c.Capabilities)
		w.dst = in.close()
	case t != nil:
		w.next()
		in := writeFields(w.dst, DescTarget)
		in.stringUnlessEmpty(t.Address)
		in.uintUnless(0, t.Durable)
		in.symbol(t.ExpiryPolicy)
		in.uintUnless(0, t.Timeout)
		in.boolUnless(false, t.Dynamic)
		in.mapping(t.DynamicNodeProperties)
		in.symbols(t.Capabilities)
		w.dst = in.close()
	default:
		w.null()
	}
}

// adopt takes over the error of a composite inside this one.
func (f *fields) adopt(err error) {
	if f.err == nil {
		f.err = err
	}
}

// Decode reads a declare.
func (d *Declare) Decode(b []byte) (rest []byte, err error) {
	f, rest := openFields(b, DescDeclare, "declare")
	d.GlobalID = f.any()
	return rest, f.err
}

// Append appends a declare.
func (d *Declare) Append(dst []byte) []byte {
	w := writeFields(dst, DescDeclare)
	w.any(d.GlobalID)
	return w.close()
}

// Decode reads a discharge.
func (d *Discharge) Decode(b []byte) (rest []byte, err error) {
	f, rest := openFields(b, DescDischarge, "discharge")
	*d = Discharge{TxnID: f.binary("txn-id"), Fail: f.isTrue("fail")}
	f.need(d.TxnID != nil, "txn-id")
	return rest, f.err
}

// Append appends a discharge.
func (d *Discharge) Append(dst []byte) []byte {
	w := writeFields(dst, DescDischarge)
	w.next()
	w.dst = AppendBinary(w.dst, d.TxnID)
	w.boolUnless(false, d.Fail)
	return w.close()
}
