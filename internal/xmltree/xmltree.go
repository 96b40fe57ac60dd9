// Package xmltree holds an XML document as a tree and answers XPath 1.0 queries
// over it.
//
// It promises:
//
//  1. What is read and written again is the same document: prefixes, namespace
//     declarations, CDATA sections and the order of attributes are kept.
//  2. An element that is written alone is a document of its own: it declares the
//     namespaces that it uses.
//  3. Reading and querying are bounded: by nodes, by depth, and by a budget of
//     steps that the caller gives.
//
// It refuses external entities and entities of a DTD: they are errors, so that a
// small document can not become a large one.
package xmltree

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Bounds of a document.
const (
	nodesMax = 2_000_000
	depthMax = 500
)

// Kind is the kind of a Node.
type Kind byte

// The kinds.
const (
	Document Kind = iota
	Element
	Attribute
	Declaration // of a namespace: xmlns or xmlns:prefix
	Text
	CData
	Comment
	Instruction
	Doctype
)

// Node is one piece of a document.
type Node struct {
	Kind                 Kind
	Prefix, Local, Space string // Space is the namespace's URI
	Value                string // of all but documents and elements
	Closed               bool   // an element written <a/>
	Parent               *Node
	Children             []*Node
	Attributes           []*Node // and declarations, in order
	order                int     // in the document
}

// Name is the name as it is written, with its prefix.
func (n *Node) Name() string {
	if n.Prefix == "" {
		return n.Local
	}
	return n.Prefix + ":" + n.Local
}

const (
	xmlSpace   = "http://www.w3.org/XML/1998/namespace"
	xmlnsSpace = "http://www.w3.org/2000/xmlns/"
)

type reader struct {
	source  string
	decoder *xml.Decoder
	at      *Node
	nodes   int
	depth   int
	root    bool
}

// Parse reads a document. White space between elements is no part of it.
func Parse(source string) (*Node, error) {
	source = strings.TrimPrefix(source, "\ufeff")
	r := &reader{source: source, decoder: xml.NewDecoder(strings.NewReader(source)), at: &Node{Kind: Document}}
	document := r.at
	r.decoder.Strict = true
	// The text is decoded already, whatever its declaration says.
	r.decoder.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	for {
		start := r.decoder.InputOffset()
		token, err := r.decoder.RawToken()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = r.take(token, start)
		}
		if err != nil {
			return nil, r.fail(err)
		}
	}
	if r.at != document {
		return nil, r.fail(fmt.Errorf("Unexpected end of file has occurred. The following elements are not closed: %s", r.at.Name()))
	}
	if !r.root {
		return nil, errors.New("Root element is missing.")
	}
	return document, nil
}

func (r *reader) fail(err error) error {
	var syntax *xml.SyntaxError
	if errors.As(err, &syntax) {
		err = errors.New(syntax.Msg)
	}
	if !strings.HasPrefix(strings.TrimSpace(r.source), "<") {
		err = errors.New("Data at the root level is invalid")
	}
	line, column := r.decoder.InputPos()
	return fmt.Errorf("%s. Line %d, position %d.", strings.TrimSuffix(err.Error(), "."), line, column)
}

func (r *reader) add(n *Node) error {
	if r.nodes++; r.nodes > nodesMax {
		return fmt.Errorf("the document has more than %d nodes", nodesMax)
	}
	n.Parent, n.order = r.at, r.nodes
	r.at.Children = append(r.at.Children, n)
	return nil
}

func (r *reader) take(token xml.Token, start int64) error {
	switch t := token.(type) {
	case xml.StartElement:
		return r.open(t)
	case xml.EndElement:
		if r.at.Kind != Element || r.at.Prefix != t.Name.Space || r.at.Local != t.Name.Local {
			return fmt.Errorf("The '%s' start tag does not match the end tag of '%s'", r.at.Name(), t.Name.Local)
		}
		r.depth--
		r.at = r.at.Parent
		return nil
	case xml.CharData:
		kind := Text
		if strings.HasPrefix(r.source[start:], "<![CDATA[") {
			kind = CData
		}
		blank := strings.Trim(string(t), " \t\r\n") == ""
		switch {
		case blank && kind == Text && (r.at.Kind == Document || !r.keeps()):
			return nil
		case r.at.Kind == Document:
			return errors.New("Data at the root level is invalid")
		}
		return r.add(&Node{Kind: kind, Value: string(t)})
	case xml.Comment:
		return r.add(&Node{Kind: Comment, Value: string(t)})
	case xml.ProcInst:
		return r.add(&Node{Kind: Instruction, Local: t.Target, Value: string(t.Inst)})
	case xml.Directive:
		return r.add(&Node{Kind: Doctype, Value: string(t)})
	}
	return nil
}

// keeps tells whether white space is to be kept, as xml:space asks for.
func (r *reader) keeps() bool {
	for n := r.at; n != nil; n = n.Parent {
		for _, a := range n.Attributes {
			if a.Prefix == "xml" && a.Local == "space" {
				return a.Value == "preserve"
			}
		}
	}
	return false
}

func (r *reader) open(t xml.StartElement) error {
	if r.depth++; r.depth > depthMax {
		return fmt.Errorf("elements lie in each other more than %d deep", depthMax)
	}
	if r.at.Kind == Document {
		if r.root {
			return errors.New("There are multiple root elements")
		}
		r.root = true
	}
	n := &Node{Kind: Element, Prefix: t.Name.Space, Local: t.Name.Local}
	offset := r.decoder.InputOffset()
	n.Closed = offset >= 2 && r.source[offset-2:offset] == "/>"
	if err := r.add(n); err != nil {
		return err
	}
	for _, a := range t.Attr {
		r.nodes++
		kind := Attribute
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			kind = Declaration
		}
		n.Attributes = append(n.Attributes, &Node{Kind: kind, Prefix: a.Name.Space, Local: a.Name.Local, Value: a.Value, Parent: n, order: r.nodes})
	}
	r.at = n
	var ok bool
	if n.Space, ok = n.Resolve(n.Prefix); !ok {
		return fmt.Errorf("'%s' is an undeclared prefix", n.Prefix)
	}
	seen := make(map[[2]string]bool, len(n.Attributes))
	for _, a := range n.Attributes {
		if a.Kind == Attribute && a.Prefix != "" {
			if a.Space, ok = n.Resolve(a.Prefix); !ok {
				return fmt.Errorf("'%s' is an undeclared prefix", a.Prefix)
			}
		}
		if key := [2]string{a.Space + "|" + map[bool]string{true: a.Prefix}[a.Kind == Declaration], a.Local}; seen[key] {
			return fmt.Errorf("'%s' is a duplicate attribute name", a.Name())
		} else {
			seen[key] = true
		}
	}
	return nil
}

// Resolve gives the namespace that a prefix stands for at a node.
func (n *Node) Resolve(prefix string) (space string, ok bool) {
	switch prefix {
	case "xml":
		return xmlSpace, true
	case "xmlns":
		return xmlnsSpace, true
	}
	for ; n != nil; n = n.Parent {
		for _, a := range n.Attributes {
			if a.Kind == Declaration && (prefix == "" && a.Prefix == "" || prefix != "" && a.Prefix == "xmlns" && a.Local == prefix) {
				return a.Value, a.Value != "" || prefix == ""
			}
		}
	}
	return "", prefix == ""
}

// Root is the element of a document.
func (n *Node) Root() *Node {
	for _, c := range n.Children {
		if c.Kind == Element {
			return c
		}
	}
	return nil
}

// Content is the text of a node and all in it: its string value in XPath.
func (n *Node) Content() string {
	if n.Kind != Document && n.Kind != Element {
		return n.Value
	}
	if len(n.Children) == 1 && (n.Children[0].Kind == Text || n.Children[0].Kind == CData) {
		return n.Children[0].Value
	}
	var b strings.Builder
	n.content(&b)
	return b.String()
}

func (n *Node) content(b *strings.Builder) {
	for _, c := range n.Children {
		switch c.Kind {
		case Element:
			c.content(b)
		case Text, CData:
			b.WriteString(c.Value)
		}
	}
}

// String writes a node as XML.
func (n *Node) String() string {
	var b strings.Builder
	n.write(&b, n.Kind == Element)
	return b.String()
}

func (n *Node) write(b *strings.Builder, alone bool) {
	switch n.Kind {
	case Document:
		for _, c := range n.Children {
			c.write(b, false)
		}
	case Element:
		n.writeElement(b, alone)
	case Attribute, Declaration:
		fmt.Fprintf(b, `%s="%s"`, n.Name(), Escape(n.Value, true))
	case Text:
		b.WriteString(Escape(n.Value, false))
	case CData:
		b.WriteString("<![CDATA[" + strings.ReplaceAll(n.Value, "]]>", "]]]]><![CDATA[>") + "]]>")
	case Comment:
		b.WriteString("<!--" + n.Value + "-->")
	case Instruction:
		b.WriteString("<?" + strings.TrimSpace(n.Local+" "+n.Value) + "?>")
	case Doctype:
		b.WriteString("<!" + n.Value + ">")
	}
}

func (n *Node) writeElement(b *strings.Builder, alone bool) {
	b.WriteString("<" + n.Name())
	for _, a := range n.Attributes {
		b.WriteByte(' ')
		a.write(b, false)
	}
	if alone {
		n.declare(b)
	}
	switch {
	case len(n.Children) > 0:
		b.WriteByte('>')
		for _, c := range n.Children {
			c.write(b, false)
		}
		b.WriteString("</" + n.Name() + ">")
	case n.Closed:
		b.WriteString(" />")
	default:
		b.WriteString("></" + n.Name() + ">")
	}
}

// declare writes the namespaces that a node uses and its parents declare.
func (n *Node) declare(b *strings.Builder) {
	done := map[string]bool{"xml": true}
	for _, a := range n.Attributes {
		switch {
		case a.Kind == Declaration && a.Prefix == "":
			done[""] = true
		case a.Kind == Declaration:
			done[a.Local] = true
		}
	}
	n.each(func(x *Node) {
		for _, u := range append([]*Node{x}, x.Attributes...) {
			if u.Kind == Declaration || u.Kind == Attribute && u.Prefix == "" || done[u.Prefix] || u.Kind != Element && u.Kind != Attribute {
				continue
			}
			done[u.Prefix] = true
			space, _ := n.Resolve(u.Prefix)
			switch {
			case space == "":
			case u.Prefix == "":
				fmt.Fprintf(b, ` xmlns="%s"`, Escape(space, true))
			default:
				fmt.Fprintf(b, ` xmlns:%s="%s"`, u.Prefix, Escape(space, true))
			}
		}
	})
}

func (n *Node) each(do func(*Node)) {
	do(n)
	for _, c := range n.Children {
		c.each(do)
	}
}

// Escape writes a text as it stands in an element, or in an attribute.
func Escape(s string, attribute bool) string {
	if !strings.ContainsAny(s, "&<>\"\r\n\t") && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"' && attribute:
			b.WriteString("&quot;")
		case (r == '\n' || r == '\r' || r == '\t') && attribute:
			fmt.Fprintf(&b, "&#x%X;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
