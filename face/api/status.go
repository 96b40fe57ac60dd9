package api

import (
	"net/http"
	"time"

	"weir/face/answer"
)

// Status is what a node says of itself. It is stable: programs read it.
type Status struct {
	Version string `json:"version"`
	Node    string `json:"node"`
	// Location is what this location calls itself.
	Location string            `json:"location"`
	Started  time.Time         `json:"started"`
	Ready    bool              `json:"ready"`
	Doors    map[string]string `json:"doors"`
	// Scope is where resources are declared whose files name none; Namespace is the
	// one clients reach whose host name names none.
	Scope     string `json:"scope"`
	Namespace string `json:"namespace"`
	// Revision counts the changes of the registry this node has seen.
	Revision uint64 `json:"revision"`
	Units    []Unit `json:"units"`
}

// Unit is one unit of continuity as this node sees it.
type Unit struct {
	Name string `json:"name"`
	// Role is this node's part: owner, follower, starting or stopped.
	Role string `json:"role"`
	// Owner and OwnerAddress name the node that decides, empty when none is known.
	Owner        string `json:"owner"`
	OwnerAddress string `json:"ownerAddress,omitempty"`
	Epoch        uint64 `json:"epoch"`
	// Position is how far this node has folded the unit's journal.
	Position uint64 `json:"position"`
	Ready    bool   `json:"ready"`
	Reason   string `json:"reason,omitempty"` // why it is not ready
}

func (a *API) status(w http.ResponseWriter, _ *http.Request) {
	s := a.o.Status()
	if s.Units == nil {
		s.Units = []Unit{}
	}
	answer.JSON(w, http.StatusOK, s)
}
