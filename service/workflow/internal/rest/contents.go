package rest

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"weir/kernel/fault"
	"weir/service/workflow/internal/host"
)

// What a run's trigger is recorded as holds both; a link names one of them.
const (
	partInputs  = "-inputs"
	partOutputs = "-outputs"
)

// link is the signed address of a content.
func (q *request) link(run, content string) string {
	return q.d.caller(q.Request, q.flow).Content(run, content, q.d.linksUntil()).String()
}

// linksUntil is how long addresses of contents are good: whole hours, so that they are
// the same for some time.
func (d *Door) linksUntil() time.Time {
	return d.o.Now().UTC().Add(contentLife + time.Hour).Truncate(time.Hour)
}

func (q *request) sizedLink(run, content string, size int) object {
	return object{"uri": q.link(run, content), "contentSize": size}
}

// hashed adds to the links of one action what its contents hash to; lists leave that out,
// since every content would be read for it.
func (q *request) hashed(o object, a host.ActionInfo) object {
	for _, side := range []struct{ name, handle string }{{"inputsLink", a.InputsContent}, {"outputsLink", a.OutputsContent}} {
		link, ok := o[side.name].(object)
		if !ok {
			continue
		}
		data, err := q.flow.Runs.Content(q.Context(), side.handle)
		if err != nil {
			continue
		}
		link["contentSize"] = len(data) // what is shown may be less than what is kept
		sum := md5.Sum(data)
		text := base64.StdEncoding.EncodeToString(sum[:])
		link["contentVersion"], link["contentHash"] = strconv.Quote(text), object{"algorithm": "md5", "value": text}
	}
	return o
}

// content answers with what a signed address stands for.
func (d *Door) content(w http.ResponseWriter, r *http.Request, f *Flow, content string) error {
	handle, part := content, ""
	for _, p := range []string{partInputs, partOutputs} {
		if rest, ok := strings.CutSuffix(content, p); ok && strings.HasSuffix(rest, "-trigger") {
			handle, part = rest, strings.TrimPrefix(p, "-")
		}
	}
	data, err := f.Runs.Content(r.Context(), handle)
	if err != nil {
		return coded(err, fault.NotFound, "ContentNotFound")
	}
	if part != "" {
		var t map[string]json.RawMessage
		if err := json.Unmarshal(data, &t); err != nil || len(t[part]) == 0 {
			return refuse(fault.NotFound, "ContentNotFound", "There is no content '%s'.", content)
		}
		data = t[part]
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	_, _ = w.Write(data) // the client may be gone
	return nil
}
