package atom

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"weir/kernel/resource"
)

// Content types of answers.
const (
	entryType = "application/atom+xml;type=entry;charset=utf-8"
	feedType  = "application/atom+xml;type=feed;charset=utf-8"
)

// host is the name by which the client came.
func (c *call) host() string { return c.r.Host }

// address is the URL of something of this namespace, as ids and links have it.
func (c *call) address(path string, query string) string {
	u := url.URL{Scheme: "https", Host: c.host(), Path: "/" + path, RawQuery: query}
	return u.String()
}

func (c *call) versionQuery() string {
	if c.query.version == "" {
		return ""
	}
	return "api-version=" + c.query.version
}

// show answers with one entity.
func (c *call) show(status int, d resource.Document) error {
	e, err := c.entryOf(d)
	if err != nil {
		return err
	}
	var w writer
	c.writeEntry(&w, e, true)
	c.w.Header().Set("ETag", strconv.Quote(d.ETag))
	c.send(status, entryType, w.Bytes())
	return nil
}

// entry is one entity with all that is told of it.
type entry struct {
	doc   resource.Document
	shown *shown // nil for a rule
	path  string
	title string
}

// entryOf gathers what an entry tells.
func (c *call) entryOf(d resource.Document) (entry, error) {
	e := entry{doc: d, path: pathOf(d.ID), title: titleOf(d.ID)}
	n := nounOf(d.Type())
	if n.typ == typeRule {
		return e, nil
	}
	s := &shown{noun: n, doc: d, host: c.host(), version: c.query, counts: c.s.o.Counts(d)}
	if n.typ != typeSubscription {
		var err error
		if s.rules, _, err = c.s.o.Registry.List(c.r.Context(), d.ID, n.typ+"/"+authorization); err != nil {
			return e, err
		}
		if s.premium, err = c.premium(); err != nil {
			return e, err
		}
	}
	if n.typ == typeTopic && c.query.since("2024-05") {
		if err := c.countFilters(s); err != nil {
			return e, err
		}
	}
	e.shown = s
	return e, nil
}

// premium says whether the namespace is, whose entities have no partitions.
func (c *call) premium() (bool, error) {
	if c.sku != "" {
		return c.sku == skuPremium, nil
	}
	ns, err := c.s.o.Registry.Get(c.r.Context(), c.ns)
	if c.sku = "none"; err == nil && ns.SKU != nil {
		c.sku = ns.SKU.Name
	}
	return c.sku == skuPremium, err
}

// skuPremium is the tier with larger messages and without partitions.
const skuPremium = "Premium"

// countFilters counts the filters of a topic's subscriptions.
func (c *call) countFilters(s *shown) error {
	subscriptions, _, err := c.s.o.Registry.List(c.r.Context(), s.doc.ID, typeSubscription)
	if err != nil {
		return err
	}
	var sql, correlation int64
	for _, sub := range subscriptions {
		rules, _, err := c.s.o.Registry.List(c.r.Context(), sub.ID, typeRule)
		if err != nil {
			return err
		}
		for _, r := range rules {
			if r.String("filterType") == "CorrelationFilter" {
				correlation++
			} else {
				sql++
			}
		}
	}
	if s.counts == nil {
		s.counts = map[string]any{}
	}
	s.counts["sqlFilterCount"], s.counts["correlationFilterCount"] = sql, correlation
	return nil
}

// pathOf is the path by which clients name an entity.
func pathOf(id resource.ID) string {
	names := id.Names()
	for i := range names {
		names[i] = strings.ReplaceAll(names[i], "~", "/")
	}
	switch len(names) {
	case 3:
		return names[1] + "/Subscriptions/" + names[2]
	case 4:
		return names[1] + "/Subscriptions/" + names[2] + "/Rules/" + names[3]
	}
	return names[1]
}

func titleOf(id resource.ID) string { return strings.ReplaceAll(id.Name(), "~", "/") }

// writeEntry writes an entry; one that stands alone names its XML namespace.
func (c *call) writeEntry(w *writer, e entry, alone bool) {
	if alone {
		w.open("entry", "xmlns", nsAtom)
	} else {
		w.open("entry", "xml:base", c.address(c.target.path, c.versionQuery()))
	}
	own := c.address(e.path, c.versionQuery())
	w.text("id", own)
	w.text("title", e.title, "type", "text")
	w.text("published", second(e.doc.Created))
	w.text("updated", second(e.doc.Updated))
	w.open("author")
	w.text("name", c.ns.Name())
	w.close("author")
	w.text("link", "", "rel", "self", "href", own)
	w.open("content", "type", "application/xml")
	if e.shown != nil {
		e.shown.write(w)
	} else {
		writeRule(w, e.doc)
	}
	w.close("content")
	w.close("entry")
}

// nobody is the title of the feed that stands for an entity which is not there.
const nobody = "Publicly Listed Services"

// showNothing answers that there is no such entity, in the way of the service.
func (c *call) showNothing() {
	var w writer
	c.openFeed(&w, nobody)
	w.text("generator", "Service Bus")
	w.close("feed")
	c.send(http.StatusOK, feedType, w.Bytes())
}

func (c *call) openFeed(w *writer, title string) {
	w.open("feed", "xmlns", nsAtom)
	w.text("title", title, "type", "text")
	own := c.address(c.target.path, c.r.URL.RawQuery)
	w.text("id", own)
	w.text("updated", second(c.now))
	w.text("link", "", "rel", "self", "href", own)
}

// showList answers with a page of a list, and where the next is.
func (c *call) showList(page []resource.Document, more bool) error {
	var w writer
	c.openFeed(&w, listTitles[c.target.kind])
	if more && len(page) > 0 {
		next := url.Values{"$skip": {strconv.Itoa(c.query.skip + len(page))}, "$top": {strconv.Itoa(c.query.top)}}
		if c.query.version != "" {
			next.Set("api-version", c.query.version)
		}
		w.text("link", "", "rel", "next", "href", c.address(c.target.path, next.Encode()))
	}
	for _, d := range page {
		e, err := c.entryOf(d)
		if err != nil {
			return err
		}
		c.writeEntry(&w, e, false)
	}
	w.close("feed")
	c.send(http.StatusOK, feedType, w.Bytes())
	return nil
}

var listTitles = map[kind]string{queues: "Queues", topics: "Topics", subscriptions: "Subscriptions", rules: "Rules"}

// showNamespace answers with what the namespace is.
func (c *call) showNamespace() error {
	ns, err := c.s.o.Registry.Get(c.r.Context(), c.ns)
	if err != nil {
		return err
	}
	own := c.address(c.target.path, c.versionQuery())
	var w writer
	w.open("entry", "xmlns", nsAtom)
	w.text("id", own)
	w.text("title", ns.Name(), "type", "text")
	w.text("updated", second(ns.Updated))
	w.open("author")
	w.text("name", ns.Name())
	w.close("author")
	w.text("link", "", "rel", "self", "href", own)
	w.open("content", "type", "application/xml")
	w.open("NamespaceInfo", "xmlns", nsContract, "xmlns:i", nsInstance)
	w.text("CreatedTime", stamp(ns.Created))
	sku := resource.SKU{Name: "Standard"}
	if ns.SKU != nil {
		sku = *ns.SKU
	}
	w.text("MessagingSKU", sku.Name)
	if sku.Name == skuPremium {
		w.text("MessagingUnits", fmt.Sprint(max(sku.Capacity, 1)))
	}
	w.text("ModifiedTime", stamp(ns.Updated))
	w.text("Name", ns.Name())
	w.text("NamespaceType", "Messaging")
	w.close("NamespaceInfo")
	w.close("content")
	w.close("entry")
	c.send(http.StatusOK, entryType, w.Bytes())
	return nil
}

func second(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func (c *call) send(status int, contentType string, body []byte) {
	h := c.w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	h.Set("Cache-Control", "no-store")
	c.w.WriteHeader(status)
	_, _ = c.w.Write(body) // the client may be gone
}
