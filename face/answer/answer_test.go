package answer

import (
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"weir/kernel/fault"
	"weir/kernel/resource"
)

func TestEveryKindOfFaultHasAMeaning(t *testing.T) {
	for _, kind := range fault.Kinds() {
		if m, ok := meanings[kind]; !ok || m.status < 400 || m.code == "" {
			t.Errorf("%s has no HTTP status", kind)
		}
	}
}

// A refusal keeps its kind and its code over the wire between nodes, and loses its cause.
func TestRefusalsComeBack(t *testing.T) {
	locked := resource.Problems{{Kind: fault.Conflict, Code: "ScopeLocked", Sentence: "It is locked."}}.Fault()
	for _, c := range []struct {
		err    error
		status int
		code   string
	}{
		{fault.Wrap(fault.NotFound, errors.New("private"), "It is gone."), 404, "ResourceNotFound"},
		{Coded("ResourceGroupNotFound", fault.New(fault.NotFound, "The group is gone.")), 404, "ResourceGroupNotFound"},
		{locked, 409, "ScopeLocked"},
		{errors.New("private"), 500, "InternalServerError"},
		{fault.New(fault.Busy, "Later."), 503, "ServerBusy"},
	} {
		w := httptest.NewRecorder()
		Refuse(w, httptest.NewRequest("GET", "/x", nil), slog.New(slog.DiscardHandler), "t", c.err)
		if w.Code != c.status || !strings.Contains(w.Body.String(), `"code":"`+c.code+`"`) || strings.Contains(w.Body.String(), "private") {
			t.Errorf("%v: %d %s", c.err, w.Code, w.Body)
		}
		back := FaultOf(w.Code, w.Header(), w.Body.Bytes())
		if fault.KindOf(back) != fault.KindOf(c.err) || fault.Sentence(back) != fault.Sentence(c.err) || Code(back) != c.code {
			t.Errorf("%v came back as %v with the code %s", c.err, back, Code(back))
		}
	}
	if err := Coded("X", nil); err != nil {
		t.Error(err)
	}
}
