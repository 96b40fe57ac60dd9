package filter

import "strings"

// Canonical names of the system properties, as Properties.System is asked for
// them, whatever spelling or alias the expression used.
const (
	SysContentType            = "ContentType"
	SysCorrelationID          = "CorrelationId"
	SysDeadLetterSource       = "DeadLetterSource"
	SysDeliveryCount          = "DeliveryCount"
	SysEnqueuedSequenceNumber = "EnqueuedSequenceNumber"
	SysEnqueuedTime           = "EnqueuedTimeUtc"
	SysExpiresAt              = "ExpiresAtUtc"
	SysForcePersistence       = "ForcePersistence"
	SysLabel                  = "Label"
	SysLockedUntil            = "LockedUntilUtc"
	SysLockToken              = "LockToken"
	SysMessageID              = "MessageId"
	SysPartitionKey           = "PartitionKey"
	SysReplyTo                = "ReplyTo"
	SysReplyToSessionID       = "ReplyToSessionId"
	SysScheduledEnqueueTime   = "ScheduledEnqueueTimeUtc"
	SysSequenceNumber         = "SequenceNumber"
	SysSessionID              = "SessionId"
	SysSize                   = "Size"
	SysState                  = "State"
	SysTimeToLive             = "TimeToLive"
	SysTo                     = "To"
	SysTransactionID          = "TransactionId"
	SysViaPartitionKey        = "ViaPartitionKey"
)

// systemProperty says what an action may assign to a property: a value of kind
// assign, or nothing at all when it is unknown (the zero kind).
type systemProperty struct {
	name   string
	assign kind
}

// systemProperties is keyed by the lower-case spelling. The newer client
// libraries renamed some properties; both names mean the same one.
var systemProperties = map[string]systemProperty{
	"contenttype":             {SysContentType, text},
	"correlationid":           {SysCorrelationID, text},
	"deadlettersource":        {SysDeadLetterSource, unknown},
	"deliverycount":           {SysDeliveryCount, unknown},
	"enqueuedsequencenumber":  {SysEnqueuedSequenceNumber, unknown},
	"enqueuedtime":            {SysEnqueuedTime, unknown},
	"enqueuedtimeutc":         {SysEnqueuedTime, unknown},
	"expiresat":               {SysExpiresAt, unknown},
	"expiresatutc":            {SysExpiresAt, unknown},
	"forcepersistence":        {SysForcePersistence, boolean},
	"label":                   {SysLabel, text},
	"subject":                 {SysLabel, text},
	"lockeduntil":             {SysLockedUntil, unknown},
	"lockeduntilutc":          {SysLockedUntil, unknown},
	"locktoken":               {SysLockToken, unknown},
	"messageid":               {SysMessageID, text},
	"partitionkey":            {SysPartitionKey, text},
	"replyto":                 {SysReplyTo, text},
	"replytosessionid":        {SysReplyToSessionID, text},
	"scheduledenqueuetime":    {SysScheduledEnqueueTime, instant},
	"scheduledenqueuetimeutc": {SysScheduledEnqueueTime, instant},
	"sequencenumber":          {SysSequenceNumber, unknown},
	"sessionid":               {SysSessionID, text},
	"size":                    {SysSize, unknown},
	"state":                   {SysState, unknown},
	"timetolive":              {SysTimeToLive, span},
	"to":                      {SysTo, text},
	"transactionid":           {SysTransactionID, unknown},
	"transactionpartitionkey": {SysViaPartitionKey, text},
	"viapartitionkey":         {SysViaPartitionKey, text},
}

// canonicalSystem gives the name to ask for. A name nobody knows is asked for as
// written, and evaluating it is the error the documentation promises.
func canonicalSystem(name string) string {
	if known, ok := systemProperties[strings.ToLower(name)]; ok {
		return known.name
	}
	return name
}
