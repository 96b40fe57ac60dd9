package amqp

// Roles of a link's end, as in attach and disposition: true is the receiver.
type Role bool

// The two ends of a link.
const (
	RoleSender   Role = false
	RoleReceiver Role = true
)

// String returns "sender" or "receiver".
func (r Role) String() string {
	if r == RoleReceiver {
		return "receiver"
	}
	return "sender"
}

// SenderSettleMode says whether deliveries are sent settled (part 2, 2.8.2).
type SenderSettleMode uint8

// The sender settle modes.
const (
	SenderUnsettled SenderSettleMode = 0
	SenderSettled   SenderSettleMode = 1
	SenderMixed     SenderSettleMode = 2
)

// ReceiverSettleMode says who settles first (part 2, 2.8.3).
type ReceiverSettleMode uint8

// The receiver settle modes.
const (
	ReceiverFirst  ReceiverSettleMode = 0
	ReceiverSecond ReceiverSettleMode = 1
)

// Open is the first frame of a connection (part 2, 2.7.1). MaxFrameSize 0 is
// encoded as absent; Decode turns an absent one into 4294967295.
type Open struct {
	ContainerID         string
	Hostname            string
	MaxFrameSize        uint32 // bytes
	ChannelMax          uint16 // highest channel number; Decode: 65535 when absent
	IdleTimeout         uint32 // milliseconds; 0 is none
	OutgoingLocales     []Symbol
	IncomingLocales     []Symbol
	OfferedCapabilities []Symbol
	DesiredCapabilities []Symbol
	Properties          Map
}

// Begin starts a session on a channel (part 2, 2.7.2). HandleMax 0 allows
// handle 0 only; Decode gives 4294967295 when it is absent.
type Begin struct {
	RemoteChannel       Optional[uint16]
	NextOutgoingID      uint32
	IncomingWindow      uint32 // transfer frames
	OutgoingWindow      uint32 // transfer frames
	HandleMax           uint32
	OfferedCapabilities []Symbol
	DesiredCapabilities []Symbol
	Properties          Map
}

// Attach attaches a link to a session (part 2, 2.7.3). At most one of Target
// and Coordinator is set. A sender must say its InitialDeliveryCount; Decode
// accepts one that does not.
type Attach struct {
	Name                 string
	Handle               uint32
	Role                 Role
	SenderSettleMode     Optional[SenderSettleMode]
	ReceiverSettleMode   Optional[ReceiverSettleMode]
	Source               *Source
	Target               *Target
	Coordinator          *Coordinator
	Unsettled            Map // nil when absent
	IncompleteUnsettled  bool
	InitialDeliveryCount Optional[uint32]
	MaxMessageSize       uint64 // bytes; 0 is no limit
	OfferedCapabilities  []Symbol
	DesiredCapabilities  []Symbol
	Properties           Map
}

// Flow updates a session's and, with a Handle, a link's flow state (part 2, 2.7.4).
type Flow struct {
	NextIncomingID Optional[uint32]
	IncomingWindow uint32
	NextOutgoingID uint32
	OutgoingWindow uint32
	Handle         Optional[uint32]
	DeliveryCount  Optional[uint32]
	LinkCredit     Optional[uint32]
	Available      Optional[uint32]
	Drain          bool
	Echo           bool
	Properties     Map
}

// Transfer carries a message or a part of one (part 2, 2.7.5). The payload
// follows the performative in the frame.
type Transfer struct {
	Handle             uint32
	DeliveryID         Optional[uint32]
	DeliveryTag        []byte // nil when absent
	MessageFormat      Optional[uint32]
	Settled            Optional[bool]
	More               bool
	ReceiverSettleMode Optional[ReceiverSettleMode]
	State              State
	Resume             bool
	Aborted            bool
	Batchable          bool
}

// Disposition tells the state of a range of deliveries (part 2, 2.7.6).
type Disposition struct {
	Role      Role
	First     uint32
	Last      Optional[uint32]
	Settled   bool
	State     State
	Batchable bool
}

// Detach detaches a link, for good when Closed (part 2, 2.7.7).
type Detach struct {
	Handle uint32
	Closed bool
	Error  *Error
}

// End ends a session (part 2, 2.7.8).
type End struct{ Error *Error }

// Close ends a connection (part 2, 2.7.9).
type Close struct{ Error *Error }

// SASLMechanisms offers mechanisms (part 5, 5.3.3.1).
type SASLMechanisms struct{ Mechanisms []Symbol }

// SASLInit selects a mechanism (part 5, 5.3.3.2). A nil InitialResponse is absent.
type SASLInit struct {
	Mechanism       Symbol
	InitialResponse []byte
	Hostname        string
}

// SASLChallenge is a question of the server (part 5, 5.3.3.3).
type SASLChallenge struct{ Challenge []byte }

// SASLResponse answers a challenge (part 5, 5.3.3.4).
type SASLResponse struct{ Response []byte }

// SASLOutcome ends the SASL dialogue (part 5, 5.3.3.6).
type SASLOutcome struct {
	Code           SASLCode
	AdditionalData []byte
}

// SASLCode is the result of a SASL dialogue (part 5, 5.3.3.6).
type SASLCode uint8

// The SASL outcome codes.
const (
	SASLOK      SASLCode = 0
	SASLAuth    SASLCode = 1 // authentication failed
	SASLSys     SASLCode = 2 // system error
	SASLSysPerm SASLCode = 3 // permanent system error
	SASLSysTemp SASLCode = 4 // transient system error
)
