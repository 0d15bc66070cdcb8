package remote_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/remote"
	"gitmirror/mirror/wire"
)

// A server is asked for a pack where it is, and nowhere else; what it answers is git's protocol,
// or refused by its class.
func TestAPackIsAskedForAtOnePlace(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("another server was asked") }))
	defer elsewhere.Close()
	const advert, result = "application/x-git-upload-pack-advertisement", "application/x-git-upload-pack-result"
	answer := func(kind, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { w.Header().Set("Content-Type", kind); _, _ = w.Write([]byte(body)) }
	}
	v2 := answer(advert, "000eversion 2\n000afetch\n0000")
	for name, c := range map[string]struct {
		refs, pack func(http.ResponseWriter)
		class      failure.Class
		says       string
	}{
		"led elsewhere for refs": {func(w http.ResponseWriter) { w.Header().Set("Location", elsewhere.URL); w.WriteHeader(302) }, nil, failure.Protocol, "leads elsewhere"},
		"led elsewhere":          {v2, func(w http.ResponseWriter) { w.Header().Set("Location", elsewhere.URL); w.WriteHeader(307) }, failure.Protocol, "leads elsewhere"},
		"packed":                 {func(w http.ResponseWriter) { w.Header().Set("Content-Encoding", "gzip"); v2(w) }, nil, failure.Protocol, "was not asked for"},
		"a page":                 {answer("text/html", "<html>"), nil, failure.Protocol, "not a git server"},
		"a page for a pack":      {v2, answer("text/html", "<html>"), failure.Protocol, "not a git server"},
		"another hash":           {answer(advert, "000eversion 2\n0019object-format=sha256\n0000"), nil, failure.Format, "sha256"},
		"moved on":               {v2, answer(result, "0020ERR upload-pack: not our ref"), failure.Protocol, "not our ref"},
		"asked for too much":     {v2, func(w http.ResponseWriter) { w.WriteHeader(429) }, failure.RateLimited, "429"},
		"no end":                 {v2, answer(result, "000dpack"), failure.Network, "cut the connection"},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method == http.MethodGet {
					c.refs(w)
				} else {
					c.pack(w)
				}
			}))
			defer s.Close()
			_, err := remote.FromPeer(&http.Transport{DisableCompression: true}, s.URL).Pack(t.Context(), wire.Fetch{Wants: []string{strings.Repeat("1", 40)}}, nil)
			if f := remote.Classify(err); err == nil || f.Class != c.class || !strings.Contains(f.Message, c.says) {
				t.Errorf("%v (%s), want %s of class %s", err, f.Class, c.says, c.class)
			}
		})
	}
}
