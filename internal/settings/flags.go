package settings

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"
)

// AddFlags gives every setting its flag in fs. What the command line says is
// kept until Load decides.
func (s *Set) AddFlags(fs *pflag.FlagSet) {
	for _, one := range s.list {
		flag := fs.VarPF(flagValue{one}, one.Name, "", one.usage(s.Env(one.Name)))
		flag.DefValue = "" // the usage line shows it with its unit
		if one.value.bool() {
			flag.NoOptDefVal = "true"
		}
	}
}

// usage is the help of a flag: the sentence, the default, the variable.
func (one *Setting) usage(env string) string {
	if one.Default == "" || one.secret {
		return fmt.Sprintf("%s [$%s]", one.Help, env)
	}
	return fmt.Sprintf("%s (default %s) [$%s]", one.Help, one.Default, env)
}

// flagValue is a setting seen by pflag.
type flagValue struct{ one *Setting }

func (f flagValue) Set(text string) error { f.one.given = append(f.one.given, text); return nil }
func (f flagValue) Type() string          { return f.one.Unit }
func (f flagValue) String() string {
	if f.one == nil || f.one.secret {
		return ""
	}
	return strings.Join(f.one.given, ",")
}

// WriteTable writes the manual page of all settings as Markdown: one table for
// each heading, with flag, variable, default, unit and meaning. The file key is
// the flag without its dashes.
func (s *Set) WriteTable(w io.Writer) error {
	group := ""
	for _, one := range s.list {
		if one.Group != group {
			if group != "" {
				fmt.Fprintln(w)
			}
			group = one.Group
			fmt.Fprintf(w, "## %s\n\n| flag | environment | default | unit | what it does |\n|---|---|---|---|---|\n", group)
		}
		def := one.Default
		if def == "" || one.secret {
			def = "none"
		}
		_, err := fmt.Fprintf(w, "| `--%s` | `%s` | %s | %s | %s |\n", one.Name, s.Env(one.Name), cell(def), cell(one.Unit), cell(one.Help))
		if err != nil {
			return err
		}
	}
	return nil
}

// cell keeps a text inside its column.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
