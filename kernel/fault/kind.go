package fault

import "strconv"

// Kind says what sort of failure it is. The number is stored and sent: append
// new kinds at the end, never reorder, never reuse.
type Kind int

const (
	None                  Kind = 0  // no failure
	Internal              Kind = 1  // a bug or an unforeseen failure: ours to mend
	Invalid               Kind = 2  // the request makes no sense: the caller must change it
	NotFound              Kind = 3  // the entity or resource does not exist
	AlreadyExists         Kind = 4  // it exists and the request was to create it
	Unauthorized          Kind = 5  // no credential, or one that is not valid
	Forbidden             Kind = 6  // a valid credential without the claim this needs
	Conflict              Kind = 7  // another change is under way, or the state does not allow this one
	PreconditionFailed    Kind = 8  // a condition the caller set (an ETag) does not hold
	Disabled              Kind = 9  // the entity's status forbids this
	QuotaExceeded         Kind = 10 // a size or count limit of the entity is reached
	TooLarge              Kind = 11 // one message, frame, body or document is over its limit
	LockLost              Kind = 12 // the message lock ran out or was given up
	SessionLockLost       Kind = 13 // the session lock ran out or was given up
	SessionUnavailable    Kind = 14 // the named session is locked by another receiver
	MessageNotFound       Kind = 15 // no message with that sequence number or id
	Timeout               Kind = 16 // nothing came of it within the time that was set
	Busy                  Kind = 17 // too much work waits: try again later
	NotOwner              Kind = 18 // this node does not own the unit (any more): try the owner
	Unavailable           Kind = 19 // the part that must answer is not reachable or still starting
	Unsupported           Kind = 20 // understood, and not offered
	Canceled              Kind = 21 // the caller gave up
	TransactionUnknown    Kind = 22 // no such transaction, or it has ended
	TransactionRolledBack Kind = 23 // the transaction could not be committed and left nothing behind
	FilterFailed          Kind = 24 // a filter or action could not be evaluated
	Damaged               Kind = 25 // stored state is not what was written; never folded on
	TooManyRequests       Kind = 26 // a rate limit of the caller is reached
	MethodNotAllowed      Kind = 27 // the thing exists and knows no such verb
	PayloadMissing        Kind = 28 // the index knows the message, its bytes can not be had
)

var kindNames = [...]string{
	None:                  "None",
	Internal:              "Internal",
	Invalid:               "Invalid",
	NotFound:              "NotFound",
	AlreadyExists:         "AlreadyExists",
	Unauthorized:          "Unauthorized",
	Forbidden:             "Forbidden",
	Conflict:              "Conflict",
	PreconditionFailed:    "PreconditionFailed",
	Disabled:              "Disabled",
	QuotaExceeded:         "QuotaExceeded",
	TooLarge:              "TooLarge",
	LockLost:              "LockLost",
	SessionLockLost:       "SessionLockLost",
	SessionUnavailable:    "SessionUnavailable",
	MessageNotFound:       "MessageNotFound",
	Timeout:               "Timeout",
	Busy:                  "Busy",
	NotOwner:              "NotOwner",
	Unavailable:           "Unavailable",
	Unsupported:           "Unsupported",
	Canceled:              "Canceled",
	TransactionUnknown:    "TransactionUnknown",
	TransactionRolledBack: "TransactionRolledBack",
	FilterFailed:          "FilterFailed",
	Damaged:               "Damaged",
	TooManyRequests:       "TooManyRequests",
	MethodNotAllowed:      "MethodNotAllowed",
	PayloadMissing:        "PayloadMissing",
}

// String returns the kind's stable name, or Kind(n) for a number this binary
// does not know.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "Kind(" + strconv.Itoa(int(k)) + ")"
	}
	return kindNames[k]
}

// ParseKind returns the kind with that stable name.
func ParseKind(name string) (Kind, bool) {
	for k, n := range kindNames {
		if n == name {
			return Kind(k), true
		}
	}
	return None, false
}

// Kinds returns every kind but None, in order of number: for tables that must
// have a line for each.
func Kinds() []Kind {
	all := make([]Kind, 0, len(kindNames)-1)
	for k := range kindNames[1:] {
		all = append(all, Kind(k+1))
	}
	return all
}
