package telemetry

import (
	"encoding/json"
	"net/http"
	"sync"
)

// Part is one thing readiness depends on.
type Part struct {
	Name  string `json:"name"`
	Ready bool   `json:"ready"`
	// Reason says in a sentence why it is not ready; empty when it is.
	Reason string `json:"reason,omitempty"`
}

// Health answers whether the platform lives and is ready. The zero value lives
// and is not ready.
type Health struct {
	mu     sync.Mutex
	state  string // why nothing is ready: starting, stopping; empty when running
	open   bool   // Running was called
	checks []func() []Part
}

// Add registers parts; check is called for each answer and must be quick.
func (h *Health) Add(check func() []Part) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, check)
}

// Running says that the platform has started: from now on its parts decide.
func (h *Health) Running() { h.set(true, "") }

// Stopping says that the platform takes no new work; it is not ready from now on.
func (h *Health) Stopping() { h.set(false, "It is shutting down.") }

func (h *Health) set(open bool, state string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.open, h.state = open, state
}

// Ready gathers all parts; the platform itself is the first.
func (h *Health) Ready() (bool, []Part) {
	h.mu.Lock()
	checks, platform := h.checks, Part{Name: "platform", Ready: h.open, Reason: h.state}
	h.mu.Unlock()
	if !platform.Ready && platform.Reason == "" {
		platform.Reason = "It is starting."
	}
	parts, ready := []Part{platform}, platform.Ready
	for _, check := range checks {
		for _, part := range check() {
			parts, ready = append(parts, part), ready && part.Ready
		}
	}
	return ready, parts
}

// Live answers /healthz/live: 200 as long as the process answers at all.
func (h *Health) Live(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"status": "live"})
}

// ReadyPage answers /healthz/ready: 200 or 503, with every part either way.
func (h *Health) ReadyPage(w http.ResponseWriter, _ *http.Request) {
	ready, parts := h.Ready()
	if ready {
		answer(w, http.StatusOK, map[string]any{"status": "ready", "parts": parts})
		return
	}
	answer(w, http.StatusServiceUnavailable, map[string]any{"status": "not ready", "parts": parts})
}

// EmulatorPage answers /health the way the Service Bus emulator does.
func (h *Health) EmulatorPage(w http.ResponseWriter, _ *http.Request) {
	ready, parts := h.Ready()
	if ready {
		answer(w, http.StatusOK, emulatorHealth{"healthy", "Service is healthy."})
		return
	}
	message := "Service is not ready."
	for _, part := range parts {
		if !part.Ready {
			message = part.Name + ": " + part.Reason
			break
		}
	}
	answer(w, http.StatusServiceUnavailable, emulatorHealth{"unhealthy", message})
}

type emulatorHealth struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}
