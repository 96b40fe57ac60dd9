package amqp

// State is the state of a delivery at one end of a link: Received, Accepted,
// Rejected, Released, Modified, Declared, TransactionalState, or UnknownState
// for one this package does not know. A nil State is absent.
type State interface{ appendState(dst []byte) []byte }

// The delivery states of part 3 (3.4) and part 4 (4.5.5, 4.5.8).
type (
	// Received tells how much of a message arrived.
	Received struct {
		SectionNumber uint32
		SectionOffset uint64
	}
	// Accepted is the outcome of success.
	Accepted struct{}
	// Rejected is the outcome of an invalid or refused message.
	Rejected struct{ Error *Error }
	// Released is the outcome of a message not processed.
	Released struct{}
	// Modified is Released with changes for the next receiver.
	Modified struct {
		DeliveryFailed    bool
		UndeliverableHere bool
		Annotations       Map
	}
	// Declared answers Declare.
	Declared struct{ TxnID []byte }
	// TransactionalState binds work to a transaction.
	TransactionalState struct {
		TxnID   []byte
		Outcome State
	}
	// UnknownState is a described value that is none of the above.
	UnknownState struct{ Value *Described }
)

// The outcomes without fields, encoded.
var (
	acceptedBytes = []byte{CodeDescribed, CodeSmallUlong, byte(DescAccepted), CodeList0}
	releasedBytes = []byte{CodeDescribed, CodeSmallUlong, byte(DescReleased), CodeList0}
)

func (Accepted) appendState(dst []byte) []byte { return append(dst, acceptedBytes...) }

func (Released) appendState(dst []byte) []byte { return append(dst, releasedBytes...) }

func (s Received) appendState(dst []byte) []byte {
	w := writeFields(dst, DescReceived)
	w.uint(s.SectionNumber)
	w.next()
	w.dst = AppendUlong(w.dst, s.SectionOffset)
	return w.close()
}

func (s Rejected) appendState(dst []byte) []byte {
	w := writeFields(dst, DescRejected)
	w.error(s.Error)
	return w.close()
}

func (s Modified) appendState(dst []byte) []byte {
	w := writeFields(dst, DescModified)
	w.boolUnless(false, s.DeliveryFailed)
	w.boolUnless(false, s.UndeliverableHere)
	w.mapping(s.Annotations)
	return w.close()
}

func (s Declared) appendState(dst []byte) []byte { return appendBinaryOnly(dst, DescDeclared, s.TxnID) }

func (s TransactionalState) appendState(dst []byte) []byte {
	w := writeFields(dst, DescTransactionalState)
	w.next()
	w.dst = AppendBinary(w.dst, s.TxnID)
	w.state(s.Outcome)
	return w.close()
}

func (s UnknownState) appendState(dst []byte) []byte { return AppendValue(dst, s.Value) }

// AppendState appends a state that is not nil.
func AppendState(dst []byte, s State) []byte { return s.appendState(dst) }

// DecodeState decodes the state that b holds.
func DecodeState(b []byte) (State, error) { return decodeState(b, false) }

func (f *fields) state() State { return f.stateIn(false) }

// stateIn reads a state field; inTxn says that it belongs to a transactional state.
func (f *fields) stateIn(inTxn bool) State {
	b := f.raw()
	if b == nil {
		return nil
	}
	s, err := decodeState(b, inTxn)
	f.adopt(err)
	return s
}

func decodeState(b []byte, inTxn bool) (State, error) {
	code, list, err := Descriptor(b)
	if err == nil && inTxn && code == DescTransactionalState {
		err = Errorf(ErrDecode, "transactional states nest")
	}
	if err != nil {
		return nil, err
	}
	f := fields{name: "delivery-state"}
	switch code {
	case DescAccepted, DescReleased, DescReceived, DescRejected, DescModified, DescDeclared, DescTransactionalState:
		f.open(list)
	default:
		v, _, err := ReadValue(b)
		if err != nil {
			return nil, err
		}
		return UnknownState{Value: v.(*Described)}, nil
	}
	s := f.stateFields(code)
	return s, f.err
}

func (f *fields) stateFields(code uint64) State {
	switch code {
	case DescAccepted:
		return Accepted{}
	case DescReleased:
		return Released{}
	case DescReceived:
		s := Received{SectionNumber: f.needUint("section-number")}
		offset, set := f.number(^uint64(0), "section-offset")
		f.need(set, "section-offset")
		s.SectionOffset = offset
		return s
	case DescRejected:
		return Rejected{Error: f.errorField()}
	case DescModified:
		return Modified{
			DeliveryFailed:    f.isTrue("delivery-failed"),
			UndeliverableHere: f.isTrue("undeliverable-here"),
			Annotations:       f.mapping("message-annotations"),
		}
	case DescDeclared:
		s := Declared{TxnID: f.binary("txn-id")}
		f.need(s.TxnID != nil, "txn-id")
		return s
	default:
		s := TransactionalState{TxnID: f.binary("txn-id")}
		f.need(s.TxnID != nil, "txn-id")
		s.Outcome = f.stateIn(true)
		return s
	}
}
