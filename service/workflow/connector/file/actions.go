package file

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/content"
	"weir/service/workflow/internal/expression"
)

// temporary is how names begin that are not there for others yet.
const temporary = ".weir-"

func bytesOf(in *object) ([]byte, error) {
	v, _ := in.Get("body")
	data, _, err := content.Write(v, "")
	if err != nil {
		return nil, fail(400, "The content cannot be written: %s.", err)
	}
	return data, nil
}

// put writes a whole new file: beside its place first, then there.
func (d *directory) put(at string, from io.Reader, over bool) error {
	if err := d.root.MkdirAll(path.Dir(at), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	beside := path.Join(path.Dir(at), temporary+rand.Text())
	f, err := d.root.OpenFile(beside, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer d.root.Remove(beside)
	_, err = io.Copy(f, from)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if over {
		return d.root.Rename(beside, at)
	}
	return d.root.Link(beside, at)
}

// fresh puts a file where there must be none, or the same one.
func (d *directory) fresh(at string, data []byte) error {
	err := d.put(at, bytes.NewReader(data), false)
	if errors.Is(err, fs.ErrExist) {
		if have, e := d.read(at); e == nil && bytes.Equal(have, data) {
			return nil // the attempt before did it
		}
		return fail(409, "The file %q is there already, with other content.", at)
	}
	return err
}

// read reads a file whole.
func (d *directory) read(at string) ([]byte, error) {
	info, err := d.file(at)
	if err != nil {
		return nil, err
	}
	if info.Size() > contentMax {
		return nil, fail(413, "The file %q has %d bytes, more than the %d of a body.", at, info.Size(), contentMax)
	}
	f, err := d.root.Open(at)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, contentMax+1))
	if err == nil && len(data) > contentMax {
		err = fail(413, "The file %q has more than the %d bytes of a body.", at, contentMax)
	}
	return data, err
}

// file finds a file.
func (d *directory) file(at string) (fs.FileInfo, error) {
	info, err := d.root.Stat(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail(404, "There is no file %q.", at)
	case err != nil:
		return nil, fail(400, "The path %q cannot be followed: %s.", at, reason(err))
	case info.IsDir():
		return nil, fail(400, "The path %q is a folder.", at)
	case !info.Mode().IsRegular():
		return nil, fail(400, "The path %q is no plain file.", at)
	}
	return info, nil
}

func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// said is what is told of a file that was written.
func (d *directory) said(at string) (any, error) {
	info, err := d.file(at)
	if err != nil {
		return nil, err
	}
	return expression.NewObject("name", path.Base(at), "path", "/"+at, "size", info.Size()), nil
}

func createFile(d *directory, in *object, _ connector.Who) (any, error) {
	at, err := local(text(in, "filePath"))
	if err != nil {
		return nil, err
	}
	data, err := bytesOf(in)
	if err != nil {
		return nil, err
	}
	if err := d.fresh(at, data); err != nil {
		return nil, err
	}
	return d.said(at)
}

// updateFile writes in place, so that it stays the same file.
func updateFile(d *directory, in *object, _ connector.Who) (any, error) {
	at, err := local(text(in, "filePath"))
	if err != nil {
		return nil, err
	}
	data, err := bytesOf(in)
	if err != nil {
		return nil, err
	}
	if _, err := d.file(at); err != nil {
		return nil, err
	}
	if err := d.write(at, os.O_WRONLY|os.O_TRUNC, 0, data); err != nil {
		return nil, err
	}
	return d.said(at)
}

func (d *directory) write(at string, flags int, from int64, data []byte) error {
	f, err := d.root.OpenFile(at, flags, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, from)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// appendFile writes at the end; where that was is marked first, so that the same attempt
// made again writes at the same place.
func appendFile(d *directory, in *object, who connector.Who) (any, error) {
	at, err := local(text(in, "filePath"))
	if err != nil {
		return nil, err
	}
	data, err := bytesOf(in)
	if err != nil {
		return nil, err
	}
	d.appends.Lock() // one after the other: each writes where the one before ended
	defer d.appends.Unlock()
	info, err := d.file(at)
	var f *failure
	switch {
	case err == nil:
	case errors.As(err, &f) && f.status == 404 && truth(in, "createFileIfNotPresent", false):
		if err := d.fresh(at, nil); err != nil && !(errors.As(err, &f) && f.status == 409) {
			return nil, err
		}
		if info, err = d.file(at); err != nil {
			return nil, err
		}
	default:
		return nil, err
	}
	from, done, err := d.markedEnd(who, at, info.Size(), data)
	if err != nil {
		return nil, err
	}
	if !done {
		if err := d.write(at, os.O_WRONLY, from, data); err != nil {
			return nil, err
		}
		if err := d.noteEnd(who, at, from, true); err != nil {
			return nil, err
		}
	}
	return d.said(at)
}

func getContent(d *directory, in *object, _ connector.Who) (any, error) {
	at, err := local(text(in, "filePath"))
	if err != nil {
		return nil, err
	}
	data, err := d.read(at)
	if err != nil {
		return nil, err
	}
	return typed(at, data, truth(in, "inferContentType", true)), nil
}

// typed gives content by what a name says that it is.
func typed(at string, data []byte, infer bool) any {
	kind := ""
	if infer {
		kind = kindOf(at)
	}
	v, err := content.Read(kind, data)
	switch {
	case err != nil:
		return content.Raw(kind, data) // it is not what its name says
	case v == nil:
		return ""
	}
	return v
}

// kinds are the media types of names, the same on every node.
var kinds = map[string]string{
	".json": "application/json", ".xml": "application/xml", ".txt": "text/plain", ".csv": "text/csv", ".html": "text/html", ".htm": "text/html", ".md": "text/markdown", ".log": "text/plain",
	".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".zip": "application/zip", ".gz": "application/gzip",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document", ".edi": "text/plain", ".x12": "text/plain",
}

func kindOf(at string) string {
	if kind := kinds[strings.ToLower(path.Ext(at))]; kind != "" {
		return kind
	}
	return content.Binary
}

func getMetadata(d *directory, in *object, _ connector.Who) (any, error) {
	at, err := local(text(in, "filePath"))
	if err != nil {
		return nil, err
	}
	info, err := d.file(at)
	if err != nil {
		return nil, err
	}
	return describe(at, info), nil
}

const times = "2006-01-02T15:04:05.9999999Z"

// describe tells of a file or a folder.
func describe(at string, info fs.FileInfo) *object {
	born := bornAt(info)
	o := expression.NewObject("name", path.Base(at), "path", "/"+at, "size", info.Size(), "isFolder", info.IsDir(), "lastUpdatedTime", info.ModTime().UTC().Format(times), "createdTime", born.UTC().Format(times))
	if !info.IsDir() {
		o = o.With("contentType", kindOf(at))
	}
	return o
}

func listFolder(d *directory, in *object, _ connector.Who) (any, error) {
	at, err := local(text(in, "folderPath"))
	if err != nil {
		return nil, err
	}
	all := []any{}
	err = d.list(at, truth(in, "enableRecursiveListing", false), &all)
	return all, err
}

func (d *directory) list(at string, deep bool, all *[]any) error {
	entries, err := d.entries(at)
	if err != nil {
		return err
	}
	for _, e := range entries {
		in := path.Join(at, e.Name())
		info, err := d.root.Lstat(in)
		if err != nil || !info.IsDir() && !info.Mode().IsRegular() {
			continue // gone since, or a link
		}
		if len(*all) == listMax {
			return fail(413, "The folder has more than %d entries: list the folders in it.", listMax)
		}
		*all = append(*all, describe(in, info))
		if deep && info.IsDir() {
			if err := d.list(in, deep, all); err != nil {
				return err
			}
		}
	}
	return nil
}

// entries lists a folder by name, without what is not there for others.
func (d *directory) entries(at string) ([]fs.DirEntry, error) {
	f, err := d.root.Open(at)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fail(404, "There is no folder %q.", at)
	case err != nil:
		return nil, fail(400, "The path %q cannot be followed: %s.", at, reason(err))
	}
	defer f.Close()
	all, err := f.ReadDir(-1)
	if err != nil {
		return nil, fail(400, "The path %q is no folder that can be read: %s.", at, reason(err))
	}
	all = slices.DeleteFunc(all, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), temporary) })
	slices.SortFunc(all, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return all, nil
}

func deleteFile(d *directory, in *object, who connector.Who) (any, error) {
	at, err := local(text(in, "filePath"))
	if err != nil {
		return nil, err
	}
	_, err = d.file(at)
	var f *failure
	if errors.As(err, &f) && f.status == 404 && (truth(in, "skipIfFileNotPresent", false) || d.marked(who, "delete "+at)) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := d.mark(who, "delete "+at); err != nil {
		return nil, err
	}
	return nil, d.root.Remove(at)
}

func copyFile(d *directory, in *object, _ connector.Who) (any, error) {
	from, to, err := ways(in)
	if err != nil {
		return nil, err
	}
	data, err := d.read(from)
	if err != nil {
		return nil, err
	}
	if truth(in, "overwrite", false) {
		err = d.put(to, bytes.NewReader(data), true)
	} else {
		err = d.fresh(to, data)
	}
	if err != nil {
		return nil, err
	}
	return d.said(to)
}

func ways(in *object) (from, to string, err error) {
	if from, err = local(text(in, "source")); err == nil {
		to, err = local(text(in, "destination"))
	}
	return from, to, err
}

func moveFile(d *directory, in *object, who connector.Who) (any, error) {
	from, to, err := ways(in)
	if err != nil {
		return nil, err
	}
	return d.move(from, to, truth(in, "overwrite", false), who)
}

func renameFile(d *directory, in *object, who connector.Who) (any, error) {
	from, err := local(text(in, "filePath"))
	if err != nil {
		return nil, err
	}
	name := text(in, "newName")
	if strings.ContainsAny(name, `/\`) || name == "." || name == ".." {
		return nil, fail(400, "The newName %q is no name: it has no slashes.", name)
	}
	return d.move(from, path.Join(path.Dir(from), name), false, who)
}

// move moves a file. Links make sure that nothing is replaced unless it may be.
func (d *directory) move(from, to string, over bool, who connector.Who) (any, error) {
	mark := "move " + from + "\x00" + to
	_, err := d.file(from)
	var f *failure
	if errors.As(err, &f) && f.status == 404 && d.marked(who, mark) {
		return d.said(to)
	}
	if err != nil {
		return nil, err
	}
	if err := d.root.MkdirAll(path.Dir(to), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if over {
		if err := d.mark(who, mark); err != nil {
			return nil, err
		}
		if err := d.root.Rename(from, to); err != nil {
			return nil, err
		}
		return d.said(to)
	}
	err = d.root.Link(from, to)
	if errors.Is(err, fs.ErrExist) && !d.same(from, to) {
		return nil, fail(409, "The file %q is there already.", to)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := d.mark(who, mark); err != nil {
		return nil, err
	}
	if err := d.root.Remove(from); err != nil {
		return nil, err
	}
	return d.said(to)
}

func (d *directory) same(a, b string) bool {
	one, err := d.root.Stat(a)
	two, err2 := d.root.Stat(b)
	return err == nil && err2 == nil && os.SameFile(one, two)
}
