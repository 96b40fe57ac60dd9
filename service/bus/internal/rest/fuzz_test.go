package rest

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"weir/service/bus/internal/broker"
	wire "weir/wire/amqp"
)

// Whatever is taken in is a message that can be read, with the same body, and can be
// shown in headers that are headers.
func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"Label":"M1","TimeToLive":10,"MessageId":"m","SessionId":"s","ScheduledEnqueueTimeUtc":"Sun, 06 Nov 1994 08:49:37 GMT"}`), "Region", `"EU"`, []byte("body"))
	f.Add([]byte(`{"TimeToLiveTimeSpan":"1.02:03:04.5","ContentType":"x\u0000y"}`), "a", "12", []byte{})
	f.Add([]byte(`[{"Body":"AAAA","IsBodyBase64":true,"BrokerProperties":{"Label":"x"},"UserProperties":{"a":1}}]`), "Transfer-Encoding", "1e400", []byte{0xff})
	f.Fuzz(func(t *testing.T, properties []byte, name, value string, body []byte) {
		var list []message
		var batch []batched
		if json.Unmarshal(properties, &batch) == nil {
			for _, g := range batch {
				if m, err := g.message(); err == nil {
					list = append(list, m)
				}
			}
		}
		if s, err := parseSent(properties); err == nil {
			list = append(list, message{sent: s, body: body, properties: customProperties(http.Header{http.CanonicalHeaderKey(name): {value}}, nil)})
		}
		for i := range list {
			m := list[i].encode()
			if m.MessageID == "" || m.TTL < 0 {
				t.Fatalf("%+v", m)
			}
			in, err := open(m.Encoded, nil)
			if err != nil || string(in.body) != string(list[i].body) {
				t.Fatalf("%q, %v", in.body, err)
			}
			h := http.Header{}
			in.headers(h)
			for name, values := range h {
				if !isToken(name) || !isHeaderText(values[0]) {
					t.Fatalf("%q: %q", name, values)
				}
			}
			told, err := json.Marshal(in.told(&broker.Delivery{}, broker.PeekLock))
			if text := ascii(told); err != nil || !isHeaderText(text) || !json.Valid([]byte(text)) {
				t.Fatalf("%q %v", text, err)
			}
		}
	})
}

// Bytes of any message that is in the namespace can be shown, or are refused.
func FuzzShow(f *testing.F) {
	m := message{body: []byte("x"), properties: []named{{"a", int32(1)}}}
	f.Add(m.encode().Encoded)
	f.Add(wire.AppendValueBody(nil, wire.Map{{Key: "a", Value: wire.List{int64(1)}}}))
	f.Fuzz(func(t *testing.T, encoded []byte) {
		in, err := open(encoded, &broker.Edit{Application: []broker.Property{{Name: "x", Value: "y"}}, Removed: []string{"z"}})
		if err != nil {
			return
		}
		h := http.Header{}
		in.headers(h)
		if strings.ContainsAny(h.Get("x"), "\r\n") || h["x"] == nil {
			t.Fatalf("%v", h)
		}
	})
}
