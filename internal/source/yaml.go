package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// yamlReader turns YAML's nodes into values. Aliases are copied where they stand,
// so the number of values is counted.
type yamlReader struct {
	values int
}

func parseYAML(data []byte) ([]*Value, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	r := &yamlReader{}
	var documents []*Value
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			return documents, nil
		}
		if err != nil {
			return nil, yamlError(err)
		}
		if len(node.Content) == 0 || node.Content[0].Kind == yaml.ScalarNode && node.Content[0].ShortTag() == "!!null" {
			continue // nothing between two ---
		}
		v, err := r.value(node.Content[0], 0)
		if err != nil {
			return nil, err
		}
		documents = append(documents, v)
	}
}

// yamlLine finds the line in the library's errors: "yaml: line 3: why".
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)`)

func yamlError(err error) error {
	match := yamlLine.FindStringSubmatch(err.Error())
	if match == nil {
		return errorAt(1, "this is no YAML: %s", err)
	}
	line, _ := strconv.Atoi(match[1])
	return errorAt(max(line, 1), "this is no YAML: %s", match[2])
}

func (r *yamlReader) value(n *yaml.Node, depth int) (*Value, error) {
	if r.values++; r.values > valuesMax {
		return nil, errorAt(n.Line, "there are more than %d values, aliases unfolded", valuesMax)
	}
	if depth > depthMax {
		return nil, errorAt(n.Line, "lists and mappings lie in each other more than %d deep", depthMax)
	}
	v := &Value{Line: n.Line}
	switch n.Kind {
	case yaml.AliasNode:
		return r.value(n.Alias, depth+1) // an anchor around its own alias runs into the depth
	case yaml.SequenceNode:
		v.Kind = List
		for _, item := range n.Content {
			one, err := r.value(item, depth+1)
			if err != nil {
				return nil, err
			}
			v.Items = append(v.Items, one)
		}
		return v, nil
	case yaml.MappingNode:
		return v, r.fields(v, n, depth)
	}
	return v, v.scalar(n)
}

func (r *yamlReader) fields(v *Value, n *yaml.Node, depth int) error {
	v.Kind = Map
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" {
			return errorAt(key.Line, "a key must be plain text")
		}
		if err := duplicate(seen, key.Value, key.Line); err != nil {
			return err
		}
		value, err := r.value(n.Content[i+1], depth+1)
		if err != nil {
			return err
		}
		v.Fields = append(v.Fields, Field{key.Value, key.Line, value})
	}
	return nil
}

func (v *Value) scalar(n *yaml.Node) error {
	var err error
	if tag := n.ShortTag(); (tag == "!!int" || tag == "!!float") && json.Valid([]byte(n.Value)) {
		v.Number = n.Value
	}
	switch n.ShortTag() {
	case "!!null":
	case "!!bool":
		var b bool
		err = n.Decode(&b)
		v.Kind, v.Scalar = Bool, b
	case "!!int":
		var i int64
		if n.Decode(&i) == nil {
			v.Kind, v.Scalar = Int, i
			return nil
		}
		fallthrough // too large for int64
	case "!!float":
		var f float64
		err = n.Decode(&f)
		v.Kind, v.Scalar = Float, f
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return errorAt(n.Line, "%s is no number here", n.Value)
		}
	case "!!str", "!!timestamp":
		v.Kind, v.Scalar = Text, n.Value
	default:
		return errorAt(n.Line, "values with the tag %s have no meaning here", n.ShortTag())
	}
	if err != nil {
		return errorAt(n.Line, "%q is not what its tag says", n.Value)
	}
	return nil
}
