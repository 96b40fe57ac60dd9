package trigger

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"weir/kernel/fault"
)

// memoryVersion is that of what this program writes. It reads those before.
const memoryVersion = 1

// memoryBytesMax bounds what a trigger remembers; the ledger takes no more.
const memoryBytesMax = 500 << 10

// memory is what a trigger remembers in the ledger. Which fields count depends on its
// type; zero fields are left out.
type memory struct {
	Version int `json:"v"`
	// Location is where it was recorded.
	Location string `json:"location,omitempty"`
	// Print tells what declaration it is of.
	Print string `json:"print,omitempty"`
	// Base is where counting begins, Next the next time, End the end of the last window.
	Base time.Time `json:"base,omitzero"`
	Next time.Time `json:"next,omitzero"`
	End  time.Time `json:"end,omitzero"`
	// Off says that it was disabled when it was recorded.
	Off bool `json:"off,omitempty"`
	// Cursor is what the last look gave, Keys the items that may come again.
	Cursor cursor   `json:"cursor,omitzero"`
	Keys   []keyed  `json:"keys,omitempty"`
	Hook   *hooked  `json:"hook,omitempty"`
	Batch  *batched `json:"batch,omitempty"`
	Serial uint64   `json:"serial,omitempty"`

	read string    // as it was read or recorded last
	due  time.Time // as it was read
}

// cursor is what a connector gave. Text stays text, so that a large one does not grow.
type cursor []byte

// MarshalJSON writes text as a string and anything else as the bytes of an object.
func (c cursor) MarshalJSON() ([]byte, error) {
	if utf8.Valid(c) {
		return json.Marshal(string(c))
	}
	return json.Marshal(map[string][]byte{"bytes": c})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (c *cursor) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var s string
		err := json.Unmarshal(data, &s)
		*c = cursor(s)
		return err
	}
	var o struct {
		Bytes []byte `json:"bytes"`
	}
	err := json.Unmarshal(data, &o)
	*c = o.Bytes
	return err
}

// keyed is an item that has runs: the first one's name, and how many there are.
type keyed struct {
	Key   string    `json:"k"`
	First string    `json:"r"`
	Runs  int       `json:"n,omitempty"` // beyond the first
	At    time.Time `json:"t,omitzero"`
}

// recall reads the memory of a watch; an empty one when there is none.
func (w *watch) recall() (*memory, error) {
	info, err := w.t.m.Host.Trigger(w.workflow, w.trigger)
	if err != nil {
		return nil, err
	}
	mem, err := decode(info.Memory)
	if err == nil {
		mem.due = info.Due
	}
	return mem, err
}

func decode(data []byte) (*memory, error) {
	mem := &memory{read: string(data)}
	if len(data) == 0 {
		return mem, nil
	}
	if err := json.Unmarshal(data, mem); err != nil {
		return nil, fmt.Errorf("read what a trigger remembers: %w", err)
	}
	if mem.Version > memoryVersion {
		return nil, fmt.Errorf("what the trigger remembers is of version %d, which is newer than this program", mem.Version)
	}
	return mem, nil
}

// empty says that nothing was recorded yet.
func (mem *memory) empty() bool { return mem.read == "" }

func (mem *memory) encode() ([]byte, error) {
	mem.Version = memoryVersion
	data, err := json.Marshal(mem)
	if err == nil && len(data) > memoryBytesMax {
		err = fault.New(fault.TooLarge, "The trigger would have to remember %d bytes; at most %d are kept.", len(data), memoryBytesMax)
	}
	return data, err
}

func sorted(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
