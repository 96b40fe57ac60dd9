package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
)

// told is a small program's settings.
type told struct {
	Node    string
	Loud    bool
	Keep    time.Duration
	Cache   int64
	Workers int
	Format  string
	Files   []string
	Peers   map[string]string
	Secret  string
}

func declare() (*told, *Set) {
	v := &told{Node: "n1", Keep: time.Minute, Cache: 64 << 20, Workers: 4, Format: "text"}
	s := New("WEIR")
	g := s.Group("General")
	g.Text(&v.Node, "node", "name", "Name of this node.")
	g.Bool(&v.Loud, "loud", "Say more.")
	g.Duration(&v.Keep, "keep-for", "How long to keep.")
	g.Size(&v.Cache, "cache", "Bytes kept in memory.")
	g.Int(&v.Workers, "workers", "count", "How many work at once.")
	g.Choice(&v.Format, "log-format", []string{"text", "json"}, "How logs look.")
	g = s.Group("Cluster")
	g.Strings(&v.Files, "deploy", "FILE", "Files to apply.")
	g.Pairs(&v.Peers, "peers", "NODE=HOST:PORT", "The other nodes.")
	g.Secret(&v.Secret, "secret", "Shared by the nodes.")
	return v, s
}

// load runs one program start: arguments, environment (K=V), file text.
func load(t *testing.T, args, env []string, file string) (*told, *Set, error) {
	t.Helper()
	v, s := declare()
	fs := pflag.NewFlagSet("weir", pflag.ContinueOnError)
	s.AddFlags(fs)
	if err := fs.Parse(args); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{}
	for _, one := range env {
		name, value, _ := strings.Cut(one, "=")
		vars[name] = value
	}
	path := ""
	if file != "" {
		path = filepath.Join(t.TempDir(), "weir.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return v, s, s.Load(func(k string) (string, bool) { v, ok := vars[k]; return v, ok }, path)
}

func TestStrongestSourceWins(t *testing.T) {
	cases := []struct {
		name      string
		args, env []string
		file      string
		get       func(*told) any
		want      any
		origin    string
	}{
		{"default", nil, nil, "", func(v *told) any { return v.Node }, "n1", "default"},
		{"file over default", nil, nil, "node: f", func(v *told) any { return v.Node }, "f", "weir.yaml:1: node"},
		{"environment over file", nil, []string{"WEIR_NODE=e"}, "node: f", func(v *told) any { return v.Node }, "e", "WEIR_NODE"},
		{"flag over all", []string{"--node=a"}, []string{"WEIR_NODE=e"}, "node: f", func(v *told) any { return v.Node }, "a", "--node"},
		{"empty variable says nothing", nil, []string{"WEIR_NODE="}, "node: f", func(v *told) any { return v.Node }, "f", "weir.yaml:1: node"},
		{"null says nothing", nil, nil, "node:", func(v *told) any { return v.Node }, "n1", "default"},
		{"a flag may be empty", []string{"--node="}, []string{"WEIR_NODE=e"}, "", func(v *told) any { return v.Node }, "", "--node"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v, s, err := load(t, c.args, c.env, c.file)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.get(v); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if got := s.Origin("node"); got != c.origin {
				t.Errorf("origin %q, want %q", got, c.origin)
			}
		})
	}
}

func TestEveryKindFromEverySource(t *testing.T) {
	args := []string{"--loud", "--keep-for=1d12h", "--cache=10MB", "--workers=9", "--log-format=json", "--deploy=a.yaml", "--deploy=b.yaml", "--peers=n1=h:1,n2=h:2", "--secret=s"}
	env := []string{"WEIR_LOUD=1", "WEIR_KEEP_FOR=36h", "WEIR_CACHE=10000kB", "WEIR_WORKERS=9", "WEIR_LOG_FORMAT=json", "WEIR_DEPLOY=a.yaml, b.yaml", "WEIR_PEERS=n1=h:1,n2=h:2", "WEIR_SECRET=s"}
	file := "loud: true\nkeep-for: 36h\ncache: 10MB\nworkers: 9\nlog-format: json\ndeploy: [a.yaml, b.yaml]\npeers: {n1: h:1, n2: h:2}\nsecret: s\n"
	sources := []struct {
		args, env []string
		file      string
	}{{args: args}, {env: env}, {file: file}}
	for i, source := range sources {
		v, _, err := load(t, source.args, source.env, source.file)
		if err != nil {
			t.Fatal(err)
		}
		if !v.Loud || v.Keep != 36*time.Hour || v.Cache != 10e6 || v.Workers != 9 || v.Format != "json" ||
			strings.Join(v.Files, " ") != "a.yaml b.yaml" || len(v.Peers) != 2 || v.Peers["n2"] != "h:2" || v.Secret != "s" {
			t.Errorf("source %d: %+v", i, v)
		}
	}
}

func TestStrongerListReplacesWeakerOne(t *testing.T) {
	v, _, err := load(t, []string{"--deploy=x.yaml"}, []string{"WEIR_DEPLOY=y.yaml"}, "deploy: [z.yaml]")
	if err != nil || strings.Join(v.Files, " ") != "x.yaml" {
		t.Fatalf("%v %v", v.Files, err)
	}
}

func TestMistakesAreNamedWithTheirPlace(t *testing.T) {
	file := "node: n2\nworker: 3\ncache: 12\nnode: n3\nlog-format: xml\nnonsense-at-all: 1\npeers: [a]\n"
	_, _, err := load(t, []string{"--keep-for=30", "--secret=a", "--secret=b"}, []string{"WEIR_WORKERS=-1"}, file)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`weir.yaml:2: unknown key "worker"; did you mean "workers"?`,
		`weir.yaml:3: cache: "12" has no unit: write 12B for bytes, 12MiB for mebibytes`,
		`weir.yaml:4: node is given twice`,
		`weir.yaml:5: log-format: "xml" is none of text, json`,
		`weir.yaml:6: unknown key "nonsense-at-all"; weir help settings lists all keys`,
		`weir.yaml:7: peers: "a" is not NAME=VALUE`,
		`--keep-for: "30" has no unit: write 30s for seconds, 30m for minutes`,
		`--secret: this value cannot be used (it is a secret and is not shown)`,
		`WEIR_WORKERS: "-1" is no whole number`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("missing %q in:\n%v", want, err)
		}
	}
}

func TestFileThatIsNoMapping(t *testing.T) {
	for _, file := range []string{"- a\n", "just text\n", "node: [a, {b: c}]\n", "a: b: c\n", "node: &x 1\nlog-format: *x\n"} {
		if _, _, err := load(t, nil, nil, file); err == nil || !strings.Contains(err.Error(), "weir.yaml:") && !strings.Contains(err.Error(), "weir.yaml: ") {
			t.Errorf("%q: %v", file, err)
		}
	}
	if _, _, err := load(t, nil, nil, "# nothing yet\n"); err != nil {
		t.Errorf("a file of comments: %v", err)
	}
}

func TestUnits(t *testing.T) {
	for text, want := range map[string]time.Duration{"0s": 0, "30s": 30 * time.Second, "1h30m": 90 * time.Minute, "7d": 7 * day, "1d12h": 36 * time.Hour, "250ms": 250 * time.Millisecond} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		} else if again, err := ParseDuration(FormatDuration(got)); err != nil || again != want {
			t.Errorf("%s written as %s", text, FormatDuration(got))
		}
	}
	for _, text := range []string{"", "30", "-1s", "d", "1.5d", "999999999d", "5 parsecs"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q accepted as %v", text, got)
		}
	}
	for text, want := range map[string]int64{"0B": 0, "10B": 10, "64KiB": 64 << 10, "1.5 MiB": 3 << 19, "10mb": 10e6, "1TiB": 1 << 40} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%s: %d %v", text, got, err)
		} else if again, err := ParseSize(FormatSize(got)); err != nil || again != want {
			t.Errorf("%s written as %s", text, FormatSize(got))
		}
	}
	for _, text := range []string{"", "10", "-1B", "MiB", "1e30TiB", "ten MB", "NaNB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q accepted as %d", text, got)
		}
	}
}

func TestTableShowsEverySettingButNoSecret(t *testing.T) {
	v, s := declare()
	v.Secret = "hush"
	var out strings.Builder
	if err := s.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, one := range s.List() {
		if !strings.Contains(out.String(), "`--"+one.Name+"` | `"+s.Env(one.Name)+"`") {
			t.Errorf("%s is missing", one.Name)
		}
	}
	if strings.Contains(out.String(), "hush") || !strings.Contains(out.String(), "## Cluster") || !strings.Contains(out.String(), `text\|json`) {
		t.Error(out.String())
	}
}
