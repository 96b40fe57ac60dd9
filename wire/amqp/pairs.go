package amqp

import (
	"bytes"
	"iter"
)

// Pairs collects encoded keys and values for a map. The zero value is empty and
// ready; Reset lets the memory be used again.
type Pairs struct {
	encoded []byte
	count   int // pairs
}

// Reset empties p.
func (p *Pairs) Reset() { p.encoded, p.count = p.encoded[:0], 0 }

// Len returns the number of pairs.
func (p *Pairs) Len() int { return p.count }

// Add adds any key and value.
func (p *Pairs) Add(key, value any) {
	p.count++
	p.encoded = AppendValue(AppendValue(p.encoded, key), value)
}

// AddEncoded adds a string key and a value that is encoded already.
func (p *Pairs) AddEncoded(key string, value []byte) {
	p.count++
	p.encoded = append(AppendString(p.encoded, key), value...)
}

// AddString adds a string key and a string.
func (p *Pairs) AddString(key, value string) {
	p.count++
	p.encoded = AppendString(AppendString(p.encoded, key), value)
}

// SymbolLong adds a symbol key and a long.
func (p *Pairs) SymbolLong(key Symbol, v int64) { p.encoded = AppendLong(p.symbol(key), v) }

// SymbolInt adds a symbol key and an int.
func (p *Pairs) SymbolInt(key Symbol, v int32) { p.encoded = AppendInt(p.symbol(key), v) }

// SymbolTime adds a symbol key and a timestamp.
func (p *Pairs) SymbolTime(key Symbol, v Timestamp) { p.encoded = AppendTimestamp(p.symbol(key), v) }

// SymbolString adds a symbol key and a string.
func (p *Pairs) SymbolString(key Symbol, v string) { p.encoded = AppendString(p.symbol(key), v) }

// SymbolUUID adds a symbol key and a uuid.
func (p *Pairs) SymbolUUID(key Symbol, v UUID) { p.encoded = AppendUUID(p.symbol(key), v) }

func (p *Pairs) symbol(key Symbol) []byte {
	p.count++
	return AppendSymbol(p.encoded, key)
}

// pair is one encoded entry of a map.
type pair struct {
	name []byte // text of a key that is a string or a symbol, else nil
	key  []byte // as encoded
	raw  []byte // key and value as encoded
}

// value returns the encoded value.
func (p pair) value() []byte { return p.raw[len(p.key):] }

// named says whether the key is the string or the symbol name.
func (p pair) named(name string) bool { return p.name != nil && string(p.name) == name }

// keyName returns the text of an encoded string or symbol, or nil.
func keyName(key []byte) []byte {
	switch key[0] {
	case CodeStr8, CodeSym8:
		return key[2:]
	case CodeStr32, CodeSym32:
		return key[5:]
	}
	return nil
}

// pairsIn iterates over the first count pairs that items holds.
func pairsIn(items []byte, count int) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		for range count {
			k, err := Skip(items)
			if err != nil {
				yield(pair{}, err)
				return
			}
			v, err := Skip(items[k:])
			if err != nil {
				yield(pair{}, err)
				return
			}
			p := pair{key: items[:k], raw: items[:k+v]}
			p.name = keyName(p.key)
			if !yield(p, nil) {
				return
			}
			items = items[k+v:]
		}
	}
}

// sectionPairs returns the pairs of a map section; an absent one has none.
func sectionPairs(section []byte) (items []byte, count int, err error) {
	if section == nil {
		return nil, 0, nil
	}
	_, value, err := Descriptor(section)
	if err != nil {
		return nil, 0, err
	}
	switch {
	case len(value) > 0 && value[0] == CodeNull:
		return nil, 0, nil
	case len(value) == 0 || value[0] != CodeMap8 && value[0] != CodeMap32:
		return nil, 0, Errorf(ErrDecode, "message section is no map")
	}
	n, err := bodySize(value[0], value[1:])
	if err != nil {
		return nil, 0, err
	}
	count, items, err = compoundParts(value[0], value[1:1+n])
	if err == nil && count%2 != 0 {
		err = Errorf(ErrDecode, "map of %d items", count)
	}
	return items, count / 2, err
}

// LookupSection finds a key, string or symbol, in a map section and decodes its
// value and no other.
func LookupSection(section []byte, name string) (v any, ok bool, err error) {
	items, count, err := sectionPairs(section)
	if err != nil {
		return nil, false, err
	}
	for p, err := range pairsIn(items, count) {
		if err != nil {
			return nil, false, err
		}
		if p.named(name) {
			v, _, err = ReadValue(p.value())
			return v, err == nil, err
		}
	}
	return nil, false, nil
}

// MergeSection appends a map section made of the entries of section (nil has
// none) whose keys are neither in set nor in drop, byte for byte, and then those
// of set (which may be nil). Keys are the same when both are strings or symbols
// of the same text. Without any entry nothing is appended.
func MergeSection(dst []byte, descriptor uint64, section []byte, set *Pairs, drop ...string) ([]byte, error) {
	items, count, err := sectionPairs(section)
	if err != nil {
		return dst, err
	}
	if set == nil {
		set = &Pairs{}
	}
	begin := len(dst)
	dst, start := openCompound(append(dst, CodeDescribed, CodeSmallUlong, byte(descriptor)))
	kept := 0
	for p, err := range pairsIn(items, count) {
		if err != nil {
			return dst[:begin], err
		}
		if p.name != nil && replaced(p.name, set, drop) {
			continue
		}
		dst = append(dst, p.raw...)
		kept++
	}
	if kept += set.count; kept == 0 {
		return dst[:begin], nil
	}
	dst = append(dst, set.encoded...)
	return closeCompound(dst, start, CodeMap8, 2*kept), nil
}

func replaced(name []byte, set *Pairs, drop []string) bool {
	for _, d := range drop {
		if d == string(name) {
			return true
		}
	}
	for p := range pairsIn(set.encoded, set.count) {
		if p.name != nil && bytes.Equal(p.name, name) {
			return true
		}
	}
	return false
}
