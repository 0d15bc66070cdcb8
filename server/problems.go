package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"gitmirror/api"
	"gitmirror/fsm"
	"gitmirror/internal/strictjson"
)

// refuse writes a problem.
func refuse(w http.ResponseWriter, p *api.Problem) {
	out := complete(p)
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(out)
}

// complete fills in what RFC 9457 wants and follows from the rest.
func complete(p *api.Problem) *api.Problem {
	out := *p
	out.Type, out.Title = "about:blank", http.StatusText(p.Status)
	return &out
}

func badRequest(code, format string, args ...any) *api.Problem {
	return &api.Problem{Status: http.StatusBadRequest, Code: code, Detail: fmt.Sprintf(format, args...)}
}

func notFound(what, name string) *api.Problem {
	return &api.Problem{Status: http.StatusNotFound, Code: "not_found", Detail: fmt.Sprintf("there is no %s named %q", what, clip(name)),
		Hint: "gitmirror " + what + " ls"}
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

var noLeader = &api.Problem{Status: http.StatusServiceUnavailable, Code: "no_leader",
	Detail: "the cluster has no leader now: nothing can be written",
	Hint:   "a new leader is elected within seconds while most voters are up: gitmirror status"}

// problemOf turns an error of a write into what the client is told.
func problemOf(err error) *api.Problem {
	var p *api.Problem
	var refused *fsm.Refused
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refused):
		return &api.Problem{Status: StatusOf(refused.Code), Code: refused.Code, Detail: refused.Error()}
	}
	return &api.Problem{Status: http.StatusServiceUnavailable, Code: "unknown_outcome",
		Detail: "the cluster did not decide in time; the write may still happen: " + err.Error(),
		Hint:   "repeat it with the same Idempotency-Key, or look whether it has happened"}
}

// StatusOf is the HTTP status that goes with a refusal's code.
func StatusOf(code string) int {
	switch {
	case code == "node_unreachable": // it may be reachable in a moment
		return http.StatusServiceUnavailable
	case code == fsm.CodeNotFound:
		return http.StatusNotFound
	case strings.HasPrefix(code, "conflict_"), strings.HasPrefix(code, "stale_"),
		code == fsm.CodeLastCopy, code == fsm.CodeNotOwner, code == fsm.CodeNotHeld, code == "node_up", code == fsm.CodeKeyReused:
		return http.StatusConflict
	}
	return http.StatusBadRequest
}

const maxBody = 4 << 20

// decode reads a JSON body, see strictjson.
func decode(r *http.Request, v any) *api.Problem {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return unreadable(err)
	}
	return decodeData(data, v)
}

func decodeData(data []byte, v any) *api.Problem {
	err := strictjson.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	p := badRequest("json_invalid", "the body is not what is expected here: %v", err)
	if e := (*strictjson.Error)(nil); errors.As(err, &e) {
		p.Hint = e.Hint
	}
	return p
}

// noBody refuses what says more than its path: it would not be heard.
func noBody(w http.ResponseWriter, r *http.Request) *api.Problem {
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return unreadable(err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	return decodeData(data, &struct{}{})
}

func unreadable(err error) *api.Problem {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &api.Problem{Status: http.StatusRequestEntityTooLarge, Code: "too_large",
			Detail: fmt.Sprintf("the body has more than %d bytes", tooLarge.Limit), Hint: "send fewer repos at a time"}
	}
	return badRequest("body_unreadable", "the body cannot be read: %v", err)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
}
