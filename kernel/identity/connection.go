package identity

import (
	"net/url"
	"strings"

	"weir/kernel/fault"
)

// ConnectionString is what clients are configured with.
type ConnectionString struct {
	Endpoint   string // sb://host[:port]
	KeyName    string
	Key        string
	Signature  string // a ready token, instead of name and key
	EntityPath string
	Emulator   bool // plain AMQP at the endpoint's port
}

// ParseConnectionString reads "Name=value;" pairs. Names ignore case and unknown
// ones are passed over, as the client libraries do.
func ParseConnectionString(text string) (ConnectionString, error) {
	var c ConnectionString
	for pair := range strings.SplitSeq(text, ";") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return c, fault.New(fault.Invalid, "A connection string is made of Name=value pairs with ';' between them; one part has no '='.")
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "endpoint":
			c.Endpoint = value
		case "sharedaccesskeyname":
			c.KeyName = value
		case "sharedaccesskey":
			c.Key = value
		case "sharedaccesssignature":
			c.Signature = value
		case "entitypath":
			c.EntityPath = value
		case "usedevelopmentemulator":
			c.Emulator = strings.EqualFold(value, "true")
		}
	}
	return c, c.check()
}

func (c ConnectionString) check() error {
	u, err := url.Parse(c.Endpoint)
	if err != nil || u.Host == "" {
		return fault.New(fault.Invalid, "The connection string needs Endpoint=sb://host/.")
	}
	if c.Signature == "" && (c.KeyName == "" || c.Key == "") {
		return fault.New(fault.Invalid, "The connection string needs SharedAccessKeyName and SharedAccessKey, or SharedAccessSignature.")
	}
	return nil
}

// Host is the endpoint's host, with its port if it has one.
func (c ConnectionString) Host() string {
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return ""
	}
	return u.Host
}

// String writes the connection string. It holds the key: do not log it.
func (c ConnectionString) String() string {
	var b strings.Builder
	for _, pair := range []struct{ name, value string }{
		{"Endpoint", c.Endpoint}, {"SharedAccessKeyName", c.KeyName}, {"SharedAccessKey", c.Key},
		{"SharedAccessSignature", c.Signature}, {"EntityPath", c.EntityPath},
	} {
		if pair.value != "" {
			b.WriteString(pair.name + "=" + pair.value + ";")
		}
	}
	if c.Emulator {
		b.WriteString("UseDevelopmentEmulator=true;")
	}
	return b.String()
}
