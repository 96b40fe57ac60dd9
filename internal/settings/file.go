package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// entry is what the file says about one setting, and where.
type entry struct {
	given  []string
	origin string
}

// parseFile reads a YAML mapping of setting names to values: scalars, sequences
// for lists, mappings for pairs. An empty file says nothing.
func (s *Set) parseFile(path string, data []byte) (map[string]entry, []error) {
	name := filepath.Base(path)
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, []error{fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))}
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, []error{fmt.Errorf("%s:%d: a configuration file is a list of lines like amqp: 127.0.0.1:5672", name, root.Line)}
	}
	all := map[string]entry{}
	var errs []error
	for i := 0; i < len(root.Content); i += 2 {
		key, node := root.Content[i], root.Content[i+1]
		at := fmt.Sprintf("%s:%d", name, key.Line)
		if _, ok := s.byName[key.Value]; !ok {
			errs = append(errs, fmt.Errorf("%s: unknown key %q%s", at, key.Value, s.suggest(key.Value)))
			continue
		}
		if _, twice := all[key.Value]; twice {
			errs = append(errs, fmt.Errorf("%s: %s is given twice", at, key.Value))
			continue
		}
		given, err := nodeTexts(node)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", at, key.Value, err))
			continue
		}
		if given != nil {
			all[key.Value] = entry{given, at}
		}
	}
	return all, errs
}

// nodeTexts turns a YAML value into what a flag would have been given. A null
// says nothing.
func nodeTexts(node *yaml.Node) ([]string, error) {
	switch node.Kind {
	case yaml.ScalarNode:
		if node.Tag == "!!null" {
			return nil, nil
		}
		return []string{node.Value}, nil
	case yaml.SequenceNode:
		all := []string{}
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("line %d: a list holds plain values only", item.Line)
			}
			all = append(all, item.Value)
		}
		return all, nil
	case yaml.MappingNode:
		all := []string{}
		for i := 0; i < len(node.Content); i += 2 {
			key, item := node.Content[i], node.Content[i+1]
			if item.Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("line %d: %s takes a plain value", item.Line, key.Value)
			}
			all = append(all, key.Value+"="+item.Value)
		}
		return all, nil
	}
	return nil, fmt.Errorf("line %d: anchors and aliases are not understood here", node.Line)
}

// suggest names the setting that was probably meant: the closest one, if it is
// close at all.
func (s *Set) suggest(wrong string) string {
	best, bestDistance := "", 4
	flat := strings.ToLower(strings.NewReplacer("_", "-", " ", "-").Replace(wrong))
	for _, one := range s.list {
		if d := distance(flat, one.Name); d < bestDistance {
			best, bestDistance = one.Name, d
		}
	}
	if best == "" {
		return "; weir help settings lists all keys"
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is the Levenshtein distance of two short words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
