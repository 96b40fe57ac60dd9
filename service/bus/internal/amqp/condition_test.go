package amqp

import (
	"errors"
	"testing"

	"weir/kernel/fault"
	wire "weir/wire/amqp"
)

func TestEveryKindHasACondition(t *testing.T) {
	for _, kind := range fault.Kinds() {
		if _, ok := answers[kind]; !ok {
			t.Errorf("%v has no line: decide what clients shall see and add it to answers", kind)
		}
	}
}

func TestWireErrorShowsSentencesOnly(t *testing.T) {
	secret := errors.New("open /secret: denied")
	for _, c := range []struct {
		err         error
		condition   wire.Symbol
		description string
	}{
		{fault.New(fault.Timeout, "Nothing came."), "com.microsoft:timeout", "Nothing came."},
		{fault.Wrap(fault.NotFound, secret, "No such queue."), "amqp:not-found", "No such queue."},
		{secret, "amqp:internal-error", fault.Sentence(secret)},
		{&wire.Error{Condition: "x:y", Description: "z"}, "x:y", "z"},
	} {
		if e := wireError(c.err); e.Condition != c.condition || e.Description != c.description {
			t.Errorf("%v: got %v", c.err, e)
		}
	}
	if wireError(nil) != nil {
		t.Error("no error is no error")
	}
}
