package workflow

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// native are the APIs that need no description of theirs.
var native = []string{"servicebus", "filesystem"}

// connections writes the file of connections to fill in.
func (i *Import) connections(all map[string]string) {
	if len(all) == 0 {
		return
	}
	var b strings.Builder
	b.WriteString(`# The connections that the workflows call by, and the APIs they are to. Fill in what
# begins with "# ", then deploy this file before the workflows. Connections belong to a
# location: the other one has its own.
`)
	apis := map[string]bool{}
	for _, api := range all {
		apis[api] = true
	}
	for _, api := range slices.Sorted(maps.Keys(apis)) {
		if slices.Contains(native, strings.ToLower(api)) {
			continue
		}
		fmt.Fprintf(&b, `
- type: Microsoft.Web/customApis
  name: %s
  properties:
    displayName: %s
    # Where the API is: what paths of operations are below.
    # backendService: {serviceUrl: "https://..."}
    # Its Swagger document; operations that are named by their operationId need it.
    # swagger: {...}
    # What a connection has values for.
    # connectionParameters: {api_key: {type: securestring, in: header, name: X-API-Key}}
`, strconv.Quote(api), strconv.Quote(api))
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		api := all[name]
		fmt.Fprintf(&b, `
- type: Microsoft.Web/connections
  name: %s
  properties:
    displayName: %s
    api: {id: %s}
`, strconv.Quote(name), strconv.Quote(name), strconv.Quote("/providers/Microsoft.Web/managedApis/"+api))
		switch strings.ToLower(api) {
		case "servicebus":
			b.WriteString("    # A namespace here or anywhere:\n    # parameterValues: {connectionString: \"Endpoint=sb://...\"}\n")
		case "filesystem":
			b.WriteString("    # The folder that paths are below:\n    # parameterValues: {rootFolder: /srv/files}\n")
		default:
			b.WriteString("    # Values and credentials, sealed when they are deployed:\n    # parameterValues: {api_key: \"...\"}\n")
		}
	}
	i.Files = append(i.Files, ImportFile{Name: "connections.yaml", Secret: true, Data: []byte(b.String()), Deploy: true, About: "connections to fill in"})
}

// report writes what needs attention for people.
func (i *Import) report() {
	slices.SortStableFunc(i.Attention, func(a, b Attention) int { return rank(a.Kind) - rank(b.Kind) })
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", plural(len(i.Workflows), "workflow"), strings.Join(i.Workflows, ", "))
	for _, k := range AttentionKinds {
		n := 0
		for _, a := range i.Attention {
			if a.Kind != k.Kind {
				continue
			}
			if n++; n == 1 {
				fmt.Fprintf(&b, "\n%s: %s\n", k.Kind, k.About)
			}
			at := strings.TrimSpace(a.Workflow + " " + a.Path)
			fmt.Fprintf(&b, "  %s: %s\n", at, a.Message)
		}
	}
	if len(i.Attention) == 0 {
		b.WriteString("\nNothing needs attention.\n")
	}
	b.WriteString("\nDeploy:\n")
	for _, f := range i.Files {
		if f.Deploy {
			fmt.Fprintf(&b, "  weir deploy %s    # %s\n", f.Name, f.About)
		}
	}
	i.Files = append(i.Files, ImportFile{Name: "REPORT.txt", Data: []byte(b.String()), About: "what needs attention"})
}

func rank(kind string) int {
	for n, k := range AttentionKinds {
		if k.Kind == kind {
			return n
		}
	}
	return len(AttentionKinds)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
