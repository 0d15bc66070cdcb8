package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"gitmirror/internal/gitbody"
	"gitmirror/internal/spool"
)

func pkt(s string) string { return fmt.Sprintf("%04x%s", len(s)+4, s) }

// What a holder has sent of a pack when it dies never looks like all of it: git is told,
// and where it cannot be, the connection is cut.
func TestAHolderThatBreaksOffIsTold(t *testing.T) {
	pack := pkt("packfile\n") + pkt("\x01PACK1234")
	died := io.Reader(iotest.ErrReader(errors.New("reset")))
	for name, c := range map[string]struct {
		op, request, sent string
		end               io.Reader
		want              string // empty: cut
	}{
		"within a packet":                {packOf, "0011command=fetch", pack + "1000\x01ha", died, pack + pkt("\x03gitmirror: the node n2, which sent this, broke off; clone or fetch again")},
		"behind one":                     {packOf, "0011command=fetch", pack, died, pack + pkt("\x03gitmirror: the node n2, which sent this, broke off; clone or fetch again")},
		"an end that is none":            {packOf, "0011command=fetch", pack + "10", strings.NewReader(""), pack + pkt("\x03gitmirror: the node n2, which sent this, broke off; clone or fetch again")},
		"all of it":                      {packOf, "0011command=fetch", pack + "0000", strings.NewReader(""), pack + "0000"},
		"a pack without sidebands":       {packOf, "0032want 1111\n", pkt("NAK\n") + "PACK1234", died, ""},
		"refs":                           {"info/refs", "", pkt("# service"), died, ""},
		"all of a pack without sideband": {packOf, "0032want 1111\n", pkt("NAK\n") + "PACK1234", strings.NewReader(""), pkt("NAK\n") + "PACK1234"},
	} {
		w := httptest.NewRecorder()
		resp := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(io.MultiReader(strings.NewReader(c.sent), c.end))}
		cut := func() (how any) {
			defer func() { how = recover() }()
			relay(w, resp, gitRequest{op: c.op}, kept(t, c.request), "n2")
			return nil
		}()
		switch {
		case c.want == "" && cut != http.ErrAbortHandler:
			t.Errorf("%s: not cut: %v, %q", name, cut, w.Body)
		case c.want != "" && (cut != nil || w.Body.String() != c.want):
			t.Errorf("%s: %v, %q, want %q", name, cut, w.Body, c.want)
		}
	}
}

// kept is a request that was read.
func kept(t *testing.T, request string) *spool.Body {
	t.Helper()
	b, err := gitbody.NewPool(nil, t.TempDir(), "requests", nil).Read(t.Context(), "client", strings.NewReader(request), gitbody.MaxRequest)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}
