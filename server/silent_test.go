package server

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/api"
	"gitmirror/peer"
)

// Of what a node has to say that counts as up and does not answer, nobody knows here: that is
// shown after ten seconds, and as long as it has not answered since, and counts as up.
func TestANodeThatDoesNotAnswerIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := surrounded(t)
		s := a.server(t)
		status := func() (st api.Status) {
			t.Helper()
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/status", nil)
			r.Host = "127.0.0.1"
			w := httptest.NewRecorder()
			s.Handler(Open).ServeHTTP(w, r)
			if err := json.Unmarshal(w.Body.Bytes(), &st); err != nil {
				t.Fatal(err)
			}
			return st
		}
		silent := func(when string, want bool) {
			t.Helper()
			st := status()
			is := len(st.Trouble) == 1 && st.Trouble[0].Node == "n3" && st.Trouble[0].Subject == "n2" && st.Verdict == api.Degraded && st.Since != nil
			if is != want || !want && (len(st.Trouble) > 0 || st.Verdict != api.Healthy) {
				t.Errorf("%s: %s %+v", when, st.Verdict, st.Trouble)
			}
		}
		delete(a.live, "n2:1")
		silent("at first", false)
		time.Sleep(silentAfter)
		silent("ten seconds later", true)
		a.live["n2:1"] = peer.LiveAnswer{}
		silent("it answers", false)
		delete(a.live, "n2:1")
		silent("it is silent again", false)
		time.Sleep(2 * silentFor)
		silent("nobody has asked it since", false)
		time.Sleep(silentAfter)
		a.down("n2")
		if st := status(); len(st.Trouble) > 0 {
			t.Errorf("it is down: %+v", st.Trouble)
		}
	})
}
