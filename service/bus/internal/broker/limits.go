package broker

import "time"

// Limits of the service, as its quota page states them.
const (
	identityCharsMax   = 128      // message id, session id, partition key
	propertyBytesMax   = 32 << 10 // one property of a message
	headerBytesMax     = 64 << 10 // all properties and annotations of a message
	batchBytesMax      = 1 << 20  // the messages of one batch, whatever one message may have
	reasonCharsMax     = 4096     // dead-letter reason and description, each
	transferHopsMax    = 4        // forwards of one message
	txnMessagesMax     = 100      // messages sent in one transaction
	deleteMessagesMax  = 4000     // one batch delete
	receiversMax       = 5000     // open receivers of one entity
	peekMessagesMax    = 4096     // one browse
	sequencesMax       = 4096     // sequence numbers named in one command
	txnLifetime        = 2 * time.Minute
	lockDefault        = time.Minute
	deliveriesDefault  = 10
	sessionsListedMax  = 1000
	txnOperationsMax   = 1000 // operations held by one transaction
	transactionsMax    = 4096 // open transactions
	locksMax           = 1<<24 - 1
	grantsPerReceiver  = 16 // separate places in line; more credit joins the last
	pathsCachedMax     = 1 << 14
	fetchesMax         = 64      // payloads asked back at a time, for one mailbox
	fetchBytesMax      = 4 << 20 // and their bytes, when there is more than one
	forwardRetryMillis = 3000    // between tries at an unavailable destination
	fetchRetryMillis   = 10_000  // until bytes that never came are asked for again
	messageBytesMax    = 100 << 20
	txnBytesMax        = 64 << 20 // what one transaction may send: it is recorded in one turn
)

// Work that one turn does at most for one mailbox; what is left asks for a turn at
// once.
const (
	deliverPerTurn  = 4096
	expirePerTurn   = 1024 // locks and messages whose time has come
	activatePerTurn = 256
	forwardPerTurn  = 256
	forgetPerTurn   = 4096    // message ids out of the duplicate detection window
	buryPerFact     = 4       // segments of a removed entity, with each fact
	buryPerTick     = 256     // and with each tick
	factItemsMax    = 256     // messages named in one fact
	placementsMax   = 1 << 16 // copies in one plan, before forwarding them on waits for another turn
)
