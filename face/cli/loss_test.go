package cli

import (
	"strings"
	"testing"

	"weir/internal/groups"
)

// What is expected to be lost says what nobody can know.
func TestWhatALossMayBe(t *testing.T) {
	for want, loss := range map[string]groups.Loss{
		"not known":                           {},
		"up to 12.0 s of accepted work more":  {Known: true, Messages: 7, Seconds: 12, UnknownSeconds: 12},
		"acknowledges nothing that is not he": {Known: true, Seconds: 12},
	} {
		if got := lossText(loss); !strings.Contains(got, want) {
			t.Errorf("%+v: %s", loss, got)
		}
	}
}
