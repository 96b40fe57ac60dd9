package resource

import (
	"fmt"
	"strings"

	"weir/internal/iso8601"
)

// Redact takes secrets out of a document that is to be shown.
func (t *Type) Redact(d Document) Document {
	d = d.Clone()
	eachOf(Secret, t.Fields, d.Properties, "properties", func(m map[string]any, name, _ string) { delete(m, name) })
	return d
}

// Markdown writes the reference section of a type.
func Markdown(t *Type) string {
	var b strings.Builder
	if t.Absent != "" {
		return fmt.Sprintf("## %s\n\nAzure has this type and Weir has not: %s\n", t.Name, t.Absent)
	}
	fmt.Fprintf(&b, "## %s\n\n%s\n\n", t.Name, t.Description)
	for _, remark := range t.remarks() {
		b.WriteString(remark + "\n\n")
	}
	if t.NameHint != "" {
		fmt.Fprintf(&b, "Name: %d to %d characters; %s.\n\n", t.NameRange.Min, t.NameRange.Max, t.NameHint)
	}
	if len(t.SKUs) > 0 {
		fmt.Fprintf(&b, "Sku: %s; %s when none is given.\n\n", alternatives(t.SKUs), t.SKUs[0])
	}
	if t.SiblingsMax > 0 {
		fmt.Fprintf(&b, "At most %d in one place.\n\n", t.SiblingsMax)
	}
	b.WriteString("| property | kind | default | allowed | description |\n|---|---|---|---|---|\n")
	markdownFields(&b, t.Fields, "")
	for i, a := range t.Actions {
		if i == 0 {
			b.WriteString("\n| action | description |\n|---|---|\n")
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", a.Name, cell(a.Description))
	}
	return b.String()
}

// remarks say what is special about a type.
func (t *Type) remarks() (all []string) {
	if t.Extension {
		all = append(all, "It lies behind any resource or scope, which it extends: `{id}/providers/"+t.Name+"/{name}`.")
	}
	if t.Unique {
		all = append(all, "Its names are unique in the location: checkNameAvailability says whether one is free.")
	}
	if t.Always != "" {
		all = append(all, fmt.Sprintf("There is one in each place, named `%s`: with its defaults before anybody declares it.", t.Always))
	}
	return all
}

func markdownFields(b *strings.Builder, fields []Field, prefix string) {
	for _, f := range fields {
		name := prefix + f.Name
		shown := ""
		if f.Default != nil {
			shown = fmt.Sprintf("`%v`", f.Default)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", name, f.Kind, shown, cell(f.allowed()), cell(f.Description+f.remarks()))
		markdownFields(b, f.Fields, name+".")
		if f.Element != nil {
			markdownFields(b, f.Element.Fields, name+"[].")
		}
	}
}

// allowed says in words what a field takes.
func (f Field) allowed() string {
	switch r := f.Range; {
	case f.Kind == Enum:
		return strings.Join(f.Values, ", ")
	case f.Element != nil && f.Element.Kind == Enum:
		return strings.Join(f.Element.Values, ", ")
	case r == nil:
		return f.Hint
	case f.Kind == Duration:
		return fmt.Sprintf("%s to %s", iso8601.Duration(r.Min), iso8601.Duration(r.Max))
	case f.Kind == String || f.Kind == Secret:
		return fmt.Sprintf("%d to %d characters", r.Min, r.Max)
	default:
		return fmt.Sprintf("%d to %d", r.Min, r.Max)
	}
}

func (f Field) remarks() string {
	var remarks string
	if f.Required {
		remarks += " Required."
	}
	if f.Immutable {
		remarks += " Cannot change."
	}
	if f.ReadOnly {
		remarks += " Read-only."
	}
	if f.Since != "" {
		remarks += " Since " + f.Since + "."
	}
	return remarks
}

// cell keeps text in one cell of a table.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(strings.TrimSpace(s))
}
