package expression

import (
	"strconv"
	"strings"
)

const upperHex = "0123456789ABCDEF"

// escapeURI escapes all but letters, digits and -_.~, as Uri.EscapeDataString does.
func escapeURI(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || digit(c) || strings.IndexByte("-_.~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(upperHex[c>>4])
		b.WriteByte(upperHex[c&15])
	}
	return b.String()
}

// unescapeURI reads escapes; what is none stays. A plus is a space, as measured.
func unescapeURI(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b = append(b, ' ')
			continue
		case s[i] == '%' && i+2 < len(s):
			if v, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				b = append(b, byte(v))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return strings.ToValidUTF8(string(b), "\ufffd")
}

func uriComponent(f *frame, args []any) (any, error) {
	var b strings.Builder
	for _, a := range args {
		b.WriteString(escapeURI(Text(a)))
	}
	return b.String(), f.made(b.Len())
}

func uriComponentToBinary(f *frame, args []any) (any, error) {
	s, err := f.str(args, 0)
	if err != nil {
		return nil, err
	}
	return newContent(octets, []byte(unescapeURI(s))), f.made(len(s))
}

var uriComponentToString = mapped(unescapeURI)

// uri is an absolute one, taken apart.
type uri struct{ scheme, host, port, path, query string }

func (f *frame) uri(args []any) (uri, error) {
	s, err := f.str(args, 0)
	if err != nil {
		return uri{}, err
	}
	var u uri
	scheme, rest, ok := strings.Cut(strings.TrimSpace(s), ":")
	for i := 0; i < len(scheme); i++ {
		c := scheme[i] | 0x20
		ok = ok && (c >= 'a' && c <= 'z' || i > 0 && (digit(scheme[i]) || strings.IndexByte("+-.", scheme[i]) >= 0))
	}
	if !ok || scheme == "" {
		return u, f.invalid("The value '%s' is not a valid absolute URI.", upTo(s))
	}
	u.scheme = strings.ToLower(scheme)
	rest, _, _ = strings.Cut(rest, "#")
	rest, u.query, ok = strings.Cut(rest, "?")
	if ok && u.query != "" {
		u.query = "?" + u.query
	}
	if authority, found := strings.CutPrefix(rest, "//"); found {
		i := strings.IndexByte(authority, '/')
		if i < 0 {
			i = len(authority)
		}
		u.path = authority[i:]
		u.host = authority[:i]
		if at := strings.LastIndexByte(u.host, '@'); at >= 0 {
			u.host = u.host[at+1:]
		}
		if colon := strings.LastIndexByte(u.host, ':'); colon >= 0 && !strings.Contains(u.host[colon:], "]") {
			u.host, u.port = u.host[:colon], u.host[colon+1:]
		}
		u.host = strings.ToLower(u.host)
		if u.path == "" {
			u.path = "/"
		}
		if _, err := strconv.ParseUint(u.port, 10, 16); u.port != "" && err != nil || u.host == "" && u.scheme != "file" {
			return u, f.invalid("The value '%s' is not a valid absolute URI.", upTo(s))
		}
		return u, nil
	}
	u.path = rest
	return u, nil
}

var defaultPorts = map[string]int64{"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21, "ftps": 990, "sftp": 22, "ldap": 389, "smtp": 25, "mailto": 25}

// uriPart is a function that reads one part of a URI.
func uriPart(read func(uri) any) implementation {
	return func(f *frame, args []any) (any, error) {
		u, err := f.uri(args)
		if err != nil {
			return nil, err
		}
		return read(u), nil
	}
}

var (
	uriHost         = uriPart(func(u uri) any { return u.host })
	uriPath         = uriPart(func(u uri) any { return u.path })
	uriPathAndQuery = uriPart(func(u uri) any { return u.path + u.query })
	uriQuery        = uriPart(func(u uri) any { return u.query })
	uriScheme       = uriPart(func(u uri) any { return u.scheme })
	uriPort         = uriPart(func(u uri) any {
		if p, err := strconv.ParseInt(u.port, 10, 64); err == nil {
			return p
		}
		if p, ok := defaultPorts[u.scheme]; ok {
			return p
		}
		return int64(-1)
	})
)
