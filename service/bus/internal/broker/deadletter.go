package broker

import "fmt"

// reason is why the broker itself buried a message. The number is stored; 0 is no
// reason, or one that a client gave.
type reason uint8

const (
	reasonTTL        reason = 1
	reasonDeliveries reason = 2
	reasonHops       reason = 3
	reasonNoSession  reason = 4
	reasonTransfer   reason = 5
	reasonFilter     reason = 6 // the description comes with the message's edit
	reasonAction     reason = 7 // likewise
	reasonNowhere    reason = 8
	reasonClosed     reason = 9
	reasonFull       reason = 10
)

// The application properties that say why a message was buried.
const (
	reasonProperty      = "DeadLetterReason"
	descriptionProperty = "DeadLetterErrorDescription"
)

// properties are the application properties a reason stands for.
func (r reason) properties(count uint32) []Property {
	name, text := "", ""
	switch r {
	case reasonTTL:
		name, text = "TTLExpiredException", "The message expired and was dead lettered."
	case reasonDeliveries:
		name, text = "MaxDeliveryCountExceeded", fmt.Sprintf("Message could not be consumed after %d delivery attempts.", count)
	case reasonHops:
		name, text = "MaxTransferHopCountExceeded", fmt.Sprintf("The maximum number of allowed hops when forwarding between queues has been exceeded. This value is set to %d.", transferHopsMax)
	case reasonNoSession:
		name, text = "Session ID is null", "Session enabled entity doesn't allow a message whose session identifier is null."
	case reasonTransfer:
		name, text = "TransferDestinationDisabled", "The destination of the transfer is disabled."
	case reasonNowhere:
		name, text = "ForwardDestinationNotFound", "The entity that messages are forwarded to does not exist."
	case reasonClosed:
		name, text = "ForwardDestinationDisabled", "The entity that messages are forwarded to is disabled for sending."
	case reasonFull:
		name, text = "ForwardDestinationFull", "The entity that messages are forwarded to has reached its maximum size."
	case reasonFilter:
		return []Property{{reasonProperty, "FilterException"}}
	case reasonAction:
		return []Property{{reasonProperty, "RuleActionException"}}
	}
	return []Property{{reasonProperty, name}, {descriptionProperty, text}}
}

// reasonsMax is one more than the highest reason.
const reasonsMax = 11

// buryMessage moves a message to the dead-letter queue of its entity, or on from
// there. edit replaces the message's edit when it is not nil.
func (b *Broker) buryMessage(t Turn, m *mailbox, seq int64, why reason, count uint32, edit *Edit) {
	p := b.newPlan()
	p.move(b, m, seq, func(l letter) error {
		l.hops, l.reason, l.due = 0, why, 0
		l.counted, l.count = count != l.count, count
		if edit != nil {
			l.edit, l.edited = edit, true
		}
		return b.routeDead(p, m.entity, l)
	})
	b.commit(t, p, nil)
}

// routeDead decides where a message goes that the entity buries: to its
// dead-letter queue, or straight to where that is forwarded.
func (b *Broker) routeDead(p *plan, e *entity, l letter) error {
	l.due, l.aged = 0, !l.travelled
	if to := e.def.ForwardDeadLettersTo; to != "" && !e.dead.backlog() && e.takesReceives() {
		on, before := l, p.mark()
		on.source = e.def.Name
		switch done, err := b.onward(p, e.dead, to, on, true); {
		case err == errBytesWanted:
			p.undo(before) // it waits in the dead-letter queue for its turn
		case err != nil || done:
			return err
		}
	}
	b.stay(p, e.dead, l)
	return nil
}
