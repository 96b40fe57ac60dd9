package run

import (
	"testing"

	"weir/kernel/journal/record"
	"weir/service/workflow/internal/expression"
)

// FuzzRead takes bytes for facts, and folds what can be read: damage is an error, never
// a panic.
func FuzzRead(f *testing.F) {
	s := newStage(f, estates[1])
	for _, e := range s.advance(Input{Event: Start, Trigger: expression.NewObject()}) {
		s.advance(Input{Event: Answered, At: e.At, Attempt: 1, Answer: Answer{Status: 503}})
	}
	head, payload := Append(nil, nil, s.facts[:1])
	f.Add(head, uint32(len(payload)))
	f.Add(s.s.Snapshot(nil), uint32(0))
	f.Fuzz(func(t *testing.T, data []byte, payloads uint32) {
		if facts, err := Read(data, record.Ref{At: 1, Len: payloads}); err == nil {
			folded := &State{}
			for _, x := range facts {
				if folded.Fold(1, x) != nil {
					break
				}
			}
		}
		restored := &State{}
		if restored.Restore(data) == nil {
			_ = restored.NextDue()
		}
	})
}
