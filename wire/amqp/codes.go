package amqp

// Format codes of the primitive types (part 1, section 1.6).
const (
	CodeDescribed  byte = 0x00
	CodeNull       byte = 0x40
	CodeTrue       byte = 0x41
	CodeFalse      byte = 0x42
	CodeUint0      byte = 0x43
	CodeUlong0     byte = 0x44
	CodeList0      byte = 0x45
	CodeUbyte      byte = 0x50
	CodeByte       byte = 0x51
	CodeSmallUint  byte = 0x52
	CodeSmallUlong byte = 0x53
	CodeSmallInt   byte = 0x54
	CodeSmallLong  byte = 0x55
	CodeBool       byte = 0x56
	CodeUshort     byte = 0x60
	CodeShort      byte = 0x61
	CodeUint       byte = 0x70
	CodeInt        byte = 0x71
	CodeFloat      byte = 0x72
	CodeChar       byte = 0x73
	CodeDecimal32  byte = 0x74
	CodeUlong      byte = 0x80
	CodeLong       byte = 0x81
	CodeDouble     byte = 0x82
	CodeTimestamp  byte = 0x83
	CodeDecimal64  byte = 0x84
	CodeDecimal128 byte = 0x94
	CodeUUID       byte = 0x98
	CodeVbin8      byte = 0xa0
	CodeStr8       byte = 0xa1
	CodeSym8       byte = 0xa3
	CodeVbin32     byte = 0xb0
	CodeStr32      byte = 0xb1
	CodeSym32      byte = 0xb3
	CodeList8      byte = 0xc0
	CodeMap8       byte = 0xc1
	CodeList32     byte = 0xd0
	CodeMap32      byte = 0xd1
	CodeArray8     byte = 0xe0
	CodeArray32    byte = 0xf0
)

// Descriptors of the composite types. All are in domain 0x00000000.
const (
	DescOpen        uint64 = 0x10
	DescBegin       uint64 = 0x11
	DescAttach      uint64 = 0x12
	DescFlow        uint64 = 0x13
	DescTransfer    uint64 = 0x14
	DescDisposition uint64 = 0x15
	DescDetach      uint64 = 0x16
	DescEnd         uint64 = 0x17
	DescClose       uint64 = 0x18

	DescError uint64 = 0x1d

	DescReceived uint64 = 0x23
	DescAccepted uint64 = 0x24
	DescRejected uint64 = 0x25
	DescReleased uint64 = 0x26
	DescModified uint64 = 0x27

	DescSource uint64 = 0x28
	DescTarget uint64 = 0x29

	DescCoordinator        uint64 = 0x30
	DescDeclare            uint64 = 0x31
	DescDischarge          uint64 = 0x32
	DescDeclared           uint64 = 0x33
	DescTransactionalState uint64 = 0x34

	DescSASLMechanisms uint64 = 0x40
	DescSASLInit       uint64 = 0x41
	DescSASLChallenge  uint64 = 0x42
	DescSASLResponse   uint64 = 0x43
	DescSASLOutcome    uint64 = 0x44

	DescHeader                uint64 = 0x70
	DescDeliveryAnnotations   uint64 = 0x71
	DescMessageAnnotations    uint64 = 0x72
	DescProperties            uint64 = 0x73
	DescApplicationProperties uint64 = 0x74
	DescData                  uint64 = 0x75
	DescSequence              uint64 = 0x76
	DescValue                 uint64 = 0x77
	DescFooter                uint64 = 0x78
)
