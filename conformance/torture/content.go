package torture

import (
	"bytes"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"weir/conformance/torture/ledger"
)

// bodyBytesMax is the largest body that is sent.
const bodyBytesMax = 4096

// bodyOf is the body that belongs to a message id: whoever reads it can tell
// whether it is whole.
func bodyOf(id string) []byte {
	h := fnv.New64a()
	h.Write([]byte(id))
	r := rand.New(rand.NewPCG(h.Sum64(), 0))
	body := make([]byte, 16+r.IntN(bodyBytesMax-16))
	for i := range body {
		body[i] = byte(r.Uint32())
	}
	return body
}

// markProperty is an application property that repeats the id.
const markProperty = "mark"

func message(id, session string) *azservicebus.Message {
	m := &azservicebus.Message{MessageID: &id, Body: bodyOf(id), ApplicationProperties: map[string]any{markProperty: id}}
	if session != "" {
		m.SessionID = &session
	}
	if len(m.Body)%3 == 0 {
		m.TimeToLive = to.Ptr(life)
	}
	return m
}

// life is how long some messages may live: longer than any lies there and the largest step of a
// clock together, so that none of them may ever expire.
const life = 30 * time.Minute

// delivery is what the ledger wants to know of a message that came.
func delivery(place string, dead bool, m *azservicebus.ReceivedMessage) ledger.Delivery {
	d := ledger.Delivery{Place: place, Dead: dead, ID: m.MessageID}
	if m.SequenceNumber != nil {
		d.Sequence = *m.SequenceNumber
	}
	if m.SessionID != nil {
		d.Session = *m.SessionID
	}
	if m.EnqueuedTime != nil {
		d.Stamp = m.EnqueuedTime.UnixMilli()
	}
	d.Intact = bytes.Equal(m.Body, bodyOf(m.MessageID)) && m.ApplicationProperties[markProperty] == any(m.MessageID)
	return d
}
