package atom

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"

	"weir/kernel/fault"
	"weir/service/bus/internal/answer"
)

// Bounds of a body.
const (
	bodyBytesMax    = 1 << 20
	elementsMax     = 10_000
	elementDepthMax = 16
)

// XML namespaces.
const (
	nsAtom     = "http://www.w3.org/2005/Atom"
	nsContract = "http://schemas.microsoft.com/netservices/2010/10/servicebus/connect"
	nsInstance = "http://www.w3.org/2001/XMLSchema-instance"
	nsSchema   = "http://www.w3.org/2001/XMLSchema"
	nsCounts   = "http://schemas.microsoft.com/netservices/2011/06/servicebus"
	nsGUID     = "http://schemas.microsoft.com/2003/10/Serialization/"
)

// element is one XML element. Namespaces are not kept: clients write prefixes that
// they do not declare, and local names are not ambiguous.
type element struct {
	name string
	typ  string // of the attribute i:type, without its prefix
	null bool   // i:nil
	text string
	sub  []*element
}

// find returns the first element of a name inside; nil when there is none.
func (e *element) find(name string) *element {
	if e == nil {
		return nil
	}
	for _, s := range e.sub {
		if s.name == name {
			return s
		}
	}
	return nil
}

// value is the text of an element inside, and whether it is there.
func (e *element) value(name string) (string, bool) {
	s := e.find(name)
	if s == nil || s.null {
		return "", false
	}
	return s.text, true
}

// readBody reads a body of bounded size.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyBytesMax+1))
	if err != nil {
		return nil, fault.Wrap(fault.Canceled, err, "The body did not arrive whole.")
	}
	if len(body) > bodyBytesMax {
		return nil, fault.New(fault.TooLarge, "The body is larger than %d bytes.", bodyBytesMax)
	}
	return body, nil
}

// parseXML reads a document into its root element.
func parseXML(body []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))))
	var open []*element
	var top *element
	for count := 0; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "The body is no XML: %s.", strings.TrimPrefix(err.Error(), "XML "))
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, fault.New(fault.Invalid, "The body must have no document type declaration.")
		case xml.StartElement:
			if count++; count > elementsMax || len(open) == elementDepthMax {
				return nil, fault.New(fault.TooLarge, "The body has more than %d elements, or more than %d inside each other.", elementsMax, elementDepthMax)
			}
			e := startOf(t)
			if len(open) > 0 {
				in := open[len(open)-1]
				in.sub = append(in.sub, e)
			} else if top == nil {
				top = e
			} else {
				return nil, fault.New(fault.Invalid, "The body has more than one element at its top.")
			}
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				open[len(open)-1].text += string(t)
			}
		}
	}
	if top == nil {
		return nil, fault.New(fault.Invalid, "The body has no element: an Atom entry was expected.")
	}
	trim(top)
	return top, nil
}

func startOf(t xml.StartElement) *element {
	e := &element{name: t.Name.Local}
	for _, a := range t.Attr {
		switch {
		case a.Name.Local == "type":
			_, local, ok := strings.Cut(a.Value, ":")
			if !ok {
				local = a.Value
			}
			e.typ = local
		case a.Name.Local == "nil" && a.Value == "true":
			e.null = true
		}
	}
	return e
}

// trim takes the white space out that stands between elements.
func trim(e *element) {
	if len(e.sub) > 0 {
		e.text = ""
	}
	for _, s := range e.sub {
		trim(s)
	}
}

// description finds the description in an entry.
func description(body []byte) (*element, error) {
	top, err := parseXML(body)
	if err != nil {
		return nil, err
	}
	if top.name != "entry" {
		return nil, fault.New(fault.Invalid, "The body is an element '%s': an Atom entry was expected.", top.name)
	}
	content := top.find("content")
	if content == nil || len(content.sub) != 1 {
		return nil, fault.New(fault.Invalid, "The entry must have one content element with one description in it.")
	}
	return content.sub[0], nil
}

// writer writes XML. Errors are the buffer's, which has none.
type writer struct{ bytes.Buffer }

// open begins an element; attributes are pairs of name and value.
func (w *writer) open(name string, attributes ...string) {
	w.WriteByte('<')
	w.WriteString(name)
	for i := 0; i+1 < len(attributes); i += 2 {
		w.WriteString(" " + attributes[i] + `="`)
		answer.Escape(&w.Buffer, attributes[i+1], true)
		w.WriteByte('"')
	}
	w.WriteByte('>')
}

func (w *writer) close(name string) { w.WriteString("</" + name + ">") }

// text writes an element with text in it.
func (w *writer) text(name, text string, attributes ...string) {
	w.open(name, attributes...)
	answer.Escape(&w.Buffer, text, false)
	w.close(name)
}
