// Package fault is the one error value that crosses Weir's boundaries: a stable
// kind, a sentence that is safe to show to anybody, and a private cause.
//
// Promises:
//
//  1. Error and Sentence never contain the cause. What a client reads can not
//     leak a path, a key or another tenant's name, however deep the failure was.
//  2. Kinds are numbered and named once: a number is never reused or reordered
//     and a name never changes, so both may be stored and sent.
//  3. A foreign error (one that is not a fault anywhere in its chain) is Internal
//     and has a generic sentence.
//  4. A nil error has kind None.
//
// Refuses: to know any protocol. AMQP conditions and HTTP statuses are mapped
// from kinds once each, by the packages that speak those protocols.
package fault

import (
	"errors"
	"fmt"
)

// Error is a failure told in one sentence.
type Error struct {
	// Kind says who must act and how.
	Kind Kind
	// Sentence is safe to show: it names what the caller named and nothing else.
	Sentence string
	// Cause is private: for logs, errors.Is and errors.As, never for a client.
	Cause error
}

// Error returns the sentence alone.
func (e *Error) Error() string { return e.Sentence }

// Unwrap returns the private cause.
func (e *Error) Unwrap() error { return e.Cause }

// New makes a fault without a cause. The formatted text is the sentence: give it
// only what the caller may see.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Sentence: fmt.Sprintf(format, args...)}
}

// Wrap makes a fault around a private cause. The cause does not enter the
// sentence.
func Wrap(kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Sentence: fmt.Sprintf(format, args...), Cause: cause}
}

// KindOf returns the kind of the outermost fault in err's chain: None for nil,
// Internal when there is no fault in it.
func KindOf(err error) Kind {
	if err == nil {
		return None
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is reports whether err's kind is kind.
func Is(err error, kind Kind) bool { return KindOf(err) == kind }

// genericSentence is all a client learns of an error we did not foresee.
const genericSentence = "The request could not be completed because of an internal error."

// Sentence returns what may be shown of err: the sentence of the outermost fault
// in its chain, a generic one for a foreign error, nothing for nil.
func Sentence(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Sentence
	}
	return genericSentence
}

// Detail returns everything known of err, for logs: its text followed by the
// private causes that the text does not show.
func Detail(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	for {
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Cause == nil {
			return text
		}
		err = e.Cause
		text += ": " + err.Error()
	}
}
