package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"

	"gitmirror/api"
	"gitmirror/internal/oneline"
	"gitmirror/internal/refusal"
	"gitmirror/internal/strictjson"
)

// handler answers a request, or returns why it is refused: then it has written nothing.
type handler func(http.ResponseWriter, *http.Request) error

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h(w, r); err != nil {
		refuse(w, err)
	}
}

// refuse answers with what err says.
func refuse(w http.ResponseWriter, err error) {
	p := api.ProblemOf(err)
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// missing is notFound with what else is known of it.
func (s *Server) missing(what, name string) *refusal.Error {
	if what == "node" {
		return s.noNode(name)
	}
	return notFound(what, name)
}

func notFound(what, name string) *refusal.Error {
	if what == "repo" && strings.Contains(name, "://") {
		return refusal.New(refusal.NotFound, "no repo mirrors %q", clip(name)).Try("gitmirror repo add %s", clip(name))
	}
	if what == "repo" && strings.Contains(name, ":") {
		return refusal.New(refusal.NotFound, "there is no repo named %q", clip(name)).Try("a name has a + before the port: %s", clip(strings.ReplaceAll(name, ":", "+")))
	}
	return refusal.New(refusal.NotFound, "there is no %s named %q", what, clip(name)).Try("gitmirror %s ls", what)
}

// decided is the error of a write, as its client is told: what is no refusal may have
// happened, or may still.
func decided(err error) error {
	if err == nil || refusal.Of(err) != nil {
		return err
	}
	return refusal.New(refusal.UnknownOutcome, "%s: %s", refusal.UnknownOutcome, err)
}

// clip is what is repeated of a request.
func clip(s string) string { return oneline.Clip(s, 200) }

const maxBody = 4 << 20

// decode reads a JSON body, see strictjson.
func decode(r *http.Request, v any) error {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		return unreadable(err)
	}
	return decodeData(data, v)
}

func decodeData(data []byte, v any) error {
	err := strictjson.Unmarshal(data, v)
	if err == nil {
		return nil
	}
	p := refusal.New(refusal.JSONInvalid, "the body is not what is expected here: %v", err)
	if e := (*strictjson.Error)(nil); errors.As(err, &e) {
		return p.Try("%s", e.Hint)
	}
	return p
}

// noBody refuses what says more than its path: it would not be heard.
func noBody(w http.ResponseWriter, r *http.Request) error {
	data, err := io.ReadAll(http.MaxBytesReader(bare(w), r.Body, maxBody))
	if err != nil {
		return unreadable(err)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	return decodeData(data, &struct{}{})
}

func unreadable(err error) *refusal.Error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return refusal.New(refusal.TooLarge, "the body has more than %d bytes", tooLarge.Limit)
	}
	return refusal.New(refusal.BodyUnreadable, "the body cannot be read: %v", err)
}

// writeJSON answers with v. That it cannot be sent cannot be told: it returns nil.
func writeJSON(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v)
	return nil
}
