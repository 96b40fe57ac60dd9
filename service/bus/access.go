package bus

import (
	"net"
	"strings"

	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/resource"
)

// accessRuleType declares the shared access rules of one kind of place.
func accessRuleType(parent, of string) *resource.Type {
	return &resource.Type{
		Name: parent + authorization, APIVersions: apiVersions, AnswersOK: true, Description: "A shared access rule: two keys, and what they grant on " + of + ".",
		NamePattern: `[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?`, NameRange: resource.Range{Min: 1, Max: 50},
		NameHint:    "letters, digits, '.', '-' and '_', a letter or digit first and last",
		SiblingsMax: accessRulesMax,
		Fields: []resource.Field{
			{Name: "rights", Kind: resource.List, Required: true, Range: &resource.Range{Min: 1, Max: 3}, Description: "What the keys grant. Manage needs the other two.",
				Element: &resource.Field{Name: "right", Kind: resource.Enum, Values: []string{"Manage", "Listen", "Send"}}},
			{Name: "primaryKey", Kind: resource.Secret, Range: &resource.Range{Min: 8, Max: 256}, Description: "Made at random when it is not given; listKeys shows it."},
			{Name: "secondaryKey", Kind: resource.Secret, Range: &resource.Range{Min: 8, Max: 256}, Description: "A second key that is as good, for changing keys without a pause."},
		},
		Prepare: prepareAccessRule, Check: checkAccessRule,
		Actions: []resource.Action{
			{Name: "listKeys", Description: "Shows the keys, and connection strings with them.", Run: listKeys},
			{Name: "regenerateKeys", Description: "Makes a new key: {\"keyType\": \"PrimaryKey\" or \"SecondaryKey\", \"key\": optional}.", Run: regenerateKeys},
		},
	}
}

var keyNames = []string{"primaryKey", "secondaryKey"}

// prepareAccessRule keeps the keys there are, and makes those there are not.
func prepareAccessRule(d *resource.Document, old *resource.Document, c resource.PrepareContext) error {
	for _, name := range keyNames {
		if d.Properties[name] != nil {
			continue
		}
		if old != nil && old.String(name) != "" {
			d.Properties[name] = old.String(name)
			continue
		}
		key, err := identity.NewKey(c.Random)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "No random key could be made.")
		}
		d.Properties[name] = key
	}
	return nil
}

func checkAccessRule(d resource.Document, v resource.View) (p resource.Problems) {
	rights := map[string]bool{}
	list, _ := d.Properties["rights"].([]any)
	for _, right := range list {
		name, _ := right.(string)
		if rights[name] {
			p = problem(p, d, "properties.rights", "The right %s is listed twice.", name)
		}
		rights[name] = true
	}
	if rights["Manage"] && !(rights["Send"] && rights["Listen"]) {
		p = problem(p, d, "properties.rights", "Manage comes with Send and Listen: list all three.")
	}
	if d.String("primaryKey") == identity.EmulatorKey || d.String("secondaryKey") == identity.EmulatorKey {
		p = problem(p, d, "properties", "The emulator's well-known key cannot be a rule's own: it would be good from everywhere. Connections from this machine may use it without a rule.")
	}
	return p
}

// listKeys shows the keys. The caller may give the endpoint its clients use; else it is
// where the caller reached the server. Every port speaks every protocol, but clients take
// one of their own choice only without TLS.
func listKeys(c resource.ActionContext, d resource.Document, body map[string]any) (map[string]any, error) {
	endpoint, _ := body["endpoint"].(string)
	more := ""
	if endpoint == "" {
		host := c.Host
		if host == "" {
			host = "localhost"
		}
		endpoint = "sb://" + host + "/"
		if _, port, err := net.SplitHostPort(host); err == nil && port != "443" {
			more = ";UseDevelopmentEmulator=true"
		}
	}
	answer := map[string]any{"keyName": d.Name()}
	for _, name := range keyNames {
		answer[name] = d.String(name)
		connection := identity.ConnectionString{Endpoint: endpoint, KeyName: d.Name(), Key: d.String(name), EntityPath: entityPath(d.ID.Parent())}
		answer[strings.TrimSuffix(name, "Key")+"ConnectionString"] = strings.TrimSuffix(connection.String(), ";") + more
	}
	return answer, nil
}

// regenerateKeys replaces one key, by a random one or the one given.
func regenerateKeys(c resource.ActionContext, d resource.Document, body map[string]any) (map[string]any, error) {
	kind, _ := body["keyType"].(string)
	name := ""
	for _, known := range keyNames {
		if strings.EqualFold(kind, known) {
			name = known
		}
	}
	if name == "" {
		return nil, fault.New(fault.Invalid, "keyType must be PrimaryKey or SecondaryKey.")
	}
	key, _ := body["key"].(string)
	if key == "" {
		var err error
		if key, err = identity.NewKey(c.Random); err != nil {
			return nil, fault.Wrap(fault.Internal, err, "No random key could be made.")
		}
	}
	d = d.Clone()
	d.Properties[name] = key
	if err := c.Replace(d); err != nil {
		return nil, err
	}
	return listKeys(c, d, body)
}
