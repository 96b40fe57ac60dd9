package replica

import (
	"testing"
	"time"
)

func TestOnlyBusyUnitsWaitForCompany(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		what   string
		before int
		facts  int
		opened time.Time
		waits  bool
	}{
		{"a lone caller", 1, 1, now, false},
		{"the first of a crowd", 0, 1, now, false},
		{"one of a crowd", companyFrom, 1, now, true},
		{"enough", companyFrom, companyEnough, now, false},
		{"for too long", companyFrom, 1, now.Add(-companyWithin), false},
		{"nothing to send", companyFrom, 0, time.Time{}, false},
	} {
		k := newCompany()
		k.left(c.before)
		if got := k.expected(c.facts, c.opened); got != c.waits {
			t.Errorf("%s: waits %t", c.what, got)
		}
		if c.waits {
			<-k.timer.C // or the batch would stay for ever
		}
	}
}
