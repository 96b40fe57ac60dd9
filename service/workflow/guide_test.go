package workflow

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"

	"weir/service/workflow/internal/definition"
)

// guide is the page whose tables are made from the code; -update writes them.
const guide = "../../docs/workflow-definitions.md"

func TestGuideSaysWhatTheCodeDoes(t *testing.T) {
	for file, tables := range map[string]map[string]string{
		guide: {"actions": typesTable(definition.Actions), "triggers": typesTable(definition.Triggers), "limits": limitsTable(), "problems": codesTable()},
		users: {"attention": attentionTable(), "types": supportTable(), "operations": operationsTable(), "functions": functionsTable(), "limits": runLimitsTable()},
	} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		page := string(data)
		for name, table := range tables {
			page = within(t, page, name, table)
		}
		if *update {
			if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// within puts a table into its place on a page, and says when another one stands there.
func within(t *testing.T, page, name, table string) string {
	t.Helper()
	open, end := fmt.Sprintf("<!-- %s: from the code -->\n", name), "<!-- end -->"
	at := strings.Index(page, open)
	if at < 0 {
		t.Fatalf("the page has no place for the table of %s", name)
	}
	at += len(open)
	to := at + strings.Index(page[at:], end)
	if page[at:to] != table && !*update {
		t.Errorf("the table of %s is not what the code says; run go test ./service/workflow -update", name)
	}
	return page[:at] + table + page[to:]
}

func typesTable(types []definition.Type) string {
	var b strings.Builder
	b.WriteString("| type | here | what it is, or why not | members of inputs that are checked (**must be there**) |\n|---|---|---|---|\n")
	group := ""
	for _, row := range types {
		if row.Group != group {
			group = row.Group
			fmt.Fprintf(&b, "| *%s* | | | |\n", group)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", row.Name, row.Support, row.Note, fieldNames(row))
	}
	return b.String()
}

func fieldNames(row definition.Type) string {
	var names []string
	if len(row.Kinds) > 0 {
		names = append(names, "kind: "+strings.Join(row.Kinds, " "))
	}
	for _, f := range row.Inputs {
		name := f.Name
		if f.Must {
			name = "**" + name + "**"
		}
		if len(f.OneOf) > 0 {
			name += " (" + strings.Join(f.OneOf, " ") + ")"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

func limitsTable() string {
	var b strings.Builder
	b.WriteString("| limit | Consumption | Standard, stateful | Standard, stateless | Power Automate |\n|---|---|---|---|---|\n")
	columns := []definition.Limits{definition.LimitsOf(definition.Consumption, false), definition.LimitsOf(definition.Standard, false), definition.LimitsOf(definition.Standard, true), definition.LimitsOf(definition.PowerAutomate, false)}
	fields := reflect.TypeFor[definition.Limits]()
	for i := range fields.NumField() {
		fmt.Fprintf(&b, "| %s |", spelled(fields.Field(i).Name))
		for _, c := range columns {
			fmt.Fprintf(&b, " %v |", reflect.ValueOf(c).Field(i))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// spelled makes words of a Go name.
func spelled(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func codesTable() string {
	var b strings.Builder
	b.WriteString("| code | what it means |\n|---|---|\n")
	for _, code := range slices.Sorted(maps.Keys(definition.Codes)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", code, definition.Codes[code])
	}
	return b.String()
}

// TestEveryCodeIsInTheTable checks the scripts' codes against the table: a code that
// is used must be explained.
func TestEveryCodeIsInTheTable(t *testing.T) {
	scripts, err := os.ReadDir("testdata/validate")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{"not-json": true, "no-definition": true, "unreadable": true, "connection-missing": true}
	for _, s := range scripts {
		data, err := os.ReadFile("testdata/validate/" + s.Name())
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			words := strings.Fields(line)
			if len(words) > 2 && (words[0] == "error" || words[0] == "warning") {
				used[words[1]] = true
			}
		}
	}
	for code := range used {
		if definition.Codes[code] == "" {
			t.Errorf("the code %s is used and not explained", code)
		}
	}
	for code := range definition.Codes {
		if !used[code] {
			t.Errorf("the code %s is explained and no script shows it", code)
		}
	}
}
