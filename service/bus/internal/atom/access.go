package atom

import (
	"strings"
	"time"

	"weir/kernel/fault"
	"weir/kernel/resource"
)

// accessRuleKind is the only kind of authorization rule there is.
const accessRuleKind = "SharedAccessAuthorizationRule"

// accessDocuments reads the authorization rules of a description as the documents of
// an entity's rules. Those that are there and not in the description are to go.
func accessDocuments(entity resource.ID, e *element) ([]resource.Document, error) {
	var docs []resource.Document
	for _, r := range e.sub {
		if r.name != "AuthorizationRule" {
			return nil, fault.New(fault.Invalid, "The element '%s' among the AuthorizationRules is not known here.", r.name)
		}
		if r.typ != "" && r.typ != accessRuleKind {
			return nil, fault.New(fault.Invalid, "An authorization rule is a %s, not a %s.", accessRuleKind, r.typ)
		}
		d, err := accessDocument(entity, r)
		if err != nil {
			return nil, err
		}
		docs = append(docs, d)
	}
	return docs, nil
}

func accessDocument(entity resource.ID, r *element) (d resource.Document, err error) {
	name := ""
	d.Properties = map[string]any{"rights": []any{}}
	for _, e := range r.sub {
		text := strings.TrimSpace(e.text)
		switch e.name {
		case "KeyName":
			name = text
		case "PrimaryKey", "SecondaryKey":
			if text != "" {
				d.Properties[strings.ToLower(e.name[:1])+e.name[1:]] = text
			}
		case "Rights":
			var rights []any
			for _, right := range e.sub {
				rights = append(rights, strings.TrimSpace(right.text))
			}
			d.Properties["rights"] = rights
		case "ClaimType", "ClaimValue", "CreatedTime", "ModifiedTime", "Revision", "IssuerName":
			// the first two are always the same, the service says the others
		default:
			return d, fault.New(fault.Invalid, "The element '%s' of an AuthorizationRule is not known here.", e.name)
		}
	}
	if name == "" {
		return d, fault.New(fault.Invalid, "An authorization rule needs a KeyName.")
	}
	d.ID, err = child(entity, authorization, name)
	return d, err
}

// writeAccess writes the authorization rules of an entity, keys and all: whoever reads
// them has Manage. Their times are not told: the service leaves them out, and the Go
// client's tests compare.
func writeAccess(w *writer, rules []resource.Document) {
	const element = "AuthorizationRules"
	w.open(element)
	for _, d := range rules {
		w.open("AuthorizationRule", "i:type", accessRuleKind)
		w.text("ClaimType", "SharedAccessKey")
		w.text("ClaimValue", "None")
		w.open("Rights")
		rights, _ := d.Properties["rights"].([]any)
		for _, right := range rights {
			text, _ := right.(string)
			w.text("AccessRights", text)
		}
		w.close("Rights")
		w.text("KeyName", d.Name())
		w.text("PrimaryKey", d.String("primaryKey"))
		w.text("SecondaryKey", d.String("secondaryKey"))
		w.close("AuthorizationRule")
	}
	w.close(element)
}

// stamp writes a time as the service does.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z07:00") }
