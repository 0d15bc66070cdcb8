package serve

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"time"
)

// FailedError says that a pack could not be made, before anything of it was sent:
// another copy may do better. Where none does, Answer sends what git had to say
// here.
type FailedError struct {
	Reason string // git's words
	held   []byte
}

func (e *FailedError) Error() string { return "no pack could be made: " + e.Reason }

// says tells whether what was held back ends with words that a client shows.
func (e *FailedError) says() bool {
	return len(e.held) > 8 && bytes.HasPrefix(e.held[4:], []byte("ERR "))
}

// Answer sends what was held back.
func (e *FailedError) Answer(w http.ResponseWriter) {
	noCache(w.Header())
	if len(e.held) == 0 {
		http.Error(w, "git upload-pack: "+e.Reason, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
	_, _ = w.Write(e.held)
}

// Bounds of what is held back while it is not known whether there will be a
// pack: a client shall see progress.
const (
	holdBytes = 64 << 10
	holdFor   = 5 * time.Second
)

// holding passes an answer of git upload-pack on from where its pack begins, or
// from the bounds above. What comes before it is held back: what fails there can
// be answered by another copy.
type holding struct {
	out   io.Writer
	until time.Time
	held  []byte
	open  bool
}

func (h *holding) Write(p []byte) (int, error) {
	if h.open {
		return h.out.Write(p)
	}
	h.held = append(h.held, p...)
	if len(h.held) < holdBytes && time.Now().Before(h.until) && !hasPack(h.held) {
		return len(p), nil
	}
	return len(p), h.release()
}

// release sends what is held, and lets everything through from then on.
func (h *holding) release() error {
	h.open = true
	_, err := h.out.Write(h.held)
	h.held = nil
	return err
}

// hasPack tells whether an answer has come to the bytes of a pack: a packet of
// sideband 1, or, without sidebands, the pack's own beginning.
func hasPack(answer []byte) bool {
	for len(answer) >= 4 {
		if bytes.HasPrefix(answer, []byte("PACK")) {
			return true
		}
		n, err := strconv.ParseUint(string(answer[:4]), 16, 16)
		switch {
		case err != nil:
			return true // not packets: nothing to wait for
		case n < 4: // flush, delimiter, end
			answer = answer[4:]
			continue
		case n > 4 && len(answer) > 4 && answer[4] == 1:
			return true
		case int(n) > len(answer):
			return false
		}
		answer = answer[n:]
	}
	return false
}
