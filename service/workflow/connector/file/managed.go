package file

import (
	"context"
	"encoding/base64"
	"errors"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"weir/service/workflow/connection"
	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// API is the managed API's name, whose paths definitions of the multi-tenant connector
// have.
const API = "filesystem"

// byID gives the path that an id of the managed API means: base64 of a path, or a path.
// Of a share or a drive the name is a folder below the root.
func byID(id string) string {
	if raw, err := base64.StdEncoding.DecodeString(id); err == nil && len(raw) > 0 && readable(raw) {
		id = string(raw)
	}
	id = strings.ReplaceAll(id, `\`, "/")
	if len(id) > 1 && id[1] == ':' {
		id = id[2:]
	}
	return id
}

func readable(b []byte) bool {
	for _, r := range string(b) {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return utf8.Valid(b)
}

func idOf(at string) string { return base64.StdEncoding.EncodeToString([]byte("/" + at)) }

// route gives the operation of a request and its parameters.
func route(r connection.Request) (op string, given *object, err error) {
	q := func(name string) any {
		if r.Queries == nil {
			return nil
		}
		v, _ := r.Queries.Get(name)
		return v
	}
	parts := r.Parts
	if len(parts) < 3 || !strings.EqualFold(parts[0], "datasets") {
		return "", nil, fail(400, "The file system connection has no path %s %s.", r.Method, r.Path)
	}
	what := strings.ToLower(r.Method + " " + parts[2])
	rest := parts[3:]
	id := ""
	if len(rest) > 0 {
		id = byID(rest[0])
	}
	set := expression.NewObject
	switch {
	case what == "post files" && len(rest) == 0:
		return "createFile", set("filePath", path.Join(byID(expression.Text(q("folderPath"))), expression.Text(q("name"))), "body", r.Body), nil
	case what == "put files" && len(rest) == 1:
		return "updateFile", set("filePath", id, "body", r.Body), nil
	case what == "delete files" && len(rest) == 1:
		return "deleteFile", set("filePath", id), nil
	case what == "get files" && len(rest) == 1:
		return "getFileMetadata", set("filePath", id), nil
	case what == "get files" && len(rest) == 2 && strings.EqualFold(rest[1], "content"):
		return "getFileContent", set("filePath", id, "inferContentType", q("inferContentType")), nil
	case what == "get getfilecontentbypath":
		return "getFileContent", set("filePath", byID(expression.Text(q("path"))), "inferContentType", q("inferContentType")), nil
	case what == "get getfilebypath":
		return "getFileMetadata", set("filePath", byID(expression.Text(q("path")))), nil
	case what == "get folders":
		if id == "" {
			id = "/"
		}
		return "listFolder", set("folderPath", id), nil
	case what == "post copyfile":
		return "copyFile", set("source", byID(expression.Text(q("source"))), "destination", byID(expression.Text(q("destination"))), "overwrite", q("overwrite")), nil
	case what == "get triggers":
		given = set("folderPath", "/"+byID(expression.Text(q("folderId"))), "maxFileCount", q("maxFileCount"))
		return strings.ToLower(strings.Join(rest, "/")), given, nil
	}
	return "", nil, fail(400, "The file system connection has no path %s %s.", r.Method, r.Path)
}

// Serve carries out an action of the managed API.
func (c *Connector) Serve(_ context.Context, call *connector.Call, conn *connection.Connection, r connection.Request) connector.Answer {
	name, given, err := route(r)
	if err != nil {
		return answer(err)
	}
	op, ok := named(name)
	if !ok || op.trigger {
		return answer(fail(400, "The file system connection has no action %s %s.", r.Method, r.Path))
	}
	body, err := c.run(op, conn, given, call.Who)
	if err != nil {
		return answer(err)
	}
	switch v := body.(type) {
	case *object:
		if op.name != "getFileContent" {
			body = managed(v)
		}
	case []any:
		if op.name == "listFolder" {
			for i, item := range v {
				v[i] = managed(item.(*object))
			}
		}
	}
	return connector.Answer{Status: 200, Body: body}
}

// managed is what the managed API tells of a file.
func managed(o *object) *object {
	at := strings.TrimPrefix(text(o, "path"), "/")
	size, _ := o.Get("size")
	out := expression.NewObject("Id", idOf(at), "Name", path.Base(at), "DisplayName", path.Base(at), "Path", "/"+at, "Size", size, "FileLocator", idOf(at))
	if v, ok := o.Get("lastUpdatedTime"); ok {
		out = out.With("LastModified", v)
	}
	folder := truth(o, "isFolder", false)
	if out = out.With("IsFolder", folder); !folder {
		out = out.With("MediaType", kindOf(at))
	}
	return out
}

// Watch looks for files for a trigger of the managed API.
func (c *Connector) Watch(_ context.Context, w *connector.Watch, conn *connection.Connection, r connection.Request) connector.Found {
	name, given, err := route(r)
	if err != nil {
		return refused(err, w.Cursor)
	}
	kind, batch := strings.CutPrefix(name, "batch/")
	modified := kind == "onupdatedfile"
	if !modified && kind != "onnewfile" {
		return refused(fail(400, "The file system connection has no trigger %s %s.", r.Method, r.Path), w.Cursor)
	}
	f := c.look(conn, given, modified, w, func(all []any) *object {
		for i, item := range all {
			all[i] = managed(item.(*object))
		}
		return expression.NewObject("body", all)
	})
	if batch || len(f.Items) == 0 {
		return f
	}
	return c.contents(conn, f, w.Cursor)
}

// contents makes an item of each file, with its content.
func (c *Connector) contents(conn *connection.Connection, f connector.Found, before []byte) connector.Found {
	d, err := c.open(conn)
	if err != nil {
		return refused(err, before)
	}
	defer d.root.Close()
	body, _ := f.Items[0].Outputs.Get("body")
	f.Items = nil
	for _, v := range body.([]any) {
		o := v.(*object)
		at := strings.TrimPrefix(text(o, "Path"), "/")
		data, err := d.read(at)
		var gone *failure
		if errors.As(err, &gone) && gone.status == 404 {
			continue // somebody took it since
		}
		if err != nil {
			return refused(err, before)
		}
		headers := expression.NewObject("x-ms-file-name", path.Base(at), "x-ms-file-path", "/"+at, "x-ms-file-id", text(o, "Id"), "x-ms-file-last-modified", text(o, "LastModified"), "Content-Type", kindOf(at))
		out := expression.NewObject("headers", headers, "body", typed(at, data, true))
		f.Items = append(f.Items, connector.Item{Outputs: out})
	}
	return f
}
