package amqp

import "encoding/binary"

// compoundParts splits the body of a list or map (from its size field on) into
// the number of items and their bytes.
func compoundParts(code byte, body []byte) (count int, items []byte, err error) {
	var n uint32
	if code>>4 == 0xc {
		if len(body) < 2 {
			return 0, nil, errShort("count")
		}
		n, items = uint32(body[1]), body[2:]
	} else {
		if len(body) < 8 {
			return 0, nil, errShort("count")
		}
		n, items = binary.BigEndian.Uint32(body[4:]), body[8:]
	}
	if uint64(n) > uint64(len(items)) {
		return 0, nil, Errorf(ErrDecode, "%d items in %d bytes", n, len(items))
	}
	return int(n), items, nil
}

func (r *reader) compound(code byte, body []byte, depth int) (any, error) {
	if depth >= depthMax {
		return nil, errDeep()
	}
	count, items, err := compoundParts(code, body)
	if err == nil {
		err = r.take(count)
	}
	if err != nil {
		return nil, err
	}
	var v any
	switch code {
	case CodeList8, CodeList32:
		v, items, err = r.list(count, items, depth+1)
	case CodeMap8, CodeMap32:
		v, items, err = r.mapItems(count, items, depth+1)
	default:
		return nil, errCode(code)
	}
	if err == nil && len(items) != 0 {
		err = Errorf(ErrDecode, "%d bytes after the last item", len(items))
	}
	return v, err
}

func (r *reader) list(count int, b []byte, depth int) (_ List, _ []byte, err error) {
	list := make(List, count)
	for i := range list {
		if list[i], b, err = r.value(b, depth); err != nil {
			return nil, nil, err
		}
	}
	return list, b, nil
}

func (r *reader) mapItems(count int, b []byte, depth int) (_ Map, _ []byte, err error) {
	if count%2 != 0 {
		return nil, nil, Errorf(ErrDecode, "map of %d items", count)
	}
	m := make(Map, count/2)
	for i := range m {
		if m[i].Key, b, err = r.value(b, depth); err != nil {
			return nil, nil, err
		}
		if m[i].Value, b, err = r.value(b, depth); err != nil {
			return nil, nil, err
		}
	}
	return m, b, nil
}

// arrayParts splits the body of an array (from its size field on) into the number
// of elements and the bytes from the element constructor on.
func arrayParts(code byte, body []byte) (count uint32, rest []byte, err error) {
	switch {
	case code == CodeArray8 && len(body) >= 2:
		return uint32(body[1]), body[2:], nil
	case code == CodeArray32 && len(body) >= 8:
		return binary.BigEndian.Uint32(body[4:]), body[8:], nil
	case code == CodeArray8 || code == CodeArray32:
		return 0, nil, errShort("count")
	}
	return 0, nil, errCode(code)
}

func (r *reader) array(code byte, body []byte, depth int) (any, error) {
	if depth >= depthMax {
		return nil, errDeep()
	}
	count, b, err := arrayParts(code, body)
	if err != nil {
		return nil, err
	}
	var a Array
	if a, b, err = r.constructor(b, depth+1); err != nil {
		return nil, err
	}
	if err := r.afford(count, a.Code, len(b)); err != nil {
		return nil, err
	}
	a.Items = make([]any, count)
	for i := range a.Items {
		if a.Items[i], b, err = r.coded(a.Code, b, depth+1); err != nil {
			return nil, err
		}
	}
	if len(b) != 0 {
		return nil, Errorf(ErrDecode, "%d bytes after the last element", len(b))
	}
	return a, nil
}

// constructor reads an element constructor: a format code, which one descriptor
// may precede.
func (r *reader) constructor(b []byte, depth int) (a Array, rest []byte, err error) {
	if len(b) > 0 && b[0] == CodeDescribed {
		if a.Descriptor, b, err = r.value(b[1:], depth); err != nil {
			return a, nil, err
		}
	}
	if len(b) == 0 {
		return a, nil, errShort("constructor")
	}
	if a.Code = b[0]; a.Code == CodeDescribed {
		return a, nil, Errorf(ErrDecode, "array elements are described twice")
	}
	return a, b[1:], nil
}

// afford checks a count of elements against the bytes that hold them and pays
// for it.
func (r *reader) afford(count uint32, code byte, size int) error {
	if uint64(count) > uint64(size) && code>>4 != 0x4 || count > itemsMax {
		return Errorf(ErrDecode, "%d elements in %d bytes", count, size)
	}
	return r.take(int(count))
}
