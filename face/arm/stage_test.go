package arm

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"weir/kernel/audit"
	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/journal/record"
	"weir/kernel/resource"
)

// unit runs turns at once and forgets what they record.
type unit struct{ mu sync.Mutex }

func (u *unit) Call(_ context.Context, work func(resource.Turn)) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	work(turn{})
	return nil
}

func (u *unit) View(fn func()) { u.mu.Lock(); defer u.mu.Unlock(); fn() }

type turn struct{}

func (turn) Now() time.Time           { return time.Date(2026, 4, 1, 8, 0, 0, 0, time.UTC) }
func (turn) Record([]byte) record.Ref { return record.Ref{} }
func (turn) Reveal(fn func())         { fn() }

const (
	group = "/subscriptions/s/resourceGroups/g"
	shops = group + "/providers/Test.Shop/shops"
	shop  = shops + "/corner"
	locks = "/providers/Microsoft.Authorization/locks"
)

// stage is a door over a registry of shops, with everything that is asked and noted on
// the way.
type stage struct {
	*testing.T
	door     *Door
	registry *resource.Registry
	mu       sync.Mutex
	asked    []string // action and scope
	noted    []audit.Entry
	deny     func(action, scope string) bool
	settled  bool
}

func (s *stage) Note(_ context.Context, e audit.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noted = append(s.noted, e)
	return nil
}

func newStage(t *testing.T, change func(*Options)) *stage {
	t.Helper()
	types, err := resource.NewTypes(append(resource.ScopeTypes(), resource.LockType(),
		&resource.Type{
			Name: "Test.Shop/shops", Unique: true, Located: true, APIVersions: []string{"2026-01-01"}, NamePattern: "[a-z]+", NameHint: "small letters", NameRange: resource.Range{Min: 1, Max: 20},
			Fields: []resource.Field{
				{Name: "key", Kind: resource.Secret, Default: "hush"},
				{Name: "seats", Kind: resource.Int, Range: &resource.Range{Min: 1, Max: 10}, Default: int64(4)},
				{Name: "provisioningState", Kind: resource.String, ReadOnly: true},
				{Name: "createdAt", Kind: resource.Time, ReadOnly: true},
			},
			Actions: []resource.Action{{Name: "listKeys", Run: func(c resource.ActionContext, d resource.Document, _ map[string]any) (map[string]any, error) {
				return map[string]any{"primaryKey": d.String("key"), "host": c.Host}, nil
			}}},
		},
		&resource.Type{Name: "Test.Shop/shops/tables", AnswersOK: true},
		&resource.Type{Name: "Test.Shop/shops/cellars", Absent: "Put tables upstairs."},
	)...)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{T: t, registry: resource.NewRegistry(types, nil), settled: true}
	s.registry.Bind(&unit{})
	o := Options{
		Registry: s.registry, Default: resource.MustID(group), Location: "west", Audit: s,
		Authorize: func(p identity.Principal, action, scope string) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.asked = append(s.asked, action+" "+scope)
			if s.deny != nil && s.deny(action, scope) {
				return fault.New(fault.Forbidden, "The client '%s' does not have authorization to perform action '%s' over scope '%s'.", p.Name, action, scope)
			}
			return nil
		},
		Settled: func(resource.ID) bool { return s.settled },
	}
	if change != nil {
		change(&o)
	}
	s.door = New(o)
	return s
}

type given struct {
	status int
	header http.Header
	body   string
}

// ask sends a request; body is JSON or empty, header names and values in turn.
func (s *stage) ask(method, path, body string, header ...string) given {
	s.Helper()
	r := httptest.NewRequest(method, "http://weir.example:8080"+path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.door.ServeHTTP(w, r)
	data, _ := io.ReadAll(w.Result().Body)
	return given{w.Code, w.Header(), string(data)}
}

// gets is ask for an answer of a status that holds a text.
func (s *stage) gets(status int, has, method, path, body string, header ...string) given {
	s.Helper()
	g := s.ask(method, path, body, header...)
	if g.status != status || !strings.Contains(g.body, has) {
		s.Errorf("%s %s: %d %s\nwant %d with %q", method, path, g.status, g.body, status, has)
	}
	return g
}

func (s *stage) make(ids ...string) {
	s.Helper()
	for _, id := range ids {
		if _, err := s.registry.Put(s.Context(), resource.Document{ID: resource.MustID(id)}, resource.Condition{}); err != nil {
			s.Fatal(err)
		}
	}
}

// values are the names a list gives.
func values(body string) string {
	var page struct {
		Value []struct{ Name, SubscriptionID string } `json:"value"`
	}
	_ = json.Unmarshal([]byte(body), &page)
	var all []string
	for _, one := range page.Value {
		all = append(all, one.Name+one.SubscriptionID)
	}
	return strings.Join(all, " ")
}
