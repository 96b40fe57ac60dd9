package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/kernel/resource"
)

// completionWait is how long a shell waits for names.
const completionWait = 2 * time.Second

func (l *line) get() *cobra.Command {
	var w whereabouts
	cmd := l.remote(&cobra.Command{
		Use: "get TYPE [NAME] | ID", Aliases: []string{"show"}, Short: "Show a resource, or all of a type", Args: cobra.RangeArgs(1, 2),
		Example:           "  weir get queue orders\n  weir get subscription prices/audit\n  weir get /subscriptions/S/resourceGroups/G/providers/Microsoft.ServiceBus/namespaces/NS",
		ValidArgsFunction: l.completeTarget(&w),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := l.door()
			if err != nil {
				return err
			}
			id, n, rest, err := l.target(cmd.Context(), d, w, args)
			switch {
			case err != nil:
				return err
			case len(rest) > 0:
				return usageError{fmt.Errorf("an id stands alone: %q is too much", rest[0])}
			case len(args) == 1 && n.word != "" && n.typ.Always == "":
				return l.showList(cmd.Context(), d, id, n.typ)
			}
			return l.show(cmd.Context(), d, id)
		},
	}, "look")
	w.flags(cmd)
	return cmd
}

func (l *line) list() *cobra.Command {
	var w whereabouts
	cmd := l.remote(&cobra.Command{
		Use: "list TYPE [IN] | ID/TYPES", Short: "List the resources of a type, all or in another", Args: cobra.RangeArgs(1, 2),
		Example:           "  weir list queue\n  weir list subscription prices\n  weir list /subscriptions/S/resourceGroups/G/providers/Microsoft.ServiceBus/namespaces/NS/queues",
		ValidArgsFunction: l.completeTarget(&w),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := l.door()
			if err != nil {
				return err
			}
			if strings.HasPrefix(args[0], "/") {
				return l.showList(cmd.Context(), d, args[0], nil)
			}
			n, err := l.kind(args[0])
			if err != nil {
				return err
			}
			in, err := w.settled(cmd.Context(), d, len(n.steps()) > 1)
			if err != nil {
				return err
			}
			id, err := n.collection(in, strings.Join(args[1:], ""))
			if err != nil {
				return err
			}
			return l.showList(cmd.Context(), d, id, n.typ)
		},
	}, "look")
	w.flags(cmd)
	return cmd
}

func (l *line) remove() *cobra.Command {
	var w whereabouts
	cmd := l.remote(&cobra.Command{
		Use: "delete TYPE NAME | ID", Short: "Delete a resource, with all that lies in it", Args: cobra.RangeArgs(1, 2),
		ValidArgsFunction: l.completeTarget(&w),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && !strings.HasPrefix(args[0], "/") {
				return usageError{fmt.Errorf("say which %s to delete", args[0])}
			}
			d, err := l.door()
			if err != nil {
				return err
			}
			id, _, _, err := l.target(cmd.Context(), d, w, args)
			if err != nil {
				return err
			}
			if err := d.call(cmd.Context(), "DELETE", path(id), nil, nil); err != nil {
				return err
			}
			fmt.Fprintf(l.Err, "deleted %s\n", id)
			return nil
		},
	}, "look")
	w.flags(cmd)
	return cmd
}

func (l *line) set() *cobra.Command {
	var w whereabouts
	cmd := l.remote(&cobra.Command{
		Use: "set TYPE NAME | ID PROPERTY=VALUE...", Short: "Make a resource, or change properties of one", Args: cobra.MinimumNArgs(1),
		Long: `Make a resource, or change some of its properties; the others stay as they are.
Values are read as the property's kind says: a list is written a,b, an object as JSON,
and nothing behind the = takes the value away, which gives it its default again.
location, kind, sku and tags.NAME are the resource's own.`,
		Example:           "  weir set queue orders lockDuration=PT30S maxDeliveryCount=5\n  weir set topic-authorization-rule news/sender rights=Send\n  weir set namespace west-orders sku=Premium tags.env=test",
		ValidArgsFunction: l.completeSet(&w),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := l.door()
			if err != nil {
				return err
			}
			id, n, rest, err := l.target(cmd.Context(), d, w, args)
			if err != nil {
				return err
			}
			if len(args) == 1 && !strings.HasPrefix(args[0], "/") && n.typ.Always == "" || strings.HasPrefix(args[0], "/") && n.typ == nil {
				return usageError{fmt.Errorf("say which resource to set, and of a type there is")}
			}
			changes, err := assignments(n.typ, rest)
			if err != nil {
				return err
			}
			return l.apply(cmd.Context(), d, id, changes)
		},
	}, "look")
	w.flags(cmd)
	return cmd
}

// apply changes a resource, or makes it when it is not there.
func (l *line) apply(ctx context.Context, d *door, id string, changes map[string]any) error {
	body, err := json.Marshal(changes)
	if err != nil {
		return err
	}
	var doc json.RawMessage
	done := "updated"
	err = d.call(ctx, "PATCH", path(id), body, &doc)
	var refused *refusal
	if errors.As(err, &refused) && refused.status == http.StatusNotFound {
		done = "created"
		body, _ = json.Marshal(withoutNulls(changes)) // it marshalled before
		err = d.call(ctx, "PUT", path(id), body, &doc)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(l.Err, "%s %s\n", done, id)
	if l.json {
		return l.writeJSON(doc)
	}
	return nil
}

func withoutNulls(m map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range m {
		inner, isMap := value.(map[string]any)
		switch {
		case isMap:
			out[name] = withoutNulls(inner)
		case value != nil:
			out[name] = value
		}
	}
	return out
}

// assignments reads PROPERTY=VALUE by what the type says of its properties. What it does
// not know goes to the server as it is, which says what is wrong with it.
func assignments(t *resource.Type, args []string) (map[string]any, error) {
	properties, whole := map[string]any{}, map[string]any{}
	for _, arg := range args {
		name, text, ok := strings.Cut(arg, "=")
		if !ok || name == "" {
			return nil, usageError{fmt.Errorf("%q sets nothing: write PROPERTY=VALUE", arg)}
		}
		tag, isTag := strings.CutPrefix(name, "tags.")
		var value any
		var err error
		switch {
		case isTag:
			put(whole, []string{"tags", tag}, orNull(text))
			continue
		case slices.Contains([]string{"location", "kind"}, strings.ToLower(name)):
			whole[strings.ToLower(name)] = orNull(text)
			continue
		case strings.EqualFold(name, "sku"):
			whole["sku"] = map[string]any{"name": text}
			continue
		case strings.EqualFold(name, "sku.capacity"):
			capacity, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, usageError{fmt.Errorf("sku.capacity is a whole number, not %q", text)}
			}
			put(whole, []string{"sku", "capacity"}, capacity)
			continue
		}
		way, field := fieldAt(t.Fields, strings.Split(name, "."))
		if value, err = parseValue(field, text); err != nil {
			return nil, usageError{fmt.Errorf("%s: %w", name, err)}
		}
		put(properties, way, value)
	}
	if len(properties) > 0 || len(whole) == 0 {
		whole["properties"] = properties
	}
	return whole, nil
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// put sets a value at the end of a way of names.
func put(m map[string]any, way []string, value any) {
	for _, name := range way[:len(way)-1] {
		inner, ok := m[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			m[name] = inner
		}
		m = inner
	}
	m[way[len(way)-1]] = value
}

// fieldAt finds a property by its path, and spells the path as the type does.
func fieldAt(fields []resource.Field, way []string) ([]string, *resource.Field) {
	i := slices.IndexFunc(fields, func(f resource.Field) bool { return strings.EqualFold(f.Name, way[0]) })
	if i < 0 {
		return way, nil
	}
	own := []string{fields[i].Name}
	if len(way) == 1 {
		return own, &fields[i]
	}
	rest, field := fieldAt(fields[i].Fields, way[1:])
	return append(own, rest...), field
}

func parseValue(f *resource.Field, text string) (any, error) {
	if text == "" {
		return nil, nil
	}
	kind := resource.String
	if f != nil {
		kind = f.Kind
	}
	switch kind {
	case resource.Int:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is no whole number", text)
		}
		return n, nil
	case resource.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, fmt.Errorf("%q is neither true nor false", text)
		}
		return b, nil
	case resource.List, resource.Object, resource.Map:
		return parseCompound(kind, text)
	case resource.JSON:
		if !json.Valid([]byte(text)) {
			return nil, fmt.Errorf("%q is no JSON", text)
		}
		return json.RawMessage(text), nil // in the order it was written in
	}
	return text, nil
}

// parseCompound reads JSON, or a list written a,b.
func parseCompound(kind resource.Kind, text string) (any, error) {
	if text[0] != '[' && text[0] != '{' {
		if kind != resource.List {
			return nil, fmt.Errorf("it is an object: write it as JSON, such as '{\"name\": \"value\"}'")
		}
		var items []any
		for item := range strings.SplitSeq(text, ",") {
			items = append(items, strings.TrimSpace(item))
		}
		return items, nil
	}
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return nil, fmt.Errorf("%q is no JSON: %w", text, err)
	}
	return value, nil
}

// completeSet completes TYPE, NAME, and the properties there are with their values.
func (l *line) completeSet(w *whereabouts) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	target := l.completeTarget(w)
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) < 2 {
			return target(cmd, args, begun)
		}
		n, err := l.kind(args[0])
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return completeProperty(n.typ, begun), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

func completeProperty(t *resource.Type, begun string) (all []string) {
	name, _, hasValue := strings.Cut(begun, "=")
	for _, f := range t.Fields {
		if f.ReadOnly {
			continue
		}
		if !hasValue {
			all = append(all, f.Name+"=\t"+f.Description)
			continue
		}
		if !strings.EqualFold(f.Name, name) {
			continue
		}
		values := f.Values
		if f.Kind == resource.Bool {
			values = []string{"true", "false"}
		}
		for _, v := range values {
			all = append(all, f.Name+"="+v)
		}
	}
	return slices.DeleteFunc(all, func(s string) bool { return !strings.HasPrefix(strings.ToLower(s), strings.ToLower(begun)) })
}

// settleClient decides the settings of finding the server, for completions, which run
// before anything else does.
func (l *line) settleClient() error { return l.client.Load(os.LookupEnv, "") }

// namesOf are the names of a list that go on from what was begun. Those that more must
// follow end with a slash.
func namesOf(all []json.RawMessage, before, begun string, more bool) ([]string, cobra.ShellCompDirective) {
	found := map[string]bool{}
	for _, raw := range all {
		var one entry
		if json.Unmarshal(raw, &one) != nil {
			continue
		}
		name := display(one)
		if before != "" {
			name = before + "/" + name
		}
		if more {
			name += "/"
		}
		if strings.HasPrefix(strings.ToLower(name), strings.ToLower(begun)) {
			found[name] = true
		}
	}
	directive := cobra.ShellCompDirectiveNoFileComp
	if more {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	return slices.Sorted(maps.Keys(found)), directive
}
