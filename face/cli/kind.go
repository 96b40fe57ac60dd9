package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"weir/face/api"
	"weir/kernel/resource"
)

// kinds are the words by which get, list, set and delete know resource types: the last
// step's, with the step before it where types share one (queue-authorization-rule), and
// with resource in front where that is still somebody else's.
func (l *line) kinds() []noun {
	var all []noun
	taken := map[string]bool{}
	add := func(word string, t *resource.Type) bool {
		if taken[word] {
			return false
		}
		taken[word] = true
		all = append(all, noun{word, t})
		return true
	}
	uses := map[string]int{}
	var later []*resource.Type
	for _, t := range l.program.Types {
		if t.Extension || t.Absent != "" {
			continue
		}
		if isScopeType(t) {
			later = append(later, t)
			continue
		}
		uses[lastStep(t.Name)]++
	}
	for _, t := range l.program.Types {
		if t.Extension || t.Absent != "" || isScopeType(t) {
			continue
		}
		word := singular(lastStep(t.Name))
		if uses[lastStep(t.Name)] > 1 && t.Parent() != "" {
			word = singular(lastStep(t.Parent())) + "-" + word
		}
		if !add(word, t) {
			provider, _, _ := strings.Cut(t.Name, "/")
			add(strings.ToLower(provider[strings.LastIndex(provider, ".")+1:])+"-"+word, t)
		}
	}
	for _, t := range later {
		if word := singular(lastStep(t.Name)); !add(word, t) {
			add("resource-"+word, t)
		}
	}
	return all
}

func isScopeType(t *resource.Type) bool {
	return strings.EqualFold(t.Name, resource.TypeGroup) || strings.EqualFold(t.Name, resource.TypeSubscription)
}

// kind finds a type by its word, the plural of it, or its full name.
func (l *line) kind(given string) (noun, error) {
	var words []string
	for _, n := range l.kinds() {
		if strings.EqualFold(given, n.word) || strings.EqualFold(given, n.typ.Name) || strings.EqualFold(given, plurals(n.word)) {
			return n, nil
		}
		words = append(words, n.word)
	}
	return noun{}, usageError{fmt.Errorf("%q is no type: use an id, which begins with /, or one of %s", given, strings.Join(words, ", "))}
}

func plurals(word string) string {
	if strings.HasSuffix(word, "y") {
		return strings.TrimSuffix(word, "y") + "ies"
	}
	return word + "s"
}

// whereabouts are the flags that say where a resource lies.
type whereabouts struct{ scope, namespace string }

func (w *whereabouts) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.scope, "scope", "", "Id of the resource group it lies in. Not given: the server's default one.")
	cmd.Flags().StringVar(&w.namespace, "namespace", "", "Name of the namespace it lies in. Not given: the server's default one.")
}

// settled fills in what the flags leave open.
func (w whereabouts) settled(ctx context.Context, d *door, needsNamespace bool) (whereabouts, error) {
	if w.scope != "" && (w.namespace != "" || !needsNamespace) {
		return w, nil
	}
	var s api.Status
	if err := d.call(ctx, "GET", "/status", nil, &s); err != nil {
		return w, fmt.Errorf("the server's default scope and namespace are not known (give --scope and --namespace): %w", err)
	}
	if w.scope == "" {
		w.scope = s.Scope
	}
	if w.namespace == "" {
		w.namespace = s.Namespace
	}
	return w, nil
}

// target finds what a command is about, by TYPE NAME or by ID, and gives the arguments
// that are left. A type without a name is all of them: id is then the collection's.
func (l *line) target(ctx context.Context, d *door, w whereabouts, args []string) (id string, n noun, rest []string, err error) {
	if strings.HasPrefix(args[0], "/") {
		return args[0], l.typeOf(args[0]), args[1:], nil
	}
	if n, err = l.kind(args[0]); err != nil {
		return "", n, nil, err
	}
	if w, err = w.settled(ctx, d, len(n.steps()) > 1); err != nil {
		return "", n, nil, err
	}
	name, rest := "", args[1:]
	switch {
	case len(rest) > 0 && !strings.Contains(rest[0], "="):
		name, rest = rest[0], rest[1:]
	case n.typ.Always != "":
		name = n.typ.Always
	default:
		id, err = n.collection(w, "")
		return id, n, rest, err
	}
	id, err = n.at(w, name)
	return id, n, rest, err
}

// typeOf is the type of an id, as far as it is one.
func (l *line) typeOf(text string) noun {
	if id, err := resource.ParseID(text); err == nil {
		for _, t := range l.program.Types {
			if strings.EqualFold(t.Name, id.Type()) {
				return noun{typ: t}
			}
		}
	}
	return noun{}
}

// at is the id of one resource.
func (n noun) at(w whereabouts, name string) (string, error) {
	if isScopeType(n.typ) {
		return scopeID(n.typ, w.scope, name), nil
	}
	if n.typ.Always != "" && name != n.typ.Always { // its own name says nothing: what it is of does
		w.namespace, name = name, n.typ.Always
	}
	id, err := n.id(w.scope, w.namespace, name)
	if err != nil {
		return "", usageError{err}
	}
	return id, nil
}

// collection is where the resources of a type in another are listed; in is the name of
// that other, empty for what lies in the namespace.
func (n noun) collection(w whereabouts, in string) (string, error) {
	if isScopeType(n.typ) {
		return strings.TrimSuffix(scopeID(n.typ, w.scope, ""), "/"), nil
	}
	words := n.path()
	if given := len(strings.FieldsFunc(in, func(r rune) bool { return r == '/' })); given != len(words)-1 {
		return "", usageError{fmt.Errorf("a %s lies in %s: give its name", n.word, strings.ToUpper(strings.Join(words[:len(words)-1], "/")))}
	}
	id, err := n.id(w.scope, w.namespace, strings.TrimPrefix(in+"/*", "/"))
	if err != nil {
		return "", usageError{err}
	}
	return strings.TrimSuffix(id, "/*"), nil
}

func scopeID(t *resource.Type, scope, name string) string {
	if strings.EqualFold(t.Name, resource.TypeGroup) {
		subscription := ""
		if id, err := resource.ParseID(scope); err == nil {
			subscription = id.Subscription()
		}
		return "/subscriptions/" + subscription + "/resourceGroups/" + name
	}
	return "/subscriptions/" + name
}

// completeTarget completes TYPE and NAME.
func (l *line) completeTarget(w *whereabouts) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			var words []string
			for _, n := range l.kinds() {
				if strings.HasPrefix(n.word, begun) {
					words = append(words, n.word+"\t"+n.typ.Description)
				}
			}
			return words, cobra.ShellCompDirectiveNoFileComp
		}
		n, err := l.kind(args[0])
		if err != nil || len(args) > 1 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return l.completeName(cmd.Context(), n, *w, begun)
	}
}

// completeName asks the server which names there are, one part of a path at a time.
func (l *line) completeName(ctx context.Context, n noun, w whereabouts, begun string) ([]string, cobra.ShellCompDirective) {
	const quiet = cobra.ShellCompDirectiveNoFileComp
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionWait)
	defer cancel()
	if l.settleClient() != nil {
		return nil, quiet
	}
	d, err := l.door()
	if err != nil {
		return nil, quiet
	}
	if w, err = w.settled(ctx, d, len(n.steps()) > 1); err != nil {
		return nil, quiet
	}
	step, before := n, ""
	if words := n.path(); len(words) > 1 {
		parts := strings.Split(begun, "/")
		parts = parts[:min(len(parts), len(words))]
		before = strings.Join(parts[:len(parts)-1], "/")
		for range len(words) - len(parts) {
			step = l.parentOf(step)
		}
	}
	id, err := step.collection(w, before)
	if err != nil {
		return nil, quiet
	}
	all, err := collect(ctx, d, id)
	if err != nil {
		return nil, quiet
	}
	return namesOf(all, before, begun, step.typ != n.typ)
}

// parentOf is the type another's resources lie in.
func (l *line) parentOf(n noun) noun {
	i := slices.IndexFunc(l.program.Types, func(t *resource.Type) bool { return strings.EqualFold(t.Name, n.typ.Parent()) })
	if i < 0 {
		return n
	}
	return noun{singular(lastStep(n.typ.Parent())), l.program.Types[i]}
}
