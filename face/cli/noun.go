package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"

	"weir/face/api"
	"weir/kernel/resource"
)

// noun is a resource type on the command line: queue, topic, subscription.
type noun struct {
	word string
	typ  *resource.Type
}

// nouns makes a command of each type whose last step no other type shares. Scopes and
// what extends other resources have commands of their own, and so have identities.
func (l *line) nouns() []*cobra.Command {
	types := slices.DeleteFunc(slices.Clone(l.program.Types), func(t *resource.Type) bool {
		return t.Extension || t.Absent != "" || strings.HasPrefix(t.Name, "Microsoft.Resources/") || strings.HasPrefix(t.Name, "Weir.Identity/")
	})
	uses := map[string]int{}
	for _, t := range types {
		uses[lastStep(t.Name)]++
	}
	var all []*cobra.Command
	for _, t := range types {
		if step := lastStep(t.Name); uses[step] == 1 {
			all = append(all, l.noun(noun{singular(step), t}))
		}
	}
	return all
}

func lastStep(typ string) string { return typ[strings.LastIndexByte(typ, '/')+1:] }

// singular makes the word for one of a collection: queues, queue; networkRuleSets,
// network-rule-set; topologies, topology.
func singular(step string) string {
	switch {
	case strings.HasSuffix(step, "ies"):
		step = strings.TrimSuffix(step, "ies") + "y"
	default:
		step = strings.TrimSuffix(step, "s")
	}
	var word strings.Builder
	for i, r := range step {
		if unicode.IsUpper(r) && i > 0 {
			word.WriteByte('-')
		}
		word.WriteRune(unicode.ToLower(r))
	}
	return word.String()
}

func (l *line) noun(n noun) *cobra.Command {
	var namespace string
	cmd := &cobra.Command{Use: n.word, Short: "List and show: " + n.typ.Name, Long: n.typ.Description, GroupID: "look"}
	names := strings.ToUpper(strings.Join(n.path(), "/"))
	show := l.remote(&cobra.Command{
		Use: "show " + names, Short: "Show one, with what it holds", Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return l.completeName(cmd.Context(), n, whereabouts{namespace: namespace}, begun)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return l.about(cmd.Context(), n, namespace, args[0], l.show)
		},
	}, "")
	list := l.remote(&cobra.Command{
		Use: strings.TrimSpace("list " + strings.TrimSuffix(strings.TrimSuffix(names, strings.ToUpper(n.word)), "/")), Short: "List all", Args: cobra.RangeArgs(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return l.about(cmd.Context(), n, namespace, strings.Join(append(args, "*"), "/"), func(ctx context.Context, d *door, id string) error {
				return l.showList(ctx, d, strings.TrimSuffix(id, "/*"), n.typ)
			})
		},
	}, "")
	for _, verb := range []*cobra.Command{show, list} {
		if len(n.steps()) > 1 {
			verb.Flags().StringVar(&namespace, "namespace", "", "Name of the "+singular(n.steps()[0])+" it lies in. Not given: the default one.")
		}
		cmd.AddCommand(verb)
	}
	return cmd
}

// steps are the collections a resource lies in, its own last: namespaces, queues.
func (n noun) steps() []string {
	_, steps, _ := strings.Cut(n.typ.Name, "/")
	return strings.Split(steps, "/")
}

// path are the words for the names a command takes: all but the namespace.
func (n noun) path() []string {
	steps := n.steps()
	words := make([]string, 0, len(steps))
	for i, step := range steps {
		if i > 0 || len(steps) == 1 {
			words = append(words, singular(step))
		}
	}
	return words
}

// about finds the id of what a command names and does something with it.
func (l *line) about(ctx context.Context, n noun, namespace, name string, do func(context.Context, *door, string) error) error {
	d, err := l.door()
	if err != nil {
		return err
	}
	var s api.Status
	if err := d.call(ctx, "GET", "/status", nil, &s); err != nil {
		return err
	}
	if namespace == "" {
		namespace = s.Namespace
	}
	id, err := n.id(s.Scope, namespace, name)
	if err != nil {
		return usageError{err}
	}
	return do(ctx, d, id)
}

// id puts the id together from the scope and the names. Where one name is wanted
// a '/' belongs to it, which ids write '~'.
func (n noun) id(scope, namespace, name string) (string, error) {
	words := n.path()
	names := strings.Split(name, "/")
	if len(words) == 1 && len(names) > 1 {
		names = []string{strings.Join(names, "~")}
	}
	if len(names) != len(words) {
		return "", fmt.Errorf("a %s is named %s", n.word, strings.ToUpper(strings.Join(words, "/")))
	}
	steps := n.steps()
	if len(steps) > 1 {
		names = append([]string{namespace}, names...)
	}
	provider, _, _ := strings.Cut(n.typ.Name, "/")
	id := scope + "/providers/" + provider
	for i := range steps {
		id += "/" + steps[i] + "/" + names[i]
	}
	return id, nil
}

// showList writes a list: names and what the type counts, or JSON.
func (l *line) showList(ctx context.Context, d *door, id string, t *resource.Type) error {
	all, err := collect(ctx, d, id)
	if err != nil {
		return err
	}
	if l.json {
		return l.writeJSON(map[string]any{"value": all})
	}
	columns := columnsOf(t)
	table := tabwriter.NewWriter(l.Out, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "NAME")
	for _, column := range columns {
		fmt.Fprint(table, "\t", heading(column))
	}
	fmt.Fprintln(table)
	for _, raw := range all {
		var one entry
		if err := json.Unmarshal(raw, &one); err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		fmt.Fprint(table, display(one))
		for _, column := range columns {
			fmt.Fprint(table, "\t", cell(one.Properties[column]))
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}

// display is a resource's name as people write it.
func display(one entry) string {
	if one.Name == "" { // a subscription has only an id
		return one.ID[strings.LastIndexByte(one.ID, '/')+1:]
	}
	if name, err := url.PathUnescape(one.Name); err == nil {
		return strings.ReplaceAll(name, "~", "/")
	}
	return one.Name
}

// columnsOf are the properties worth a column: the status, and what is counted.
func columnsOf(t *resource.Type) []string {
	if t == nil {
		return nil
	}
	var all []string
	for _, f := range t.Fields {
		if f.Name == "status" || f.ReadOnly && f.Kind == resource.Int {
			all = append(all, f.Name)
		}
	}
	return all
}

// heading writes messageCount as MESSAGE COUNT.
func heading(column string) string {
	var word strings.Builder
	for _, r := range column {
		if unicode.IsUpper(r) {
			word.WriteByte(' ')
		}
		word.WriteRune(unicode.ToUpper(r))
	}
	return word.String()
}

func cell(value any) string {
	switch v := value.(type) {
	case nil:
		return "-"
	case float64:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprint(value)
}
