package expression

import (
	"fmt"
	"slices"
	"strings"
)

// Function is one function of the language. The tables of the groups say how each
// is called; the number of parameters follows from that.
type Function struct {
	Name      string
	Group     string
	Signature string // addDays(timestamp, days, format?)
	About     string // one line for the manual
	Min, Max  int    // parameters; Max below 0 means any number
	Names     Names
	Origin    Origin
	run       implementation
	lazy      lazy // instead of run, for those that do not evaluate all parameters
}

// Origin says where a function is known from.
type Origin int

// The origins.
const (
	Documented   Origin = iota
	Designer            // offered by the designer, not in the reference
	Undocumented        // neither, but seen in definitions that run
)

// entry is a line of a table.
type entry struct {
	signature string
	about     string
	run       implementation
	lazy      lazy
	names     Names
	origin    Origin
}

// group makes the functions of a table.
func group(name string, entries ...entry) []*Function {
	var list []*Function
	for _, e := range entries {
		f := &Function{Group: name, Signature: e.signature, About: e.about, Names: e.names, Origin: e.origin, run: e.run, lazy: e.lazy}
		var parameters string
		f.Name, parameters, _ = strings.Cut(strings.TrimSuffix(e.signature, ")"), "(")
		for p := range strings.SplitSeq(parameters, ", ") {
			switch {
			case p == "":
			case p == "...":
				f.Max = -1
			case strings.HasSuffix(p, "?"):
				f.Max++
			default:
				f.Min++
				f.Max++
			}
		}
		list = append(list, f)
	}
	return list
}

var (
	all    = slices.Concat(stringFunctions, collectionFunctions, logicFunctions, conversionFunctions, mathFunctions, dateFunctions, uriFunctions, objectFunctions, workflowFunctions)
	byName = index(all)
)

func index(list []*Function) map[string]*Function {
	m := make(map[string]*Function, 2*len(list))
	for _, f := range list {
		m[f.Name], m[strings.ToLower(f.Name)] = f, f
	}
	return m
}

// Functions lists all functions, by group, in the order of the manual.
func Functions() []*Function { return all }

// Usage is where the engine's messages send the reader.
func (f *Function) usage() string {
	return fmt.Sprintf("Please see https://aka.ms/logicexpressions#%s for usage details.", f.Name)
}

var words = []string{"no", "one", "two", "three", "four", "five"}

// arity is the complaint about n parameters, in the engine's words where they are
// known, with how the function is called.
func (f *Function) arity(n int) string {
	invoked := fmt.Sprintf("The function was invoked with '%d' parameter(s).", n)
	switch phrase, ok := takes[f.Name]; {
	case f.Max == 0:
		return fmt.Sprintf("The template language function '%s' must not have any parameters.", f.Name)
	case f.bare() && n == 0 && f.Names != NamesNothing:
		return fmt.Sprintf("The template language function '%s' must have at least one parameter.", f.Name)
	case f.bare():
		return fmt.Sprintf("The template language function '%s' must have only one parameter.", f.Name)
	case ok:
		return fmt.Sprintf("The template language function '%s' expects %s. %s It is called '%s'. %s", f.Name, phrase, invoked, f.Signature, f.usage())
	}
	want := words[f.Min]
	switch {
	case f.Max < 0:
		want = "at least " + want
	case f.Max > f.Min:
		want += " to " + words[f.Max]
	}
	return fmt.Sprintf("The template language function '%s' expects %s parameter(s): '%s'. %s %s", f.Name, want, f.Signature, invoked, f.usage())
}
