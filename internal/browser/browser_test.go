package browser_test

import (
	"errors"
	"net/http/httptest"
	"testing"

	"gitmirror/internal/browser"
)

func TestPagesOfElsewhereAreFoundOut(t *testing.T) {
	for _, c := range []struct {
		method, host, header, value string
		want                        error
	}{
		{"GET", "127.0.0.1:7654", "", "", nil},
		{"GET", "[::1]:7654", "", "", nil},
		{"GET", "::1", "", "", nil},
		{"GET", "localhost:7654", "", "", nil},
		{"GET", "LOCALHOST", "", "", nil},
		{"GET", "mirror.corp:80", "", "", nil},
		{"GET", "Mirror.Corp.", "", "", nil},
		{"GET", "", "", "", nil},
		{"GET", "evil.example:7654", "", "", browser.ErrHost},
		{"GET", "127.0.0.1.evil.example", "", "", browser.ErrHost},
		{"GET", "localhost.evil.example", "", "", browser.ErrHost},
		{"GET", "mirror.corp.evil.example", "", "", browser.ErrHost},
		{"POST", "127.0.0.1", "", "", nil}, // no browser
		{"POST", "127.0.0.1", "Sec-Fetch-Site", "same-origin", nil},
		{"POST", "127.0.0.1", "Sec-Fetch-Site", "cross-site", browser.ErrOrigin},
		{"POST", "127.0.0.1", "Origin", "http://127.0.0.1", nil},
		{"POST", "127.0.0.1", "Origin", "http://evil.example", browser.ErrOrigin},
		{"POST", "127.0.0.1", "Origin", "null", browser.ErrOrigin},
		{"DELETE", "127.0.0.1", "Origin", "http://evil.example", browser.ErrOrigin},
		{"GET", "127.0.0.1", "Origin", "http://evil.example", nil}, // it may ask, and may not read
	} {
		r := httptest.NewRequest(c.method, "http://x/", nil)
		r.Host = c.host
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		if err := browser.Check(r, []string{"mirror.corp"}); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s for %q with %s %s: %v, want %v", c.method, c.host, c.header, c.value, err, c.want)
		}
	}
}
