package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"weir/face/api"
)

func (l *line) deployFile(ctx context.Context, d *door, file string, data []byte) (api.Deployed, error) {
	var result api.Deployed
	err := d.call(ctx, "POST", "/deploy?name="+url.QueryEscape(filepath.Base(file)), data, &result)
	return result, err
}

func (l *line) read(file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(l.In)
	}
	return os.ReadFile(file)
}

func (l *line) showDeployed(all api.Deployed) error {
	if l.json {
		return l.writeJSON(all)
	}
	for _, one := range all.Resources {
		fmt.Fprintf(l.Out, "%-9s  %s  %s\n", one.Outcome, one.Type, one.Name)
	}
	fmt.Fprintln(l.Err, plural(len(all.Resources), "resource")+" applied")
	return nil
}

// path escapes an id for a URL, segment by segment.
func path(id string) string {
	segments := strings.Split(id, "/")
	for i := range segments {
		segments[i] = url.PathEscape(segments[i])
	}
	if !strings.HasPrefix(id, "/") {
		return "/" + strings.Join(segments, "/")
	}
	return strings.Join(segments, "/")
}

// show writes one resource: YAML for people, JSON when asked.
func (l *line) show(ctx context.Context, d *door, id string) error {
	var doc json.RawMessage
	if err := d.call(ctx, "GET", path(id), nil, &doc); err != nil {
		return err
	}
	if l.json {
		return l.writeJSON(doc)
	}
	return writeYAML(l.Out, doc)
}

// writeYAML writes JSON as block YAML, fields in the order they came.
func writeYAML(w io.Writer, doc json.RawMessage) error {
	var node yaml.Node
	if err := yaml.Unmarshal(doc, &node); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	block(&node)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&node); err != nil {
		return err
	}
	_, err := w.Write(out.Bytes())
	return err
}

// block undoes the flow style and the quotes JSON has.
func block(node *yaml.Node) {
	node.Style = 0
	for _, one := range node.Content {
		block(one)
	}
}

// entry is what a list shows of a resource.
type entry struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Properties map[string]any `json:"properties"`
}

// page is one answer of a list.
type page struct {
	Value    []json.RawMessage `json:"value"`
	NextLink string            `json:"nextLink"`
}

// collect reads all pages of a list.
func collect(ctx context.Context, d *door, id string) ([]json.RawMessage, error) {
	all := []json.RawMessage{}
	for next := path(id); next != ""; {
		var p page
		if err := d.call(ctx, "GET", next, nil, &p); err != nil {
			return nil, err
		}
		all = append(all, p.Value...)
		u, err := url.Parse(p.NextLink)
		if err != nil {
			return nil, fmt.Errorf("the server gave no good link to the next page: %w", err)
		}
		next = u.RequestURI()
		if p.NextLink == "" {
			next = ""
		}
	}
	return all, nil
}
