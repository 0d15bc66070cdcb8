package remote

import (
	"net/http"
	"net/url"
	"strings"

	"gitmirror/internal/giturl"
)

// infoRefs is what is asked for of a repository before anything else.
const infoRefs = "/info/refs"

// permanent tells whether an answer leads elsewhere for good.
func permanent(answer *http.Response) bool {
	return answer.StatusCode == http.StatusMovedPermanently || answer.StatusCode == http.StatusPermanentRedirect
}

// movedTo is where an upstream is from now on, by what it said on the way to an answer:
// where its permanent redirects lead, as far as no temporary one comes before. It is empty
// where that is the address that was asked, in whatever spelling, and where it is none that
// a repository may have.
func movedTo(from string, answer *http.Response) string {
	var last *url.URL
	for req := answer.Request; req.Response != nil; req = req.Response.Request {
		switch {
		case !permanent(req.Response):
			last = nil
		case last == nil:
			last = req.URL
		}
	}
	if last == nil {
		return ""
	}
	bare := *last
	bare.RawQuery, bare.Fragment = "", ""
	to, found := strings.CutSuffix(bare.String(), infoRefs)
	was, err := giturl.Parse(from)
	if err != nil || !found {
		return ""
	}
	is, err := giturl.Parse(to)
	if err != nil || is.Key() == was.Key() && secure(is) == secure(was) {
		return ""
	}
	return is.String()
}

func secure(u giturl.URL) bool { return strings.HasPrefix(u.String(), "https:") }
