package amqp

// Decode reads the mechanisms.
func (m *SASLMechanisms) Decode(b []byte) (rest []byte, err error) {
	f, rest := openFields(b, DescSASLMechanisms, "sasl-mechanisms")
	m.Mechanisms = f.symbols("sasl-server-mechanisms")
	f.need(m.Mechanisms != nil, "sasl-server-mechanisms")
	return rest, f.err
}

// Append appends the mechanisms.
func (m *SASLMechanisms) Append(dst []byte) []byte {
	w := writeFields(dst, DescSASLMechanisms)
	w.symbols(m.Mechanisms)
	return w.close()
}

// Decode reads an init.
func (i *SASLInit) Decode(b []byte) (rest []byte, err error) {
	f, rest := openFields(b, DescSASLInit, "sasl-init")
	mechanism, set := f.text("mechanism")
	f.need(set, "mechanism")
	*i = SASLInit{
		Mechanism:       Symbol(mechanism),
		InitialResponse: f.binary("initial-response"),
		Hostname:        f.string("hostname"),
	}
	return rest, f.err
}

// Append appends an init.
func (i *SASLInit) Append(dst []byte) []byte {
	w := writeFields(dst, DescSASLInit)
	w.next()
	w.dst = AppendSymbol(w.dst, i.Mechanism)
	w.binary(i.InitialResponse)
	w.stringUnlessEmpty(i.Hostname)
	return w.close()
}

// Decode reads a challenge.
func (c *SASLChallenge) Decode(b []byte) (rest []byte, err error) {
	c.Challenge, rest, err = decodeBinaryOnly(b, DescSASLChallenge, "sasl-challenge")
	return rest, err
}

// Append appends a challenge.
func (c *SASLChallenge) Append(dst []byte) []byte {
	return appendBinaryOnly(dst, DescSASLChallenge, c.Challenge)
}

// Decode reads a response.
func (r *SASLResponse) Decode(b []byte) (rest []byte, err error) {
	r.Response, rest, err = decodeBinaryOnly(b, DescSASLResponse, "sasl-response")
	return rest, err
}

// Append appends a response.
func (r *SASLResponse) Append(dst []byte) []byte {
	return appendBinaryOnly(dst, DescSASLResponse, r.Response)
}

// Decode reads an outcome.
func (o *SASLOutcome) Decode(b []byte) (rest []byte, err error) {
	f, rest := openFields(b, DescSASLOutcome, "sasl-outcome")
	code := mode(&f, SASLSysTemp, "code")
	f.need(code.Set, "code")
	*o = SASLOutcome{Code: code.Value, AdditionalData: f.binary("additional-data")}
	return rest, f.err
}

// Append appends an outcome.
func (o *SASLOutcome) Append(dst []byte) []byte {
	w := writeFields(dst, DescSASLOutcome)
	w.ubyte(uint8(o.Code))
	w.binary(o.AdditionalData)
	return w.close()
}

// decodeBinaryOnly reads a composite whose one field is a mandatory binary.
func decodeBinaryOnly(b []byte, descriptor uint64, name string) (v, rest []byte, err error) {
	f, rest := openFields(b, descriptor, name)
	v = f.binary("data")
	f.need(v != nil, "data")
	return v, rest, f.err
}

func appendBinaryOnly(dst []byte, descriptor uint64, v []byte) []byte {
	w := writeFields(dst, descriptor)
	w.next()
	w.dst = AppendBinary(w.dst, v)
	return w.close()
}
