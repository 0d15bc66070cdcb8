package client

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// Whatever a library gives of its own accord: the token goes, and nothing else; and what no listing asks for is
// not asked.
func TestWhatTheDoorLetsThrough(t *testing.T) {
	for _, token := range []string{"", "mine"} {
		var got *http.Request
		d := &door{to: &url.URL{Scheme: "https", Host: "h"}, token: token, on: answers(func(r *http.Request) (*http.Response, error) {
			got = r
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("[]"))}, nil
		})}
		ask := func(ctx context.Context) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://h/x", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer another")
			r.Header.Set("Private-Token", "another")
			_, err = d.RoundTrip(r)
			return err
		}
		if err := ask(context.WithValue(t.Context(), exchangeKey{}, &exchange{})); err != nil {
			t.Fatal(err)
		}
		want := map[bool]string{true: "Bearer " + token}[token != ""]
		if got.Header.Get("Authorization") != want || got.Header.Get("Private-Token") != "" {
			t.Errorf("%v is given, want %q", got.Header, want)
		}
		got = nil
		if err := ask(t.Context()); err == nil || got != nil {
			t.Error("a request of nobody's is made")
		}
	}
}
