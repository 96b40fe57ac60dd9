package file

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// Bounds of archives.
const (
	entriesMax  = 10_000
	unpackedMax = 1 << 30
)

// extractArchive unpacks a zip archive, of a file or of the body, below a folder. What is
// there already makes it fail, is left, or is replaced.
func extractArchive(d *directory, in *object, _ connector.Who) (any, error) {
	to, err := local(text(in, "folderPath"))
	if err != nil {
		return nil, err
	}
	how := strings.ToLower(text(in, "overwrite"))
	if how != "" && how != "fail" && how != "skip" && how != "overwrite" {
		return nil, fail(400, "The overwrite is %q: it is Fail, Skip or Overwrite.", text(in, "overwrite"))
	}
	var data []byte
	if given := text(in, "filePath"); given != "" {
		at, err := local(given)
		if err != nil {
			return nil, err
		}
		if data, err = d.read(at); err != nil {
			return nil, err
		}
	} else if data, err = bytesOf(in); err != nil {
		return nil, err
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fail(400, "The archive is no zip archive: %s.", err)
	}
	if len(archive.File) > entriesMax {
		return nil, fail(413, "The archive has %d entries, more than %d.", len(archive.File), entriesMax)
	}
	all := []any{}
	left := int64(unpackedMax)
	for _, entry := range archive.File {
		name, err := local(entry.Name)
		if err != nil {
			return nil, err
		}
		at := path.Join(to, name)
		if entry.FileInfo().IsDir() {
			if err := d.root.MkdirAll(at, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return nil, err
			}
		} else if err := d.unpack(entry, at, how, &left); err != nil {
			return nil, err
		}
		all = append(all, expression.NewObject("name", path.Base(at), "path", "/"+at, "actualFileSize", int64(entry.UncompressedSize64), "compressedFileSize", int64(entry.CompressedSize64), "lastModifiedTime", entry.Modified.UTC().Format(times), "isFolder", entry.FileInfo().IsDir()))
	}
	return all, nil
}

// unpack writes one file of an archive.
func (d *directory) unpack(entry *zip.File, at, how string, left *int64) error {
	if !entry.Mode().IsRegular() {
		return fail(400, "The entry %q of the archive is no plain file.", entry.Name)
	}
	if _, err := d.root.Lstat(at); err == nil && how == "skip" {
		return nil
	}
	from, err := entry.Open()
	if err != nil {
		return fail(400, "The entry %q of the archive cannot be read: %s.", entry.Name, err)
	}
	defer from.Close()
	bounded := &io.LimitedReader{R: from, N: min(*left, contentMax) + 1}
	data, err := io.ReadAll(bounded)
	if err != nil {
		return fail(400, "The entry %q of the archive cannot be read: %s.", entry.Name, err)
	}
	if bounded.N == 0 {
		return fail(413, "The archive unpacks to more than a file (%d bytes) or all of them (%d bytes) may have, at %q.", contentMax, unpackedMax, entry.Name)
	}
	*left -= int64(len(data))
	if how == "overwrite" {
		return d.put(at, bytes.NewReader(data), true)
	}
	return d.fresh(at, data)
}
