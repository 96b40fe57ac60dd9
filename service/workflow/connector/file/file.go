// Package file reads, writes, moves and removes files below a directory, and finds those
// that arrive there.
//
// The nouns: a *root* is the directory that a connection names; paths are below it. A
// *mark* is a small file below .weir-done in the root, which says what an attempt is about
// to do.
//
// What it promises:
//
//  1. No path leaves the root: not with .., not by a symbolic link.
//  2. A file that is created or copied is there whole or not at all.
//  3. An attempt that is made again after a crash does nothing twice: a file is appended to
//     once, and one that was removed or moved before is not missed.
//  4. A trigger finds every file once: its cursor is the list of the files it has seen, so
//     equal times, old times and names that are used again make no difference. A file that
//     was written to within the settle time is left for the next look.
//
// It refuses folders with more files than it can remember, and files larger than a body
// may be.
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

type object = connector.Object

// Provider is the id of the provider.
const Provider = "/serviceProviders/fileSystem"

// Bounds.
const (
	contentMax    = 100 << 20
	filesMax      = 10_000 // of a folder that is watched
	listMax       = 50_000
	countDefault  = 10
	countMax      = 100
	settleDefault = 2 * time.Second
)

// Options is what a Connector needs.
type Options struct {
	Connections connection.Finder
	// Below lists directories that a root must be one of or lie in; none: it may be any.
	Below []string
	// Never lists directories that no root may hold or lie in: where the server keeps its
	// keys.
	Never []string
	// Now is the time; nil: the clock's.
	Now func() time.Time
}

// Connector is the connector of files.
type Connector struct {
	o       Options
	appends sync.Mutex
}

var _ connector.Poller = (*Connector)(nil)

// New makes the connector.
func New(o Options) *Connector {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Below, o.Never = absolute(o.Below), absolute(o.Never)
	return &Connector{o: o}
}

func absolute(dirs []string) (out []string) {
	for _, dir := range dirs {
		if whole, err := filepath.Abs(dir); err == nil {
			dir = whole
		}
		out = append(out, dir)
	}
	return out
}

// Handles names the provider.
func (c *Connector) Handles() []string { return []string{"ServiceProvider" + Provider} }

// act carries out an operation.
type act func(d *directory, in *object, who connector.Who) (any, error)

type operation struct {
	name, summary string
	inputs        []connector.Input
	outputs       string
	do            act
	modified      bool // of a trigger: modified files too
	trigger       bool
}

func in(name, kind, about string, required bool) connector.Input {
	return connector.Input{Name: name, Kind: kind, About: about, Required: required}
}

const metadata = "name, path, size, contentType, createdTime, lastUpdatedTime, isFolder"

func operations() []operation {
	at := in("filePath", "string", "the file, below the root", true)
	body := in("body", "any", "the content", true)
	over := in("overwrite", "boolean", "replace what is there", false)
	ways := []connector.Input{in("source", "string", "the file", true), in("destination", "string", "where to", true), over}
	watched := []connector.Input{in("folderPath", "string", "the folder", true), in("maxFileCount", "integer", fmt.Sprintf("how many files a look gives at most: 1 to %d, %d when it is left out", countMax, countDefault), false), in("oldFileCutOffTimestamp", "string", "files last written before are left out", false)}
	files := "body: a list of " + metadata
	return []operation{
		{name: "createFile", summary: "makes a file; one that is there already is only accepted when it is the same", inputs: []connector.Input{at, in("body", "any", "the content", false)}, outputs: "name, path, size", do: createFile},
		{name: "updateFile", summary: "writes a file that is there anew", inputs: []connector.Input{at, body}, outputs: "name, path, size", do: updateFile},
		{name: "appendFile", summary: "writes at the end of a file", inputs: []connector.Input{at, body, in("createFileIfNotPresent", "boolean", "make it when it is not there", false)}, outputs: "name, path, size", do: appendFile},
		{name: "getFileContent", summary: "reads a file", inputs: []connector.Input{at, in("inferContentType", "boolean", "tell what it is by its name; true when it is left out", false)}, outputs: "the content", do: getContent},
		{name: "getFileContentV2", summary: "reads a file", inputs: []connector.Input{at, in("inferContentType", "boolean", "tell what it is by its name; true when it is left out", false)}, outputs: "the content", do: getContent},
		{name: "getFileMetadata", summary: "tells of a file", inputs: []connector.Input{at}, outputs: metadata, do: getMetadata},
		{name: "listFolder", summary: "lists a folder", inputs: []connector.Input{in("folderPath", "string", "the folder", true), in("enableRecursiveListing", "boolean", "the folders in it too", false)}, outputs: "a list of " + metadata, do: listFolder},
		{name: "deleteFile", summary: "removes a file", inputs: []connector.Input{at, in("skipIfFileNotPresent", "boolean", "be content when it is not there", false)}, outputs: "nothing", do: deleteFile},
		{name: "copyFile", summary: "copies a file", inputs: ways, outputs: "name, path, size", do: copyFile},
		{name: "moveFile", summary: "moves a file", inputs: ways, outputs: "name, path, size", do: moveFile},
		{name: "renameFile", summary: "gives a file another name in its folder", inputs: []connector.Input{at, in("newName", "string", "the name", true)}, outputs: "name, path, size", do: renameFile},
		{name: "extractArchive", summary: "unpacks a zip archive, of a file or of the body", inputs: []connector.Input{in("folderPath", "string", "where to", true), in("filePath", "string", "the archive", false), in("body", "any", "the archive itself, without filePath", false), in("overwrite", "string", "Fail (also when it is left out), Skip or Overwrite what is there", false)}, outputs: "a list of name, path, actualFileSize, compressedFileSize, lastModifiedTime, isFolder", do: extractArchive},
		{name: "whenFilesAreAdded", trigger: true, summary: "finds files that are new in a folder", inputs: watched, outputs: files},
		{name: "whenFilesAreAddedOrModified", trigger: true, modified: true, summary: "finds files that are new in a folder or were written to", inputs: watched, outputs: files},
	}
}

// Operations declares them.
func (c *Connector) Operations() (all []connector.Operation) {
	for _, o := range operations() {
		all = append(all, connector.Operation{Name: o.name, Summary: o.summary, Trigger: o.trigger, Inputs: o.inputs, Outputs: o.outputs})
	}
	return all
}

// failure is an error with the status that HTTP has for it.
type failure struct {
	status  int
	message string
}

func (f *failure) Error() string { return f.message }

func fail(status int, format string, args ...any) error {
	return &failure{status, fmt.Sprintf(format, args...)}
}

// Do carries out an action.
func (c *Connector) Do(ctx context.Context, call *connector.Call) connector.Answer {
	op, given, conn, err := c.read(ctx, call.Inputs, call.Who)
	if err == nil && op.trigger {
		err = fail(400, "The operation %q of %s is a trigger, not an action.", op.name, Provider)
	}
	if err != nil {
		return answer(err)
	}
	body, err := c.run(op, conn, given, call.Who)
	if err != nil {
		return answer(err)
	}
	return connector.Answer{Status: 200, Body: body}
}

// run carries out an operation below a connection's root.
func (c *Connector) run(op operation, conn *connection.Connection, given *object, who connector.Who) (any, error) {
	if err := check(op, given); err != nil {
		return nil, err
	}
	d, err := c.open(conn)
	if err != nil {
		return nil, err
	}
	defer d.root.Close()
	return op.do(d, given, who)
}

func (c *Connector) read(ctx context.Context, inputs any, who connector.Who) (op operation, given *object, conn *connection.Connection, err error) {
	o, _ := inputs.(*object)
	of := objectOf(o, "serviceProviderConfiguration")
	name := text(of, "operationId")
	op, ok := named(name)
	if !ok {
		var have []string
		for _, o := range operations() {
			have = append(have, o.name)
		}
		return op, nil, nil, fail(400, "The operation %q of %s is not supported: there are %s.", name, Provider, strings.Join(have, ", "))
	}
	if given = objectOf(o, "parameters"); given == nil {
		given = expression.NewObject()
	}
	conn, err = c.o.Connections.Find(ctx, who.Workflow, connection.Reference{Kind: connection.Provider, Name: text(of, "connectionName"), API: Provider})
	return op, given, conn, err
}

func named(name string) (operation, bool) {
	for _, o := range operations() {
		if strings.EqualFold(o.name, name) {
			return o, true
		}
	}
	return operation{}, false
}

// check refuses parameters that an operation does not have, and finds those that are
// missing.
func check(op operation, given *object) error {
	for _, m := range given.Members {
		known := false
		var have []string
		for _, i := range op.inputs {
			known = known || strings.EqualFold(i.Name, m.Name)
			have = append(have, i.Name)
		}
		if !known && m.Value != nil {
			return fail(400, "The operation %q has no parameter %q: it has %s.", op.name, m.Name, strings.Join(have, ", "))
		}
	}
	for _, i := range op.inputs {
		if v, ok := given.Get(i.Name); i.Required && (!ok || v == nil || v == "" && i.Kind == "string") {
			return fail(400, "The operation %q needs the parameter %q.", op.name, i.Name)
		}
	}
	return nil
}

func answer(err error) connector.Answer {
	var missing *connection.Missing
	var f *failure
	switch {
	case errors.As(err, &missing):
		return connector.Refusal(connection.CodeMissing, missing.Message)
	case errors.As(err, &f):
		return connector.Answer{Status: f.status, Code: "ServiceProviderActionFailed", Message: f.message}
	}
	return connector.Answer{Code: "ServiceProviderActionFailed", Message: sentence(err), Retryable: passing(err)}
}

// passing tells whether an error of the system may not be met again.
func passing(err error) bool {
	for _, one := range []error{syscall.ENOSPC, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.EBUSY, syscall.EAGAIN} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// sentence is an error of the system without the root's place.
func sentence(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Sprintf("The file %q cannot be used: %s.", p.Path, p.Err)
	}
	return fmt.Sprintf("The file cannot be used: %s.", err)
}

// directory is an open root.
type directory struct {
	root    *os.Root
	settle  time.Duration
	now     func() time.Time
	appends *sync.Mutex
}

// open opens a connection's root.
func (c *Connector) open(conn *connection.Connection) (*directory, error) {
	at := conn.Value("rootFolder", "rootDirectory", "mountPath", "root")
	if at == "" {
		return nil, connection.Missed("The connection %q has no rootFolder: give it one among its parameterValues, the directory on the node's disk that paths are below.", conn.Name)
	}
	if !filepath.IsAbs(at) {
		return nil, connection.Missed("The rootFolder %q of the connection %q is no absolute path.", at, conn.Name)
	}
	if why := c.forbidden(at); why != "" {
		return nil, connection.Missed("The rootFolder %q of the connection %q %s.", at, conn.Name, why)
	}
	d := &directory{settle: settleDefault, now: c.o.Now, appends: &c.appends}
	if s := conn.Value("settleSeconds"); s != "" {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || n < 0 || n > 3600 {
			return nil, connection.Missed("The settleSeconds %q of the connection %q is no number from 0 to 3600.", s, conn.Name)
		}
		d.settle = time.Duration(n * float64(time.Second))
	}
	var err error
	if d.root, err = os.OpenRoot(at); err != nil {
		return nil, connection.Missed("The rootFolder %q of the connection %q cannot be opened on this node: %s.", at, conn.Name, errors.Unwrap(err))
	}
	return d, nil
}

// forbidden says why a directory can be no root; empty when it can.
func (c *Connector) forbidden(at string) string {
	real, err := filepath.EvalSymlinks(at)
	if err != nil {
		return "is not there on this node"
	}
	for _, dir := range c.o.Never {
		if dir, err = filepath.EvalSymlinks(dir); err == nil && (within(dir, real) || within(real, dir)) {
			return "holds, or lies in, the directory in which this node keeps its own data"
		}
	}
	if len(c.o.Below) == 0 {
		return ""
	}
	for _, dir := range c.o.Below {
		if dir, err = filepath.EvalSymlinks(dir); err == nil && within(dir, real) {
			return ""
		}
	}
	return "is not in a directory that this node lets workflows use: " + strings.Join(c.o.Below, ", ")
}

// within tells whether a path is a directory's or lies in it.
func within(dir, at string) bool {
	rel, err := filepath.Rel(dir, at)
	return err == nil && filepath.IsLocal(rel)
}

// local makes a path of what a definition says: below the root, with slashes.
func local(given string) (string, error) {
	p := path.Clean("/" + strings.ReplaceAll(given, `\`, "/"))[1:]
	for _, part := range strings.Split(strings.ReplaceAll(given, `\`, "/"), "/") {
		if part == ".." {
			return "", fail(400, "The path %q leads upwards: paths are below the connection's root.", given)
		}
	}
	if strings.ContainsRune(given, 0) {
		return "", fail(400, "The path %q has a sign that paths do not have.", given)
	}
	if p == "" {
		p = "."
	}
	if first, _, _ := strings.Cut(p, "/"); first == marks {
		return "", fail(400, "The folder %q is the connector's own.", marks)
	}
	return p, nil
}

func objectOf(o *object, name string) *object {
	if o == nil {
		return nil
	}
	v, _ := o.Get(name)
	inner, _ := v.(*object)
	return inner
}

func text(o *object, name string) string {
	if o == nil {
		return ""
	}
	v, _ := o.Get(name)
	if v == nil {
		return ""
	}
	return expression.Text(v)
}

func truth(o *object, name string, or bool) bool {
	switch s := text(o, name); {
	case s == "":
		return or
	default:
		return strings.EqualFold(s, "true")
	}
}
