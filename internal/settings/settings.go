// Package settings holds what a program can be told from outside. Each setting
// is declared once, with its name, default, unit and help, and from that one
// line come the flag, the environment variable, the key in the configuration
// file and the row in the manual.
//
// What it promises:
//  1. A flag wins over the environment, the environment over the file, the file
//     over the default. A source that gives a list replaces the list of the
//     weaker source, it does not add to it.
//  2. A setting called "node-name" is the flag --node-name, the variable
//     PREFIX_NODE_NAME and the file key node-name. There is no other spelling.
//  3. Durations and sizes carry a unit; a bare number is refused, and the refusal
//     shows how to write it.
//  4. A key in the file that is no setting is refused by name and line, and so is
//     a key given twice. Every mistake is reported, not only the first.
//
// What it refuses: reading secrets back. A setting marked secret never shows its
// value in help, tables or errors.
package settings

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Set is a list of declared settings. It is not safe for concurrent use: declare,
// parse and load before anything starts.
type Set struct {
	prefix string
	list   []*Setting
	byName map[string]*Setting
}

// Setting is one thing that can be told.
type Setting struct {
	Name    string // as in --name
	Group   string // heading it stands under
	Unit    string // what a value looks like: "duration", "size", "host:port"...
	Default string // as it would be written; empty for none
	Help    string // one or two sentences
	Origin  string // who gave the value in force: "default", "--name", "WEIR_NAME", "weir.yaml:3"

	value  value
	secret bool
	given  []string // what the command line said, in order
}

// value parses and keeps one setting. set gets everything one source said; a
// scalar refuses more than one.
type value interface {
	set(given []string) error
	text() string
	bool() bool // may be given without a value on the command line
}

// New makes an empty set whose environment variables start with prefix and an
// underscore.
func New(prefix string) *Set {
	return &Set{prefix: prefix, byName: map[string]*Setting{}}
}

// Group opens a heading; settings declared through it stand under it.
func (s *Set) Group(title string) Group { return Group{set: s, title: title} }

// List returns the settings in the order they were declared.
func (s *Set) List() []*Setting { return s.list }

// Env returns the name of the environment variable of a setting.
func (s *Set) Env(name string) string {
	return s.prefix + "_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// Origin tells who gave the value in force of the named setting.
func (s *Set) Origin(name string) string {
	if one, ok := s.byName[name]; ok {
		return one.Origin
	}
	return ""
}

// Load decides every setting from the flags parsed so far, the environment
// (lookup, os.LookupEnv for a program) and the file at path; an empty path means
// no file. All mistakes come back joined, each naming its source.
func (s *Set) Load(lookup func(string) (string, bool), path string) error {
	var file map[string]entry
	var errs []error
	if path != "" {
		data, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("read the configuration file: %w", err)
		}
		file, errs = s.parseFile(path, data)
	}
	for _, one := range s.list {
		given, origin := s.strongest(one, lookup, file)
		if given == nil {
			continue
		}
		one.Origin = origin
		if err := one.value.set(given); err != nil {
			errs = append(errs, fmt.Errorf("%s: %s", origin, one.hide(given, err)))
		}
	}
	return errors.Join(errs...)
}

// strongest picks the source that decides a setting; nil when none spoke.
func (s *Set) strongest(one *Setting, lookup func(string) (string, bool), file map[string]entry) ([]string, string) {
	if one.given != nil {
		return one.given, "--" + one.Name
	}
	if text, ok := lookup(s.Env(one.Name)); ok && text != "" {
		return []string{text}, s.Env(one.Name)
	}
	if e, ok := file[one.Name]; ok {
		return e.given, e.origin + ": " + one.Name
	}
	return nil, ""
}

// hide keeps a secret out of the sentence that refuses it.
func (one *Setting) hide(given []string, err error) string {
	if one.secret {
		return "this value cannot be used (it is a secret and is not shown)"
	}
	return err.Error()
}

// declare adds a setting; declaring a name twice is a mistake in the program.
func (s *Set) declare(group, name, unit, help string, v value) *Setting {
	if _, twice := s.byName[name]; twice {
		panic("settings: " + name + " is declared twice")
	}
	one := &Setting{Name: name, Group: group, Unit: unit, Default: v.text(), Help: help, Origin: "default", value: v}
	s.list = append(s.list, one)
	s.byName[name] = one
	return one
}
