package fault_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"weir/kernel/fault"
)

func TestSentenceNeverShowsTheCause(t *testing.T) {
	err := error(fault.Wrap(fault.NotFound, io.ErrUnexpectedEOF, "Queue %q does not exist.", "orders"))
	err = fmt.Errorf("attach link 7: %w", err)

	if got, want := fault.Sentence(err), `Queue "orders" does not exist.`; got != want {
		t.Errorf("Sentence = %q, want %q", got, want)
	}
	if strings.Contains(err.Error(), "EOF") {
		t.Errorf("the text shows the private cause: %q", err)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause can not be found by errors.Is")
	}
	if got, want := fault.Detail(err), `attach link 7: Queue "orders" does not exist.: unexpected EOF`; got != want {
		t.Errorf("Detail = %q, want %q", got, want)
	}
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("KindOf = %v, want NotFound", fault.KindOf(err))
	}
}

func TestDetailFollowsFaultsInsideFaults(t *testing.T) {
	inner := fault.Wrap(fault.Damaged, io.EOF, "Record 7 is damaged.")
	outer := fault.Wrap(fault.Unavailable, inner, "The namespace can not be opened.")
	want := "The namespace can not be opened.: Record 7 is damaged.: EOF"
	if got := fault.Detail(outer); got != want {
		t.Errorf("Detail = %q, want %q", got, want)
	}
	if fault.KindOf(outer) != fault.Unavailable {
		t.Errorf("KindOf = %v, want that of the outermost fault", fault.KindOf(outer))
	}
}

func TestForeignAndNilErrors(t *testing.T) {
	foreign := errors.New("open /var/lib/secret: denied")
	if got := fault.KindOf(foreign); got != fault.Internal {
		t.Errorf("KindOf(foreign) = %v", got)
	}
	if got := fault.Sentence(foreign); strings.Contains(got, "secret") {
		t.Errorf("Sentence(foreign) = %q leaks", got)
	}
	if fault.KindOf(nil) != fault.None || fault.Sentence(nil) != "" || fault.Detail(nil) != "" {
		t.Error("nil must be None, without text")
	}
}

// The numbers are stored and sent: this list may only grow at its end.
func TestKindsAreStable(t *testing.T) {
	const names = "Internal Invalid NotFound AlreadyExists Unauthorized Forbidden Conflict PreconditionFailed Disabled " +
		"QuotaExceeded TooLarge LockLost SessionLockLost SessionUnavailable MessageNotFound Timeout Busy NotOwner " +
		"Unavailable Unsupported Canceled TransactionUnknown TransactionRolledBack FilterFailed Damaged TooManyRequests " +
		"MethodNotAllowed PayloadMissing"
	for i, name := range strings.Fields(names) {
		k := fault.Kind(i + 1)
		if k.String() != name {
			t.Errorf("kind %d is named %s, was %s", i+1, k, name)
		}
		if parsed, ok := fault.ParseKind(name); !ok || parsed != k {
			t.Errorf("ParseKind(%s) = %v, %v", name, parsed, ok)
		}
	}
	if got, want := len(fault.Kinds()), len(strings.Fields(names)); got != want {
		t.Errorf("%d kinds, this test knows %d: add the new ones at its end", got, want)
	}
	if _, ok := fault.ParseKind("Nonsense"); ok || fault.Kind(999).String() != "Kind(999)" {
		t.Error("unknown kinds must be told apart")
	}
}
