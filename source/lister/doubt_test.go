package lister_test

import (
	"net/http"
	"strings"
	"testing"

	"gitmirror/internal/forgereplay"
)

// telling tells of nine repositories, whatever it shows.
type telling struct{ http.ResponseWriter }

func (t telling) Write(p []byte) (int, error) {
	t.Header().Set("X-Total-Count", "9")
	return t.ResponseWriter.Write(p)
}

// Where a forge tells of more than it shows, what it shows is taken up, and what it does not show stays.
func TestATotalThatDoesNotAddUp(t *testing.T) {
	w, a := newForgeWorld(t, "gitea", nil)
	a.Organisation("acme", repo(1, "r1"), repo(2, "r2"), repo(3, "r3"), repo(4, "r4"))
	list := w.lists("a", a)
	list()
	other := forgereplay.New("gitea")
	other.Organisation("acme", repo(1, "r1"), repo(2, "called-otherwise"), repo(5, "new"))
	a.Fault(func(int, *http.Request) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { other.ServeHTTP(telling{w}, r) }
	})
	w.sync()
	list()
	urls, _ := w.forged()
	l := w.forge().Listed
	if len(urls) != 5 || urls["5"] == "" || !strings.HasSuffix(urls["2"], "called-otherwise.git") || urls["4"] == "" || l.GetKept() != 2 || w.forge().Lost(w.now) != 0 {
		t.Errorf("%v, %d kept", urls, l.GetKept())
	}
	if l.GetFlawsTotal() != 1 || l.GetFlaws()[0].GetWhy() != "the forge tells of 9 repositories at least, and shows 3: nothing is taken away" {
		t.Errorf("%v", l.GetFlaws())
	}
	// That is told though nothing seems to be gone.
	other.Organisation("acme", repo(1, "r1"), repo(2, "called-otherwise"), repo(3, "r3"), repo(4, "r4"), repo(5, "new"))
	w.sync()
	list()
	if urls, _ := w.forged(); len(urls) != 5 || w.forge().Listed.GetFlawsTotal() != 1 || w.forge().Listed.GetKept() != 0 {
		t.Errorf("%v, %v", urls, w.forge().Listed)
	}
	// Once it adds up, what is gone goes.
	a.Fault(nil)
	a.Organisation("acme", repo(1, "r1"), repo(2, "called-otherwise"), repo(5, "new"))
	w.sync()
	list()
	if urls, _ := w.forged(); len(urls) != 3 || w.forge().Listed.GetFlawsTotal() != 0 {
		t.Errorf("%v, %v", urls, w.forge().Listed.GetFlaws())
	}
}

// The second look at what seems to be gone may be what does not add up.
func TestATotalThatDoesNotAddUpTheSecondTime(t *testing.T) {
	w, a := newForgeWorld(t, "gitea", nil)
	a.Organisation("acme", repo(1, "r1"), repo(2, "r2"))
	list := w.lists("a", a)
	list()
	other := forgereplay.New("gitea")
	other.Organisation("acme", repo(1, "r1"))
	first := len(a.Requests()) + 1
	a.Fault(func(n int, _ *http.Request) http.HandlerFunc {
		if n == first {
			return other.ServeHTTP
		}
		return func(w http.ResponseWriter, r *http.Request) { other.ServeHTTP(telling{w}, r) }
	})
	w.sync()
	list()
	if urls, _ := w.forged(); len(urls) != 2 || w.forge().Listed.GetFlawsTotal() != 1 {
		t.Errorf("%v, %v", urls, w.forge().Listed.GetFlaws())
	}
}
