package expression

import (
	"errors"
	"fmt"
	"strings"

	"weir/internal/xmltree"
)

// xmlKind is the media type of XML that expressions make.
const xmlKind = "application/xml;charset=utf-8"

// jsonSpace is the namespace by which a document says that an element is an array.
const jsonSpace = "http://james.newtonsoft.com/projects/json"

func (f *frame) notXML(err error) error {
	return fail("The template language function '%s' parameter is not valid. The provided value cannot be converted to XML: '%s' %s", f.name(), err, f.function.usage())
}

// xmlText gives a parameter as the text of a document.
func (f *frame) xmlText(v any) (string, bool) {
	if kind, data, ok := content(v); ok {
		return decodeText(kind, data), true
	}
	s, ok := v.(string)
	return s, ok
}

// document reads a parameter as XML.
func (f *frame) document(v any) (*xmltree.Node, error) {
	s, ok := f.xmlText(v)
	if !ok {
		return nil, fail("The template language function '%s' expects its first parameter to be an XML. The provided value is of type '%s'. %s", f.name(), kindOf(v), f.function.usage())
	}
	if err := f.made(8 * len(s)); err != nil {
		return nil, err
	}
	if err := f.step(len(s) / 16); err != nil {
		return nil, err
	}
	d, err := xmltree.Parse(s)
	if err != nil {
		return nil, f.notXML(err)
	}
	return d, nil
}

func toXML(f *frame, args []any) (any, error) {
	if s, ok := f.xmlText(args[0]); ok {
		if _, err := f.document(args[0]); err != nil {
			return nil, err
		}
		return newContent(xmlKind, []byte(s)), nil
	}
	o, ok := args[0].(*Object)
	if !ok {
		return nil, f.expects(args, 0, "a string or an object")
	}
	s, err := jsonToXML(o)
	if err != nil {
		return nil, f.notXML(err)
	}
	return newContent(xmlKind, []byte(s)), f.made(len(s))
}

// jsonToXML makes a document of an object with one member, as Json.NET does: names
// that begin with @ are attributes, #text is text, arrays are repeated elements.
func jsonToXML(o *Object) (string, error) {
	var b strings.Builder
	roots := 0
	for _, m := range o.Members {
		switch {
		case m.Name == "?xml":
			declaration(&b, m.Value)
		case strings.HasPrefix(m.Name, "?"):
			fmt.Fprintf(&b, "<?%s %s?>", m.Name[1:], Text(m.Value))
		case m.Name == "!DOCTYPE":
		default:
			if roots++; roots > 1 {
				return "", errors.New("JSON root object has multiple properties. The root object must have a single property in order to create a valid XML document. Consider specifying a DeserializeRootElementName.")
			}
			if list, ok := m.Value.([]any); ok && len(list) != 1 {
				return "", errors.New("JSON root object has property '" + m.Name + "' that will be converted to multiple root elements. A valid XML document must have a single root element.")
			}
			element(&b, m.Name, m.Value)
		}
	}
	if roots == 0 {
		return "", errors.New("Root element is missing.")
	}
	return b.String(), nil
}

func declaration(b *strings.Builder, v any) {
	o, ok := v.(*Object)
	if !ok {
		return
	}
	b.WriteString("<?xml")
	for _, name := range []string{"version", "encoding", "standalone"} {
		if v, ok := o.Exact("@" + name); ok {
			fmt.Fprintf(b, ` %s="%s"`, name, xmltree.Escape(Text(v), true))
		}
	}
	b.WriteString("?>")
}

// scalar is a value as XML shows it: as in JSON.
func scalar(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return string(AppendJSON(nil, v))
}

func element(b *strings.Builder, name string, v any) {
	if list, ok := v.([]any); ok {
		for _, x := range list {
			if nested, ok := x.([]any); ok {
				x = NewObject(name, nested)
			}
			element(b, name, x)
		}
		return
	}
	tag := tagOf(name)
	b.WriteString("<" + tag)
	o, ok := v.(*Object)
	switch {
	case v == nil:
		b.WriteString(" />")
	case !ok:
		b.WriteString(">" + xmltree.Escape(scalar(v), false) + "</" + tag + ">")
	default:
		attributes, children := 0, 0
		for _, m := range o.Members {
			if strings.HasPrefix(m.Name, "@") && simple(m.Value) {
				fmt.Fprintf(b, ` %s="%s"`, tagOf(m.Name[1:]), xmltree.Escape(Text(m.Value), true))
				attributes++
			}
		}
		if children = len(o.Members) - attributes; children == 0 {
			b.WriteString(" />")
			return
		}
		b.WriteByte('>')
		for _, m := range o.Members {
			member(b, m)
		}
		b.WriteString("</" + tag + ">")
	}
}

func simple(v any) bool {
	switch v.(type) {
	case []any, *Object:
		return false
	}
	return true
}

// member writes what one member of an object puts into its element.
func member(b *strings.Builder, m Member) {
	if list, ok := m.Value.([]any); ok && strings.HasPrefix(m.Name, "#") {
		for _, x := range list {
			member(b, Member{m.Name, x})
		}
		return
	}
	switch {
	case strings.HasPrefix(m.Name, "@") && simple(m.Value):
	case m.Name == "#text", m.Name == "#whitespace", m.Name == "#significant-whitespace":
		if m.Value != nil {
			b.WriteString(xmltree.Escape(scalar(m.Value), false))
		}
	case m.Name == "#cdata-section":
		b.WriteString((&xmltree.Node{Kind: xmltree.CData, Value: Text(m.Value)}).String())
	case m.Name == "#comment":
		b.WriteString((&xmltree.Node{Kind: xmltree.Comment, Value: Text(m.Value)}).String())
	case strings.HasPrefix(m.Name, "?"):
		b.WriteString((&xmltree.Node{Kind: xmltree.Instruction, Local: m.Name[1:], Value: Text(m.Value)}).String())
	default:
		element(b, m.Name, m.Value)
	}
}

// tagOf makes a name that XML allows, keeping one prefix.
func tagOf(name string) string {
	if prefix, local, ok := strings.Cut(name, ":"); ok && prefix != "" && local != "" {
		return xmlNameOf(prefix) + ":" + xmlNameOf(local)
	}
	return xmlNameOf(name)
}

func (f *frame) xmlToJSON(s string) (any, error) {
	d, err := f.document(newContent(xmlKind, []byte(s)))
	if err != nil {
		return nil, err
	}
	o := &Object{}
	for _, n := range d.Children {
		switch n.Kind {
		case xmltree.Instruction:
			name, value := instruction(n)
			o.Members = append(o.Members, Member{name, value})
		case xmltree.Element:
			value := elementValue(n)
			if arrayed(n) {
				value = []any{value}
			}
			o.Members = append(o.Members, Member{jsonName(n), value})
		}
	}
	return o, nil
}

// instruction gives ?xml with its attributes, or another with its text.
func instruction(n *xmltree.Node) (string, any) {
	if n.Local != "xml" {
		return "?" + n.Local, n.Value
	}
	o := &Object{}
	for _, name := range []string{"version", "encoding", "standalone"} {
		if _, after, ok := strings.Cut(n.Value, name); ok {
			after = strings.TrimLeft(after, " \t\r\n=")
			if after != "" && (after[0] == '"' || after[0] == '\'') {
				v, _, _ := strings.Cut(after[1:], after[:1])
				o.Members = append(o.Members, Member{"@" + name, v})
			}
		}
	}
	return "?xml", o
}

func jsonName(n *xmltree.Node) string {
	name := nameOfXML(n.Local)
	if n.Prefix != "" {
		name = n.Prefix + ":" + name
	}
	return name
}

// arrayed tells whether an element says that it is an item of an array.
func arrayed(n *xmltree.Node) bool {
	for _, a := range n.Attributes {
		if a.Space == jsonSpace && a.Local == "Array" {
			return a.Value == "true"
		}
	}
	return false
}

// elementValue is what an element holds: null, text, or an object.
func elementValue(n *xmltree.Node) any {
	o := &Object{}
	for _, a := range n.Attributes {
		if a.Space == jsonSpace || a.Kind == xmltree.Declaration && a.Value == jsonSpace {
			continue
		}
		o.Members = append(o.Members, Member{"@" + a.Name(), a.Value})
	}
	switch {
	case len(n.Children) == 0 && len(o.Members) > 0:
		return o
	case len(n.Children) == 0 && n.Closed:
		return nil
	case len(n.Children) == 0:
		return ""
	case len(o.Members) == 0 && len(n.Children) == 1 && n.Children[0].Kind == xmltree.Text:
		return n.Children[0].Value
	}
	groupChildren(o, n)
	return o
}

// groupChildren adds what stands in an element: what has the same name becomes an
// array where its first one stands.
func groupChildren(o *Object, n *xmltree.Node) {
	at, arrays := map[string]int{}, map[string]bool{}
	for _, c := range n.Children {
		var name string
		var value any = c.Value
		switch c.Kind {
		case xmltree.Element:
			name, value = jsonName(c), elementValue(c)
		case xmltree.Text:
			name = "#text"
		case xmltree.CData:
			name = "#cdata-section"
		case xmltree.Instruction:
			name, value = instruction(c)
		default:
			continue
		}
		i, seen := at[name]
		switch {
		case !seen:
			at[name] = len(o.Members)
			if arrays[name] = c.Kind == xmltree.Element && arrayed(c); arrays[name] {
				value = []any{value}
			}
			o.Members = append(o.Members, Member{name, value})
		case arrays[name]:
			o.Members[i].Value = append(o.Members[i].Value.([]any), value)
		default:
			o.Members[i].Value, arrays[name] = []any{o.Members[i].Value, value}, true
		}
	}
}

func xmlEscape(s string, attribute bool) string { return xmltree.Escape(s, attribute) }

var xmlEntities = strings.NewReplacer("&lt;", "<", "&gt;", ">", "&quot;", `"`, "&apos;", "'", "&amp;", "&", "&#xD;", "\r", "&#xA;", "\n", "&#x9;", "\t")

func xmlUnescape(s string) string { return xmlEntities.Replace(s) }

func xpath(f *frame, args []any) (any, error) {
	query, ok := args[1].(string)
	if !ok {
		return nil, f.expects(args, 1, "of type string")
	}
	d, err := f.document(args[0])
	if err != nil {
		return nil, err
	}
	steps := f.steps
	v, err := d.Query(query, &steps)
	f.steps = steps
	switch {
	case errors.Is(err, xmltree.ErrSteps):
		return nil, f.step(0)
	case err != nil:
		return nil, fail("The template language function 'xpath' parameters are invalid: the 'xpath' parameter must be a supported, well formed XPath expression. %s. %s", err, f.function.usage())
	}
	switch v := v.(type) {
	case float64:
		if v == float64(int64(v)) {
			return int64(v), nil
		}
		return v, nil
	case []*xmltree.Node:
		list := make([]any, len(v))
		for i, n := range v {
			switch n.Kind {
			case xmltree.Element, xmltree.Document:
				s := n.String()
				if err := f.made(len(s) * 4 / 3); err != nil {
					return nil, err
				}
				list[i] = newContent(xmlKind, []byte(s))
			default:
				list[i] = n.Value
			}
		}
		return list, f.madeItems(len(list))
	}
	return v, nil
}
