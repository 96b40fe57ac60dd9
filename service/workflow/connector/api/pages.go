package api

import (
	"context"
	"fmt"

	"weir/service/workflow/connector"
	"weir/service/workflow/internal/expression"
)

// Bounds of pages.
const (
	pagesMax = 1000
	itemsMax = 100_000
)

// pages follows an answer's pages until there are as many items as were asked for, and
// puts their items into one body.
func (c *Connector) pages(ctx context.Context, call *connector.Call, r *request, first connector.Answer) connector.Answer {
	body, ok := first.Body.(*object)
	if first.Code != "" || first.Status != 200 || !ok {
		return first
	}
	name, items := list(body)
	if name == "" {
		return first
	}
	want := min(call.MinimumItems, itemsMax)
	link, next := r.next(body)
	for n := 1; next != "" && len(items) < want; n++ {
		if n == pagesMax {
			return connector.Refusal("PaginationLimitExceeded", fmt.Sprintf("The operation has more than %d pages: ask for fewer items, or for larger pages.", pagesMax))
		}
		own, at, err := r.resolve(next)
		if err == nil && !own {
			err = fmt.Errorf("the next page is at another host than the connection %q; it is not asked for with its credentials", r.to.Name)
		}
		if err != nil {
			return refuse(err)
		}
		r.method, r.address, r.queries, r.body = "GET", at, nil, nil
		a := c.send(ctx, call, r)
		page, ok := a.Body.(*object)
		if a.Code != "" || a.Status != 200 || !ok {
			if a.Code == "" && a.Status < 400 {
				return connector.Refusal("BadRequest", fmt.Sprintf("A page of the operation was answered with status %d and no object.", a.Status))
			}
			return a
		}
		more, _ := page.Exact(name)
		added, _ := more.([]any)
		items = append(items, added...)
		link, next = r.next(page)
	}
	merged := expression.NewObject()
	for _, m := range body.Members {
		if m.Name == name {
			merged = merged.With(name, items)
		} else if !linkName(m.Name) && (r.op == nil || m.Name != r.op.NextLink) {
			merged = merged.With(m.Name, m.Value)
		}
	}
	if next != "" {
		merged = merged.With(link, next)
	}
	first.Body = merged
	return first
}

// list finds the items of a page: value, or the only member that is an array.
func list(body *object) (name string, items []any) {
	if v, ok := body.Exact("value"); ok {
		if items, ok := v.([]any); ok {
			return "value", append([]any{}, items...)
		}
	}
	for _, m := range body.Members {
		if of, ok := m.Value.([]any); ok {
			if name != "" {
				return "", nil
			}
			name, items = m.Name, append([]any{}, of...)
		}
	}
	return name, items
}

var linkNames = []string{"@odata.nextLink", "nextLink", "odata.nextLink"}

func linkName(s string) bool {
	for _, name := range linkNames {
		if s == name {
			return true
		}
	}
	return false
}

// next is where the next page is: the member the document names, else one of the usual.
func (r *request) next(body *object) (name, at string) {
	names := linkNames
	if r.op != nil && r.op.NextLink != "" {
		names = append([]string{r.op.NextLink}, names...)
	}
	for _, name := range names {
		if v, ok := body.Exact(name); ok && v != nil {
			if s := expression.Text(v); s != "" {
				return name, s
			}
		}
	}
	return "", ""
}
