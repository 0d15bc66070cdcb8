package detect_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gitmirror/mirror/detect"
)

// BenchmarkUnchanged is a check that finds nothing, of an answer with so many refs. The
// server is in the same process, and repeats its answer.
func BenchmarkUnchanged(b *testing.B) {
	for _, refs := range []int{10, 10_000} {
		b.Run(fmt.Sprint(refs), func(b *testing.B) {
			var lines []string
			for i := range refs {
				lines = append(lines, fmt.Sprintf("%040x refs/heads/branch-%d\n", i, i))
			}
			answer := packets(append(lines, "0000")...)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				kind, body := result, answer
				if r.Method == http.MethodGet {
					kind, body = advertisement, capsV2
				}
				w.Header().Set("Content-Type", kind)
				w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				_, _ = strings.NewReader(body).WriteTo(w)
			}))
			defer s.Close()
			t := detect.NewTransport((&net.Dialer{}).DialContext)
			defer t.CloseIdleConnections()
			c := detect.New(detect.Config{Transport: t, Answers: detect.NewPool(b.TempDir(), nil), MaxRefs: 200_000})
			seen, err := c.Check(b.Context(), s.URL, prefixes, 0)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if r, err := c.Check(b.Context(), s.URL, prefixes, seen.Fingerprint); err != nil || !r.Unchanged {
					b.Fatal(err)
				}
			}
		})
	}
}
