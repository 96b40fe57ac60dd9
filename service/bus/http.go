package bus

import (
	"context"
	"net"
	"net/http"
	"regexp"
	"time"

	"weir/kernel/fault"
	"weir/kernel/identity"
	"weir/kernel/resource"
	"weir/service/bus/internal/answer"
	"weir/service/bus/internal/atom"
	"weir/service/bus/internal/rest"
)

// Asked is what is known of who sent an HTTP request.
type Asked struct {
	Peer     net.Addr // where it came from
	Loopback bool     // from this machine, and no proxy's
	External bool     // it came through a door for other networks
	TLS      bool     // encrypted
	Stay     bool     // it was passed on often enough
	// Spelling gives the names of the request's headers as they were written, by their
	// canonical form; those it does not have were written so. Names of properties are
	// told apart by case where they are read.
	Spelling map[string]string
}

// apiVersion is how clients of the admin API write one; Resource Manager's has a day.
var apiVersion = regexp.MustCompile(`^\d{4}-\d{2}$`)

// Mine reports whether a request is certainly the Service Bus's: it has a path of
// messages, an api-version as its clients write them, or a shared access signature and
// no api-version. Other requests may be, when nobody else knows their path.
func Mine(r *http.Request) bool {
	if rest.Mine(r) {
		return true
	}
	if version := r.URL.Query().Get("api-version"); version != "" {
		return apiVersion.MatchString(version)
	}
	kind, _ := answer.TokenOf(r.Header.Get("Authorization"))
	return kind == answer.KindSAS
}

// ownerWait is how long a request waits while a namespace changes hands.
const ownerWait = 15 * time.Second

// ServeHTTP answers a request of the admin API or the HTTP runtime API: the namespace is
// that of the host name, and its owner answers.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request, from Asked) {
	sp, err := s.ownedSpace(w, r, from)
	if err != nil {
		status := http.StatusServiceUnavailable
		if fault.Is(err, fault.NotFound) {
			status = http.StatusNotFound
		}
		answer.Refuse(w, status, fault.Sentence(err))
		return
	}
	if sp == nil {
		return // it was passed on
	}
	caller := answer.Caller{Peer: identity.PeerAt(from.Peer, from.Loopback, from.External), TLS: from.TLS, Spelling: from.Spelling}
	if from.Peer != nil {
		caller.Address = from.Peer.String()
	}
	if rest.Mine(r) {
		s.rest.Serve(w, r, sp.ns, sp.id, caller)
		return
	}
	s.atom.Serve(w, r, sp.id, caller)
}

// ownedSpace finds the namespace of a request and sees to it that its owner answers; it
// is nil when that is another node, which has answered.
func (s *Service) ownedSpace(w http.ResponseWriter, r *http.Request, from Asked) (*space, error) {
	sp, err := s.spaceAt(r.Host)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), ownerWait)
	defer cancel()
	owner, err := sp.ns.WaitOwner(ctx)
	switch {
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, "The namespace '%s' has no owner at the moment. Please try again.", sp.ns.Name())
	case owner.Self:
		return sp, nil
	case from.Stay || s.o.PassHTTP == nil:
		return nil, fault.New(fault.Unavailable, "The namespace '%s' is served by another node. Please try again.", sp.ns.Name())
	}
	s.o.PassHTTP(w, r, unitName(sp.ns.Name()), owner.Address)
	return nil, nil
}

// newAtom builds the admin API.
func (s *Service) newAtom() *atom.Service {
	var guard func(context.Context, resource.ID, string) error
	if r, ok := s.o.Registry.(guarder); ok {
		guard = r.Guard
	}
	return atom.New(atom.Options{
		Guard:    guard,
		Registry: s.o.Registry, PutAll: s.putAll, Applied: s.settled, Counts: s.Counts, Elsewhere: s.o.Elsewhere,
		Token: credentials{s}.Token, Audit: s.o.Audit, Logger: s.log,
	})
}

// guarder is a registry that knows locks.
type guarder interface {
	Guard(ctx context.Context, id resource.ID, verb string) error
}

// allPutter is a registry that puts several documents at once.
type allPutter interface {
	PutAll(ctx context.Context, docs []resource.Document) ([]resource.Result, error)
}

// newREST builds the HTTP runtime API.
func (s *Service) newREST() *rest.Service {
	return rest.New(rest.Options{Token: credentials{s}.Token, Audit: s.o.Audit, Logger: s.log})
}

func (s *Service) putAll(ctx context.Context, docs []resource.Document) error {
	if s.o.PutAll != nil {
		return s.o.PutAll(ctx, docs)
	}
	if all, ok := s.o.Registry.(allPutter); ok {
		_, err := all.PutAll(ctx, docs)
		return err
	}
	for _, d := range docs {
		if _, err := s.o.Registry.Put(ctx, d, resource.Condition{}); err != nil {
			return err
		}
	}
	return nil
}

// settled returns when what this node asked the registry for can be read here and is in
// force.
func (s *Service) settled(ctx context.Context, id resource.ID) error {
	if r, ok := s.o.Registry.(Fresher); ok {
		if err := r.Fresh(ctx); err != nil {
			return err
		}
	}
	return s.Applied(ctx, id)
}

// Leaving asks the clients whose requests wait for messages to come again: this node is
// about to stop.
func (s *Service) Leaving() { s.rest.Leave() }

// Away asks a client whose namespace cannot be reached at the moment to try again.
func Away(w http.ResponseWriter, r *http.Request) {
	answer.Refuse(w, http.StatusServiceUnavailable, "SubCode=50300. The namespace is served by another node, which cannot be reached. Please try again.")
}
