package connector_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"weir/service/workflow/connector"
	"weir/service/workflow/connector/api"
	"weir/service/workflow/connector/bus"
	"weir/service/workflow/connector/file"
)

var update = flag.Bool("update", false, "write the guide anew")

const guide = "../../../docs/workflow-connections.md"

// TestGuideSaysWhatTheConnectorsDo holds the page's table against what is declared.
func TestGuideSaysWhatTheConnectorsDo(t *testing.T) {
	data, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	const open, end = "<!-- operations: from the code -->\n", "<!-- end -->"
	page := string(data)
	at := strings.Index(page, open) + len(open)
	to := at + strings.Index(page[at:], end)
	if at < len(open) || to < at {
		t.Fatal("the page has no place for the operations")
	}
	var b strings.Builder
	for _, c := range []connector.Connector{api.New(api.Options{}), bus.New(bus.Options{}), file.New(file.Options{})} {
		table(&b, c)
	}
	if page[at:to] == b.String() {
		return
	}
	if !*update {
		t.Fatal("the table of operations is not what the code says; run go test ./service/workflow/connector -update")
	}
	if err := os.WriteFile(guide, []byte(page[:at]+b.String()+page[to:]), 0o644); err != nil {
		t.Fatal(err)
	}
}

func table(b *strings.Builder, c connector.Connector) {
	fmt.Fprintf(b, "\n### %s\n\n| operation | what it does | inputs (**must be there**) | what comes out |\n|---|---|---|---|\n", strings.Join(c.Handles(), ", "))
	for _, o := range c.Operations() {
		name := "`" + o.Name + "`"
		if o.Trigger {
			name += " (trigger)"
		}
		var inputs []string
		for _, i := range o.Inputs {
			shown := i.Name
			if i.Required {
				shown = "**" + shown + "**"
			}
			inputs = append(inputs, shown+": "+i.About)
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", name, o.Summary, strings.Join(inputs, "; "), o.Outputs)
	}
}

// TestOperationsAreDeclaredWhole finds declarations that say nothing.
func TestOperationsAreDeclaredWhole(t *testing.T) {
	for _, c := range []connector.Connector{api.New(api.Options{}), bus.New(bus.Options{}), file.New(file.Options{})} {
		seen := map[string]bool{}
		for _, o := range c.Operations() {
			key := fmt.Sprint(o.Name, o.Trigger)
			if o.Name == "" || o.Summary == "" || o.Outputs == "" || seen[key] {
				t.Errorf("%v: %+v says too little, or comes twice", c.Handles(), o)
			}
			seen[key] = true
			for _, i := range o.Inputs {
				if i.Name == "" || i.About == "" || i.Kind == "" {
					t.Errorf("%s: the input %+v says too little", o.Name, i)
				}
			}
		}
	}
}
