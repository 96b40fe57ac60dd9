package http

import (
	"context"
	"fmt"
	nethttp "net/http"
	"strconv"
	"strings"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/content"
	"weir/service/workflow/internal/expression"
)

// fetch makes a request and, where a GET is answered in part, asks for the other parts.
func (x *exchange) fetch(ctx context.Context, r *request) (*incoming, error) {
	in, err := x.send(ctx, r)
	if err != nil || in.status != nethttp.StatusPartialContent || r.method != "GET" || in.raw {
		return in, err
	}
	first, last, total, ok := contentRange(in.header.Get("Content-Range"))
	if !ok || last-first+1 != int64(len(in.body)) || last+1 >= total {
		return in, nil
	}
	if total-first > x.limit {
		return nil, tooLarge(x.limit)
	}
	size, tag := last-first+1, in.header.Get("Etag")
	for range x.c.o.Limits.RequestsMax - 1 {
		if last+1 >= total {
			return in, nil
		}
		next := &request{method: "GET", url: r.url, header: r.header.Clone()}
		next.header.Set("Range", fmt.Sprintf("bytes=%d-%d", last+1, min(last+size, total-1)))
		if tag != "" && !strings.HasPrefix(tag, "W/") {
			next.header.Set("If-Match", tag)
		}
		part, err := x.send(ctx, next)
		if err != nil {
			return nil, err
		}
		if part.status >= 300 {
			return part, nil
		}
		from, to, _, ok := contentRange(part.header.Get("Content-Range"))
		if part.status != nethttp.StatusPartialContent || !ok || from != last+1 || to < from || to-from+1 != int64(len(part.body)) || part.header.Get("Etag") != tag {
			return nil, breach("Http request failed: the content came in parts, and the part from byte %d on did not fit the one before. It may have changed meanwhile.", last+1)
		}
		in.body, last = append(in.body, part.body...), to
		if int64(len(in.body)) > x.limit {
			return nil, tooLarge(x.limit)
		}
	}
	if last+1 >= total {
		return in, nil
	}
	return nil, breach("Http request failed: the content comes in more than %d parts.", x.c.o.Limits.RequestsMax)
}

// contentRange reads "bytes 0-1023/4096".
func contentRange(text string) (first, last, total int64, ok bool) {
	text = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(text), "bytes"), "=")
	span, of, _ := strings.Cut(strings.TrimSpace(text), "/")
	a, b, _ := strings.Cut(span, "-")
	var errs [3]error
	first, errs[0] = strconv.ParseInt(strings.TrimSpace(a), 10, 64)
	last, errs[1] = strconv.ParseInt(strings.TrimSpace(b), 10, 64)
	total, errs[2] = strconv.ParseInt(strings.TrimSpace(of), 10, 64)
	return first, last, total, errs[0] == nil && errs[1] == nil && errs[2] == nil && first >= 0 && last >= first && total > last
}

// upload sends a body in chunks, as the cloud does: an empty request that says how much
// will come, then the chunks to where the answer says.
func (x *exchange) upload(ctx context.Context) connector.Answer {
	r := x.request
	total := int64(len(r.body))
	kind := r.header.Get("Content-Type")
	begin := &request{method: r.method, url: r.url, header: r.header.Clone()}
	begin.header.Set("x-ms-transfer-mode", "chunked")
	begin.header.Set("x-ms-content-length", strconv.FormatInt(total, 10))
	in, err := x.send(ctx, begin)
	if err != nil || in.status >= 300 {
		return x.answer(in, err)
	}
	to, err := r.url.Parse(in.header.Get("Location"))
	if err != nil || in.header.Get("Location") == "" {
		return x.failure(breach("Http request failed: the transfer is chunked, and '%s' did not say where the chunks go (a Location). It does not take chunks as workflows send them: turn chunked transfer off.", r.url.Host))
	}
	size := x.chunkSize(in.header, x.c.o.Limits.ChunkBytes)
	sent, idle := int64(0), 0
	for range x.c.o.Limits.RequestsMax {
		end := min(sent+size, total)
		chunk := x.next("PATCH", to)
		chunk.body = r.body[sent:end]
		chunk.header.Set("Content-Type", kind)
		chunk.header.Set("Content-Range", fmt.Sprintf("bytes=%d-%d/%d", sent, end-1, total))
		if in, err = x.send(ctx, chunk); err != nil || in.status >= 300 {
			return x.answer(in, err)
		}
		before := sent
		if sent, err = x.received(in.header, end); err != nil {
			return x.failure(err)
		}
		if sent >= total {
			return x.answer(in, nil)
		}
		if idle++; sent > before {
			idle = 0
		}
		if idle == 3 {
			return x.failure(breach("Http request failed: '%s' takes no more of the chunked transfer after %d of %d bytes.", to.Host, sent, total))
		}
		size = x.chunkSize(in.header, size)
	}
	return x.failure(breach("Http request failed: the transfer of %d bytes takes more than %d chunks of the size that '%s' suggests.", total, x.c.o.Limits.RequestsMax, to.Host))
}

// received is how much the other side has: what its Range says, else all that was sent.
func (x *exchange) received(h nethttp.Header, end int64) (int64, error) {
	text := h.Get("Range")
	if text == "" {
		return end, nil
	}
	_, b, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(text, "bytes"), "="), "-")
	last, err := strconv.ParseInt(strings.TrimSpace(b), 10, 64)
	if err != nil || last < 0 || last >= end {
		return 0, breach("Http request failed: the transfer is chunked, and the other side says it has the bytes '%s'.", text)
	}
	return last + 1, nil
}

func (x *exchange) chunkSize(h nethttp.Header, before int64) int64 {
	size := before
	if n, err := strconv.ParseInt(strings.TrimSpace(h.Get("x-ms-chunk-size")), 10, 64); err == nil && n > 0 {
		size = n
	}
	if x.call.ChunkBytes > 0 {
		size = min(size, x.call.ChunkBytes)
	}
	return min(size, x.c.o.Limits.ChunkBytes)
}

// pages follows the links to next pages until there are as many items as wanted. Pages are
// taken whole, and what comes of several is their items alone.
func (x *exchange) pages(ctx context.Context, wanted int) connector.Answer {
	in, err := x.fetch(ctx, x.request)
	a := x.answer(in, err)
	if err != nil || in.status >= 300 {
		return a
	}
	items, link := page(a.Body)
	if items == nil {
		return a
	}
	bytes := int64(len(in.body))
	for range x.c.o.Limits.RequestsMax - 1 {
		if link == "" || len(items) >= wanted {
			break
		}
		at, err := in.at.Parse(link)
		if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
			return x.failure(breach("Http request failed: the link to the next page is no address."))
		}
		if in, err = x.fetch(ctx, x.next("GET", at)); err != nil {
			return x.failure(err)
		}
		next := x.answer(in, nil)
		if next.Code != "" || next.Status >= 300 {
			return next
		}
		if bytes += int64(len(in.body)); bytes > x.limit {
			return x.failure(tooLarge(x.limit))
		}
		more, following := page(next.Body)
		if more == nil {
			return x.failure(breach("Http request failed: the next page has no array value."))
		}
		items, link = append(items, more...), following
	}
	a.Body = expression.NewObject("value", items)
	return a
}

// page gives the items of a page and the link to the next one.
func page(body any) ([]any, string) {
	o, ok := body.(*content.Object)
	if !ok {
		return nil, ""
	}
	v, _ := o.Exact("value")
	items, ok := v.([]any)
	if !ok {
		return nil, ""
	}
	for _, name := range []string{"nextLink", "@odata.nextLink"} {
		if link, _ := o.Get(name); link != nil {
			return items, expression.Text(link)
		}
	}
	return items, ""
}
