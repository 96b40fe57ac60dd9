// Package weir_test holds the house to its own rules: who may import whom, what
// pure packages may do, and how files and packages introduce themselves. Each
// failure names the rule, the reason, and what to do instead.
package weir_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
)

const module = "weir"

// floor is one row of the import table in ARCHITECTURE.md.
type floor struct {
	prefix string   // package path below the module, "" excluded
	may    []string // prefixes of our own packages it may import, itself included
	why    string
}

// floors is the import table. The most specific prefix wins.
var floors = []floor{
	{"internal", []string{"internal"}, "leaves know nothing of us; take what you need as an argument"},
	{"wire", []string{"internal", "wire"}, "a codec must be testable alone; move the knowledge up to the service"},
	{"kernel/fault", []string{"internal", "kernel/fault"}, "faults are the bottom of the kernel"},
	{"kernel/journal", []string{"internal", "kernel/fault", "kernel/journal"}, "kernel order: resource, identity, link, replica, journal, ballot, fault"},
	{"kernel/replica", []string{"internal", "kernel/fault", "kernel/journal", "kernel/replica"}, "kernel order: resource, identity, link, replica, journal, ballot, fault"},
	{"kernel/ballot", []string{"internal", "kernel/fault", "kernel/ballot"}, "kernel order: resource, identity, link, replica, journal, ballot, fault"},
	{"kernel/link", []string{"internal", "kernel/fault", "kernel/journal", "kernel/replica", "kernel/link"}, "kernel order: resource, identity, link, replica, journal, ballot, fault"},
	{"kernel/audit", []string{"internal", "kernel/fault", "kernel/journal", "kernel/replica", "kernel/audit"}, "kernel order: resource, audit, identity, link, replica, journal, ballot, fault"},
	{"kernel/identity", []string{"internal", "kernel/fault", "kernel/journal", "kernel/replica", "kernel/identity"}, "kernel order: resource, identity, link, replica, journal, ballot, fault"},
	{"kernel/resource", []string{"internal", "kernel"}, "kernel order: resource, identity, link, replica, journal, ballot, fault"},
	{"service/bus", []string{"internal", "wire", "kernel", "service/bus"}, "any service can be read, tested or removed alone; meet by resource id, event, or an interface the consumer declares"},
	{"service/workflow", []string{"internal", "wire", "kernel", "service/workflow"}, "any service can be read, tested or removed alone; meet by resource id, event, or an interface the consumer declares"},
	{"operate", []string{"internal", "kernel", "operate"}, "operate acts through resources and journals, never through a service's types"},
	{"face", []string{"internal", "kernel", "face"}, "a new resource type shows up in CLI and portal with no new code there"},
	{"app", []string{"internal", "wire", "kernel", "service", "operate", "face", "app"}, "app is the wiring; nothing it uses may need cmd"},
	{"cmd", []string{"internal", "app", "face", "operate", "conformance", "cmd"}, "cmd is flags, signals and app.Run; put the rest in app"},
	{"conformance", []string{"internal", "kernel", "conformance"}, "clients know our ports, not our services"},
	{"simulation", []string{"internal", "wire", "kernel", "service", "operate", "simulation"}, "simulation drives machines, not faces"},
}

// pure lists the packages that are deterministic: the reason why each is here,
// and nothing in them may read a clock, start a goroutine, do I/O or draw lots.
var pure = map[string]string{
	"wire/amqp":                            "a codec is a function from bytes to values",
	"kernel/fault":                         "replicas must agree on refusals",
	"kernel/journal/record":                "readers everywhere must accept and refuse the same bytes",
	"kernel/replica/core":                  "a seed must replay it",
	"kernel/ballot/core":                   "who may own must be playable under a seed",
	"kernel/link/core":                     "what passes between locations must be playable under a seed",
	"kernel/audit/history":                 "copies of a log must be the same everywhere",
	"kernel/resource/registry":             "replicas must agree on what is declared",
	"kernel/identity/jwt":                  "a token must be believed or not by its bytes, its keys and the time alone",
	"kernel/identity/rights":               "the same assignments must give the same decision everywhere",
	"service/bus/internal/broker":          "replicas must agree on every message",
	"service/bus/internal/filter":          "a rule must match the same everywhere",
	"operate/continuity/core":              "where a group may be must be playable under a seed",
	"operate/deploy/template":              "the same template must give the same resources",
	"service/workflow/internal/callback":   "an address made in one location must be good in the other",
	"service/workflow/internal/document":   "the same file must be read the same everywhere",
	"service/workflow/internal/content":    "the same bytes must be the same value everywhere",
	"service/workflow/internal/definition": "the same file must get the same verdict",
	"service/workflow/internal/fire":       "what a trigger becomes must be the same when it is decided again",
	"service/workflow/internal/expression": "a run that is folded again must compute the same",
	"service/workflow/internal/ledger":     "replicas must agree on every run",
	"service/workflow/internal/run":        "a run that is folded again, anywhere, must go on the same",
	"service/workflow/internal/rehearse":   "a rehearsal must go the same every time",
	"service/workflow/internal/standin":    "the same definition must get the same stand-ins",
	"service/workflow/internal/swagger":    "the same document must give the same request",
	"service/workflow/internal/schedule":   "two locations that share a schedule must agree on every occurrence",
	"operate/plan/core":                    "the same estate must get the same report",
	"operate/watch/core":                   "the same rounds must give the same alarms",
	"conformance/torture/ledger":           "a history must get the same verdict twice",
}

// pureImports is the short list of what pure packages may use beside each other.
var pureImports = []string{
	"bytes", "cmp", "container/heap", "encoding", "encoding/base64", "encoding/binary", "encoding/hex", "encoding/json", "errors", "fmt", "hash", "hash/crc32", "hash/crc64",
	"iter", "maps", "math", "math/big", "math/bits", "net/netip", "net/url", "regexp", "slices", "sort", "strconv", "strings", "time",
	"crypto", "crypto/ecdsa", "crypto/elliptic", "crypto/hmac", "crypto/rsa", "crypto/sha1", "crypto/sha256", "crypto/sha512", "crypto/x509", "encoding/asn1", "encoding/pem", "io",
	"unicode", "unicode/utf16", "unicode/utf8", "unsafe", "github.com/cespare/xxhash/v2",
	"mime", "mime/multipart", "net/textproto", "golang.org/x/text/encoding", "golang.org/x/text/encoding/ianaindex",
	"weir/internal/iso8601", "weir/internal/groups", "weir/internal/jsonc", "weir/internal/dotnet", "weir/internal/xmltree",
}

// impureCalls are functions of otherwise allowed packages that read the world.
var impureCalls = map[string]string{
	"time.Now": "take the time as an argument", "time.Since": "take the time as an argument", "time.Until": "take the time as an argument",
	"time.Sleep": "say when you want to be woken", "time.After": "say when you want to be woken", "time.AfterFunc": "say when you want to be woken",
	"time.NewTimer": "say when you want to be woken", "time.NewTicker": "say when you want to be woken", "time.Tick": "say when you want to be woken",
	"fmt.Print": "return it", "fmt.Println": "return it", "fmt.Printf": "return it",
}

// linesMax is the most lines a Go file may have; a table may say why it is
// longer in longFiles.
const linesMax = 600

var longFiles = map[string]string{}

// drawers are names that say nothing about what is inside.
var drawers = []string{"util", "utils", "common", "misc", "helpers", "types", "manager"}

type source struct {
	file string // slash path below the module root
	dir  string
	test bool
	ast  *ast.File
	fset *token.FileSet
	len  int
}

func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && p != "." && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata" || name == "tools") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p, data, parser.ParseComments)
		if err != nil {
			return err
		}
		p = filepath.ToSlash(p)
		all = append(all, source{file: p, dir: path.Dir(p), test: strings.HasSuffix(name, "_test.go"), ast: f, fset: fset, len: strings.Count(string(data), "\n")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func imports(s source) []string {
	var out []string
	for _, i := range s.ast.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		out = append(out, p)
	}
	return out
}

func under(p, prefix string) bool { return p == prefix || strings.HasPrefix(p, prefix+"/") }

func floorOf(dir string) (floor, bool) {
	best, found := floor{}, false
	for _, f := range floors {
		if under(dir, f.prefix) && len(f.prefix) >= len(best.prefix) {
			best, found = f, true
		}
	}
	return best, found
}

func TestImportsPointDown(t *testing.T) {
	for _, s := range sources(t) {
		if s.dir == "." {
			continue
		}
		f, ok := floorOf(s.dir)
		if !ok {
			t.Errorf("%s: no floor of the house is called %q; put it on a floor of the import table or add one with its reason", s.file, s.dir)
			continue
		}
		for _, imp := range imports(s) {
			if !under(imp, module) {
				continue
			}
			ours := strings.TrimPrefix(imp, module+"/")
			allowed := false
			for _, m := range f.may {
				allowed = allowed || under(ours, m)
			}
			// A test may bring a fixture that stands beside what it tests.
			if !allowed && !(s.test && strings.HasSuffix(ours, "test")) {
				t.Errorf("%s imports %s: %s may import only %s, because %s", s.file, imp, f.prefix, strings.Join(f.may, ", "), f.why)
			}
		}
	}
}

func TestOnlyTheJournalKnowsNATS(t *testing.T) {
	for _, s := range sources(t) {
		for _, imp := range imports(s) {
			if strings.HasPrefix(imp, "github.com/nats-io/") && !under(s.dir, "kernel/journal") {
				t.Errorf("%s imports %s: only kernel/journal speaks to JetStream, so that the log can be replaced; ask the journal for what you need", s.file, imp)
			}
		}
	}
}

func TestPurePackagesArePure(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range sources(t) {
		why, ok := pure[s.dir]
		if !ok || s.test {
			continue
		}
		seen[s.dir] = true
		names := map[string]string{}
		for _, i := range s.ast.Imports {
			p, _ := strconv.Unquote(i.Path.Value)
			names[path.Base(p)] = p
			if !allowedInPure(p) {
				t.Errorf("%s imports %s: %s is pure (%s); do that in the shell around it and pass the result in", s.file, p, s.dir, why)
			}
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: go statement in a pure package (%s); start goroutines in the shell", s.fset.Position(n.Pos()), why)
			case *ast.SelectStmt:
				t.Errorf("%s: select in a pure package (%s); wait in the shell", s.fset.Position(n.Pos()), why)
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Obj == nil {
					if advice, bad := impureCalls[names[x.Name]+"."+n.Sel.Name]; bad {
						t.Errorf("%s: %s.%s in a pure package (%s); %s", s.fset.Position(n.Pos()), x.Name, n.Sel.Name, why, advice)
					}
				}
			}
			return true
		})
	}
	for dir := range pure {
		if !seen[dir] {
			t.Errorf("pure package %s does not exist; correct the list", dir)
		}
	}
}

// wallClock lists where the time is written down or shown to clients: there it is read
// through internal/wall, so that a torture can step it.
var wallClock = []string{"kernel/link", "kernel/replica", "service/bus"}

func TestTheWallClockIsReadInOnePlace(t *testing.T) {
	for _, s := range sources(t) {
		if s.test || strings.HasSuffix(s.dir, "test") || !slices.ContainsFunc(wallClock, func(dir string) bool { return under(s.dir, dir) }) {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Now" {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && x.Obj == nil {
					t.Errorf("%s: time.Now; ask wall.Now (weir/internal/wall), which the torture of two locations can set off", s.fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
}

func allowedInPure(imp string) bool {
	for _, p := range pureImports {
		if imp == p {
			return true
		}
	}
	_, ok := pure[strings.TrimPrefix(imp, module+"/")]
	return ok
}

func TestEveryPackageIntroducesItself(t *testing.T) {
	comments, first := map[string]int{}, map[string]string{}
	for _, s := range sources(t) {
		if s.test || s.dir == "." {
			continue
		}
		if _, ok := first[s.dir]; !ok {
			first[s.dir] = s.file
			comments[s.dir] += 0
		}
		if s.ast.Doc != nil {
			comments[s.dir]++
		}
		if name := s.ast.Name.Name; contains(drawers, name) {
			t.Errorf("%s: package %s names a drawer, not a thing; name what it holds", s.file, name)
		}
	}
	for _, dir := range sorted(comments) {
		if n := comments[dir]; n != 1 {
			t.Errorf("%s: package has %d package comments, wants exactly one that says what it is for, what it promises and what it refuses", dir, n)
		}
	}
}

func TestNoPackageRegistersItself(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue
		}
		for _, d := range s.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: func init; wiring is a plain list in app, so that two instances in one process share nothing", s.file)
			}
		}
	}
}

func TestFilesStayReadable(t *testing.T) {
	for _, s := range sources(t) {
		if _, ok := longFiles[s.file]; !ok && s.len > linesMax {
			t.Errorf("%s has %d lines, more than %d: find the second idea in it and give it its own file", s.file, s.len, linesMax)
		}
	}
}

func TestDependenciesHaveReasons(t *testing.T) {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	direct := regexp.MustCompile(`(?m)^\s+(\S+) v\S+$`)
	for _, m := range direct.FindAllStringSubmatch(string(mod), -1) {
		if !strings.Contains(string(doc), "`"+m[1]+"`") {
			t.Errorf("go.mod requires %s: add its line to docs/dependencies.md (what for, why this one, what it costs) or do without it", m[1])
		}
	}
}

// TestTableIsInTheDesign keeps the page and the test from drifting apart.
func TestTableIsInTheDesign(t *testing.T) {
	page, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	for dir := range pure {
		if !strings.Contains(string(page), "`"+dir+"`") {
			t.Errorf("ARCHITECTURE.md does not name the pure package `%s`", dir)
		}
	}
	for _, f := range floors {
		root := strings.Split(f.prefix, "/")[0]
		if !strings.Contains(string(page), fmt.Sprintf("| `%s", root)) {
			t.Errorf("ARCHITECTURE.md has no row for `%s` in the import table", root)
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
