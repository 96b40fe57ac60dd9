package ledger

import (
	"weir/kernel/fault"
	"weir/service/workflow/internal/run"
)

// Owner is which location decides, as far as the journal tells.
type Owner struct {
	Location string
	// Before is the location that decided before this one, empty when there was none.
	Before string
	Since  int64 // when this one began, unix microseconds
	Epoch  uint64
}

// Owner tells which location decides.
func (l *Ledger) Owner() Owner { return l.owner }

// Own records that an ownership begins.
func (l *Ledger) Own(t Turn, location string, epoch uint64) {
	f := begin(factOwned, t.Now())
	f.text(location[:min(len(location), nameBytesMax)])
	f.number(epoch)
	l.record(t, f, nil)
}

func (l *Ledger) foldOwned(f *folding) error {
	location, epoch := f.text(), f.number()
	if l.owner.Location != location {
		l.owner = Owner{Location: location, Before: l.owner.Location, Since: f.now}
	}
	l.owner.Epoch = epoch
	return nil
}

// secretBytesMax bounds the unit's secret.
const secretBytesMax = 64

// Secret is what the unit signs addresses with, nil when there is none yet. It belongs to
// the ledger.
func (l *Ledger) Secret() []byte { return l.secret }

// SetSecret records the unit's secret. There is one, for ever: addresses that were given
// away must stay good.
func (l *Ledger) SetSecret(t Turn, secret []byte) error {
	if l.secret != nil || len(secret) == 0 || len(secret) > secretBytesMax {
		return fault.New(fault.Conflict, "The unit has a secret already, or this one has not 1 to %d bytes.", secretBytesMax)
	}
	f := begin(factSecret, t.Now())
	f.text(string(secret))
	l.record(t, f, nil)
	return nil
}

func (l *Ledger) foldSecret(f *folding) error {
	l.secret = []byte(f.text())
	return nil
}

// Keys are the generations of a workflow's two keys.
type Keys struct{ Primary, Secondary uint64 }

// RegenerateKey begins the next generation of one of a workflow's keys.
func (l *Ledger) RegenerateKey(t Turn, name string, secondary bool) error {
	w, err := l.named(name)
	if err != nil {
		return err
	}
	f := begin(factKey, t.Now())
	f.number(w.Number)
	f.flag(secondary)
	l.record(t, f, nil)
	return nil
}

func (l *Ledger) foldKey(f *folding) error {
	w, err := l.flow(f)
	if err != nil {
		return err
	}
	if f.flag() {
		w.Keys.Secondary++
	} else {
		w.Keys.Primary++
	}
	return nil
}

// Bounds of a trigger's notes.
const (
	notesMax     = 50
	noteBytesMax = 2048
)

// Note is a firing that started no run, or several alike in a row.
type Note struct {
	Status        run.Status
	Code, Message string
	Tracking      string
	Began, Done   int64 // unix microseconds: of the first, of the last
	Times         int
}

// NoteFiring records a firing that started no run. Those alike in a row are one note; the
// newest are kept.
func (l *Ledger) NoteFiring(t Turn, workflow, trigger string, n Note) error {
	w, err := l.named(workflow)
	if err != nil {
		return err
	}
	if trigger == "" || len(trigger)+len(n.Code)+len(n.Tracking) > 4*nameBytesMax || !n.Status.Ended() {
		return fault.New(fault.Invalid, "A firing of '%s' has no status, or names that are too long.", w.Name)
	}
	if len(n.Message) > noteBytesMax {
		n.Message = n.Message[:noteBytesMax]
	}
	f := begin(factNoted, t.Now())
	f.number(w.Number)
	f.text(trigger)
	f.b = append(f.b, byte(n.Status))
	f.text(n.Code)
	f.text(n.Message)
	f.text(n.Tracking)
	f.signed(n.Began)
	l.record(t, f, nil)
	return nil
}

func (l *Ledger) foldNoted(f *folding) error {
	w, err := l.flow(f)
	if err != nil {
		return err
	}
	name := f.text()
	n := Note{Status: run.Status(f.byte()), Code: f.text(), Message: f.text(), Tracking: f.text(), Began: f.signed(), Done: f.now, Times: 1}
	if f.bad {
		return badFact("a note of a trigger is cut off")
	}
	t := w.trigger(name)
	if last := len(t.Notes) - 1; last >= 0 {
		if x := &t.Notes[last]; x.Status == n.Status && x.Code == n.Code && x.Message == n.Message {
			x.Done, x.Tracking = n.Done, n.Tracking
			x.Times++
			return nil
		}
	}
	t.Notes = append(t.Notes, n)
	if over := len(t.Notes) - notesMax; over > 0 {
		t.Notes = append([]Note(nil), t.Notes[over:]...)
	}
	return nil
}

// snapshot of what is the unit's own.
func (w *writer) unit(l *Ledger) {
	w.text(l.owner.Location)
	w.text(l.owner.Before)
	w.signed(l.owner.Since)
	w.number(l.owner.Epoch)
	w.text(string(l.secret))
}

func (r *restoring) unit() {
	r.l.owner = Owner{Location: r.text(), Before: r.text(), Since: r.signed(), Epoch: r.number()}
	if secret := r.bytes(); len(secret) > 0 {
		r.l.secret = append([]byte(nil), secret...)
	}
}

func (w *writer) notes(notes []Note) {
	w.number(uint64(len(notes)))
	for _, n := range notes {
		w.b = append(w.b, byte(n.Status))
		w.text(n.Code)
		w.text(n.Message)
		w.text(n.Tracking)
		w.signed(n.Began)
		w.signed(n.Done)
		w.number(uint64(n.Times))
	}
}

func (r *restoring) notes() (notes []Note) {
	for range r.count() {
		notes = append(notes, Note{Status: run.Status(r.byte()), Code: r.text(), Message: r.text(), Tracking: r.text(), Began: r.signed(), Done: r.signed(), Times: int(r.word())})
	}
	return notes
}
