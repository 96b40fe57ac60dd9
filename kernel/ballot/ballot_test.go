package ballot_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"weir/kernel/ballot"
	"weir/kernel/ballot/core"
)

func files(t *testing.T) *ballot.Files {
	t.Helper()
	f, err := ballot.OpenFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func hold(location string, term uint64, d time.Duration) ballot.Request {
	return ballot.Request{Location: location, Verb: ballot.Hold, Term: term, For: d}
}

func ask(t *testing.T, v ballot.Voter, r ballot.Request) ballot.Answer {
	t.Helper()
	a, err := v.Ask(t.Context(), "orders", r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Two nodes of a location are one voter, and so is a process and its next life.
func TestOneStorageIsOneVoter(t *testing.T) {
	f := files(t)
	synctest.Test(t, func(t *testing.T) {
		a, b := ballot.NewLocal(f), ballot.NewLocal(f)
		if r := ask(t, b, hold("east", 0, time.Second)); r.Granted {
			t.Errorf("term 0: %+v", r)
		}
		if r := ask(t, a, hold("west", 1, 5*time.Second)); !r.Granted {
			t.Fatalf("refused: %+v", r)
		}
		for range 5 { // renewed at one, so held at the other, for longer than a grant lasts
			time.Sleep(3 * time.Second)
			if r := ask(t, b, hold("east", 2, 5*time.Second)); r.Granted {
				t.Fatalf("the other process granted it: %+v", r)
			}
			if r := ask(t, a, hold("west", 1, 5*time.Second)); !r.Granted {
				t.Fatalf("refused: %+v", r)
			}
		}
		again := ballot.NewLocal(f)
		time.Sleep(time.Hour)
		if r := ask(t, again, hold("east", 2, 5*time.Second)); r.Granted || r.Left != 5*time.Second {
			t.Errorf("a new process granted what an old one may just have granted: %+v", r)
		}
		time.Sleep(5 * time.Second)
		if r := ask(t, again, hold("east", 2, 5*time.Second)); !r.Granted {
			t.Errorf("refused after the time: %+v", r)
		}
		if r := ask(t, a, ballot.Request{Verb: ballot.Look}); r.Term != 2 || r.Holder != "east" {
			t.Errorf("the first process knows %+v", r)
		}
	})
}

func TestADamagedBallotIsNoBallot(t *testing.T) {
	dir := t.TempDir()
	f, err := ballot.OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	ask(t, ballot.NewLocal(f), hold("west", 1, time.Second))
	names, err := filepath.Glob(filepath.Join(dir, "*.ballot"))
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	data, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-3] ^= 1
	if err := os.WriteFile(names[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	if a, err := ballot.NewLocal(f).Ask(t.Context(), "orders", ballot.Request{Verb: ballot.Look}); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestAVoterBehindHTTP(t *testing.T) {
	s := httptest.NewServer(ballot.Handler(ballot.NewLocal(files(t)), "sesame"))
	defer s.Close()
	v := ballot.Remote{URL: s.URL, Secret: "sesame", Client: s.Client()}
	if a := ask(t, v, hold("west", 3, time.Minute)); !a.Granted || a.Term != 3 || a.Holder != "west" || a.Left != time.Minute {
		t.Errorf("%+v", a)
	}
	if a := ask(t, v, hold("east", 4, time.Minute)); a.Granted || !strings.Contains(a.Reason, "west holds term 3") || a.Left <= 0 {
		t.Errorf("%+v", a)
	}
	v.Secret = "guess"
	if _, err := v.Ask(t.Context(), "orders", ballot.Request{Verb: ballot.Look}); err == nil || !strings.Contains(err.Error(), "without its secret") {
		t.Errorf("with a wrong secret: %v", err)
	}
	for what, c := range map[string]struct {
		method, body string
		status       int
	}{
		"another method": {http.MethodGet, "", http.StatusMethodNotAllowed},
		"no JSON":        {http.MethodPost, "hello", http.StatusBadRequest},
		"no group":       {http.MethodPost, "{}", http.StatusBadRequest},
		"too long":       {http.MethodPost, `{"group":"` + strings.Repeat("x", 1<<20) + `"}`, http.StatusBadRequest},
	} {
		r, _ := http.NewRequest(c.method, s.URL, strings.NewReader(c.body))
		r.Header.Set("Authorization", "Bearer sesame")
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s: %d, want %d", what, resp.StatusCode, c.status)
		}
	}
}

// silent is a voter that does not answer.
type silent struct{}

func (silent) Ask(ctx context.Context, _ string, _ ballot.Request) (ballot.Answer, error) {
	<-ctx.Done()
	return ballot.Answer{}, ctx.Err()
}

func TestKeepingATerm(t *testing.T) {
	stores := []*ballot.Files{files(t), files(t), files(t)}
	synctest.Test(t, func(t *testing.T) {
		voters := func(third ballot.Voter) []ballot.Named {
			return []ballot.Named{{Name: "west", Voter: ballot.NewLocal(stores[0])}, {Name: "east", Voter: ballot.NewLocal(stores[1])}, {Name: "witness", Voter: third}}
		}
		west := &ballot.Polls{Group: "orders", Location: "west", Voters: voters(silent{})}
		east := &ballot.Polls{Group: "orders", Location: "east", Voters: voters(ballot.NewLocal(stores[2]))}
		if _, err := west.Acquire(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var until time.Time
		ended := make(chan error, 1)
		go func() { ended <- west.Keep(ctx, 1, func(r ballot.Round) { until = r.Until }) }()
		for range 20 {
			time.Sleep(time.Second)
			if !time.Now().Before(until) {
				t.Fatal("one silent voter of three keeps the holder from its majority")
			}
		}
		_, err := east.Acquire(t.Context(), 2)
		if !errors.Is(err, ballot.ErrLost) || !strings.Contains(err.Error(), "west holds term 1") {
			t.Errorf("taken from a holder that lives: %v", err)
		}
		round, err := west.Pass(t.Context(), 1, "east")
		if err != nil || round.Granted != 2 {
			t.Fatalf("%+v, %v", round, err)
		}
		var deposed *ballot.Deposed
		if err := <-ended; !errors.As(err, &deposed) || deposed.Term != 2 || deposed.Holder != "east" {
			t.Errorf("keeping a term that was passed on ended with %v", err)
		}
		if r, err := east.Acquire(t.Context(), 2); err != nil || !r.Until.After(time.Now()) {
			t.Errorf("the new holder: %+v, %v", r, err)
		}
	})
}

func TestAMajorityIsNeeded(t *testing.T) {
	store := files(t)
	synctest.Test(t, func(t *testing.T) {
		p := &ballot.Polls{Group: "orders", Location: "west", Voters: []ballot.Named{
			{Name: "west", Voter: ballot.NewLocal(store)}, {Name: "east", Voter: silent{}}, {Name: "witness", Voter: silent{}},
		}}
		began := time.Now()
		if r, err := p.Acquire(t.Context(), 1); !errors.Is(err, ballot.ErrLost) || r.Won || len(r.Replies) != 3 {
			t.Errorf("%+v, %v", r, err)
		}
		if r, _ := p.Acquire(t.Context(), 1); !strings.Contains(r.Why(), "east did not answer") || !strings.Contains(r.Why(), "witness did not answer") {
			t.Errorf("who did not answer is not named: %s", r.Why())
		}
		if waited := time.Since(began) / 2; waited > ballot.TTLDefault/2 {
			t.Errorf("it waited %s for voters that are silent", waited)
		}
	})
}

// A location that is cut off from the holder asks for the next term in vain, and its own
// vote stays as it was: else it would depose the holder as soon as that one hears of it.
func TestWhoLosesAVoteChangesNothing(t *testing.T) {
	stores := []*ballot.Files{files(t), files(t), files(t)}
	synctest.Test(t, func(t *testing.T) {
		witness, own := ballot.NewLocal(stores[2]), ballot.NewLocal(stores[1])
		west := &ballot.Polls{Group: "orders", Location: "west", Voters: []ballot.Named{{Name: "west", Voter: ballot.NewLocal(stores[0])}, {Name: "east", Voter: silent{}}, {Name: "witness", Voter: witness}}}
		east := &ballot.Polls{Group: "orders", Location: "east", Voters: []ballot.Named{{Name: "west", Voter: silent{}}, {Name: "east", Voter: own}, {Name: "witness", Voter: witness}}}
		if _, err := west.Acquire(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if _, err := east.Acquire(t.Context(), 2); !errors.Is(err, ballot.ErrLost) || !strings.Contains(err.Error(), "witness: west holds term 1") {
			t.Errorf("asked for in vain: %v", err)
		}
		if a, err := own.Ask(t.Context(), "orders", ballot.Request{Verb: core.Look}); err != nil || a.Term != 0 {
			t.Errorf("its own vote is %+v, %v", a, err)
		}

		// However it came about: while a majority grants a term nothing deposes its holder.
		if _, err := own.Ask(t.Context(), "orders", ballot.Request{Verb: core.Hold, Location: "east", Term: 7, For: time.Second}); err != nil {
			t.Fatal(err)
		}
		west.Voters[1].Voter = own
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		told := 0
		if err := west.Keep(ctx, 1, func(r ballot.Round) { told += r.Granted / 2 }); !errors.Is(err, context.DeadlineExceeded) || told < 20 {
			t.Errorf("kept %d times, then %v", told, err)
		}
	})
}
