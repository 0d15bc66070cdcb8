package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"gitmirror/internal/oneline"
)

// door is the way to one forge, and to nothing else. It gives the token, and notes what comes back.
type door struct {
	to     *url.URL // of the API
	token  string
	agent  string
	on     http.RoundTripper
	memory map[string]remembered
	quota  Quota
}

// exchange is what one request came to.
type exchange struct {
	page   int // that was asked for
	url    string
	status int
	header http.Header
	says   string // of an answer that refuses
	etag   string
	same   *remembered // the page is as it was
	err    error       // of our own: the forge did something that is not followed
}

type exchangeKey struct{}

func newDoor(cfg Config) (*door, error) {
	to, err := url.Parse(cfg.Account.API())
	if err != nil || to.Host == "" {
		return nil, failed(Failed, "%.200q is no address of a forge", cfg.Account.API())
	}
	d := &door{to: to, token: cfg.Token, agent: cfg.Agent, on: cfg.Transport}
	if cfg.Memory != nil {
		d.memory = cfg.Memory.pages
	}
	return d, nil
}

func (d *door) host() string { return d.to.Host }

// client is what libraries make their requests by. Who is sent around in a circle goes no further.
func (d *door) client() *http.Client {
	return &http.Client{Transport: d, Timeout: requestTime, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects || slices.ContainsFunc(via, func(was *http.Request) bool { return was.URL.String() == r.URL.String() }) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
}

// is tells whether an address is the forge's own.
func (d *door) is(u *url.URL) bool { return u.Scheme == d.to.Scheme && u.Host == d.to.Host }

func (d *door) strays(to *url.URL) error {
	e := failed(Failed, "%s leads to %s, where nothing is asked", d.host(), d.clean((&url.URL{Scheme: to.Scheme, Host: to.Host}).String()))
	e.Try = "if that is the forge, give it as --base-url, a source by adding it anew; the token goes there then"
	return e
}

// RoundTrip asks the forge, and nobody else: redirects come here too.
func (d *door) RoundTrip(r *http.Request) (*http.Response, error) {
	x, _ := r.Context().Value(exchangeKey{}).(*exchange)
	if x == nil {
		return nil, errors.New("a request of nobody's")
	}
	if !d.is(r.URL) {
		x.err = d.strays(r.URL)
		return nil, x.err
	}
	r = r.Clone(r.Context())
	for _, name := range []string{"Authorization", "Private-Token"} {
		r.Header.Del(name)
	}
	if d.token != "" {
		r.Header.Set("Authorization", "Bearer "+d.token)
	}
	r.Header.Set("User-Agent", d.agent)
	known, have := d.memory[r.URL.String()]
	if have {
		r.Header.Set("If-None-Match", known.etag)
	}
	resp, err := d.on.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	*x = exchange{page: x.page, url: r.URL.String(), status: resp.StatusCode, header: resp.Header, etag: resp.Header.Get("ETag")}
	d.note(resp.Header)
	switch {
	case resp.StatusCode == http.StatusNotModified && have:
		x.same = &known
	case resp.StatusCode != http.StatusOK:
		data, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(data))
		x.says = d.clean(words(data))
	default:
		data, err := io.ReadAll(&bounded{of: resp.Body, left: maxAnswer, objects: maxObjects})
		resp.Body.Close()
		if err == nil {
			err = json.Unmarshal(data, new(list))
		}
		if err != nil {
			return nil, err
		}
		resp.Body = io.NopCloser(bytes.NewReader(data))
	}
	return resp, nil
}

// list is any list, of which nothing is kept. Some libraries take nothing at all, null, and what has more behind it
// for one, of which the rest would be taken for gone.
type list struct{}

func (*list) UnmarshalJSON(data []byte) error {
	if data[0] != '[' {
		return errNoList
	}
	return nil
}

// bounded refuses a body that is too large, or would be once it is read, instead of cutting it.
type bounded struct {
	of      io.Reader
	left    int
	objects int // that may still begin; braces in texts count too
}

var (
	errTooLarge = fmt.Errorf("its answer has more than %d bytes", maxAnswer)
	errNoList   = errors.New("it is no list")
	errTooFull  = fmt.Errorf("its answer has more than %d objects", maxObjects)
)

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.of.Read(p[:min(len(p), b.left)])
	b.left -= n
	if b.objects -= bytes.Count(p[:n], []byte("{")); b.objects < 0 {
		return 0, errTooFull
	}
	return n, err
}

// words are what an answer says for people.
func words(data []byte) string {
	var said struct {
		Message any    `json:"message"`
		Error   any    `json:"error"`
		More    string `json:"error_description"`
	}
	if json.Unmarshal(data, &said) != nil {
		return ""
	}
	for _, s := range []any{said.Message, said.More, said.Error} {
		if s, is := s.(string); is && s != "" {
			return s
		}
	}
	return ""
}

// clean makes a text of the forge, or of a library, fit to be shown: without the token, in a line.
func (d *door) clean(s string) string {
	if d.token != "" {
		s = strings.ReplaceAll(s, d.token, "(the token)")
	}
	return oneline.Clip(oneline.Plain(s, ' '), 200)
}

// note reads what the forge says of how much more it may be asked.
func (d *door) note(h http.Header) {
	for _, prefix := range []string{"X-RateLimit-", "RateLimit-"} {
		left, err := strconv.Atoi(h.Get(prefix + "Remaining"))
		if err != nil {
			continue
		}
		d.quota = Quota{Left: left}
		if at, err := strconv.ParseInt(h.Get(prefix+"Reset"), 10, 64); err == nil && at > 0 {
			d.quota.Resets = here(h, time.Unix(at, 0))
		}
		return
	}
}

// total is how many repositories a forge says that there are on all pages; 0 where it does not.
func total(h http.Header) int {
	for _, name := range []string{"X-Total", "X-Total-Count", "total_count"} {
		if n, err := strconv.Atoi(h.Get(name)); err == nil && n > 0 {
			return n
		}
	}
	return 0
}

// promises tells whether an answer says that there is a page behind page n, whatever it says of which: libraries take a link that
// they do not understand for none.
func promises(h http.Header, n int) bool {
	for _, name := range []string{"X-Total-Pages", "total_page"} {
		if pages, err := strconv.Atoi(h.Get(name)); err == nil && pages > n {
			return true
		}
	}
	for _, link := range strings.Split(strings.Join(h.Values("Link"), ","), ",") {
		where, params, _ := strings.Cut(link, ";")
		for _, param := range strings.Split(params, ";") {
			name, rels, _ := strings.Cut(param, "=")
			if !strings.EqualFold(strings.TrimSpace(name), "rel") {
				continue
			}
			for _, rel := range strings.Fields(strings.ToLower(strings.Trim(strings.TrimSpace(rels), `"'`))) {
				if rel == "next" || rel == "last" && pageIn(where) > n {
					return true
				}
			}
		}
	}
	return false
}

// pageIn is the page that a link leads to, 0 where it does not say.
func pageIn(link string) int {
	u, err := url.Parse(strings.Trim(strings.TrimSpace(link), "<>"))
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(u.Query().Get("page"))
	return n
}

// Bounds of how long a forge may have itself left alone, and how long it is where it does not say.
const (
	leastRest = time.Second
	usualRest = time.Minute
	mostRest  = 24 * time.Hour
)

// closed says that the forge is not to be asked now.
func (d *door) closed() error {
	if now := time.Now(); d.quota.Left == 0 && d.quota.Resets.After(now) {
		return d.limited(now, d.quota.Resets)
	}
	return nil
}

func (d *door) limited(now, until time.Time) *Error {
	until = now.Add(min(max(until.Sub(now), leastRest), mostRest))
	e := failed(Limited, "%s lets itself be asked no more for now (rate limit)", d.host())
	e.Until = until
	if d.token == "" {
		e.Try = "with a token it may be asked more often"
	}
	return e
}

// judge says what went wrong with a page, nil where nothing has.
func (d *door) judge(x *exchange, err error) error {
	if e := new(Error); errors.As(err, &e) {
		return e
	}
	if x.err != nil {
		return x.err
	}
	says := x.says
	if says != "" {
		says = ": " + says
	}
	switch s := x.status; {
	case s == 0:
		return failed(Failed, "%s cannot be asked: %s", d.host(), d.clean(cause(err)))
	case s == http.StatusTooManyRequests, s == http.StatusForbidden && d.limits(x), s == http.StatusServiceUnavailable && x.header.Get("Retry-After") != "":
		return d.limited(time.Now(), d.rest(x))
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		e := failed(Auth, "%s refuses to be asked (%d%s)", d.host(), s, says)
		if e.Try = "give a token that may list the account"; d.token != "" {
			e.Try = "look whether the token is still valid, and may list the account"
		}
		return e
	case s == http.StatusNotFound && x.page > 1:
		return failed(Failed, "%s says that page %d is not there (%d%s)", d.host(), x.page, s, says)
	case s == http.StatusNotFound:
		return failed(NotFound, "%s says that it is not there (%d%s)", d.host(), s, says)
	case s != http.StatusOK:
		return failed(Failed, "%s answers %d%s", d.host(), s, says)
	case errors.Is(err, errTooLarge), errors.Is(err, errTooFull):
		return failed(TooLarge, "%s: page %d: %s", d.host(), x.page, d.clean(cause(err)))
	case timedOut(err):
		return failed(Failed, "%s does not answer in time: it began to, and did not end within %s", d.host(), requestTime)
	case err != nil:
		e := failed(Failed, "%s answers what is not understood: %s", d.host(), d.clean(cause(err)))
		e.Try = "look whether the kind of forge and its --base-url are right"
		return e
	}
	return nil
}

// limits tells whether a refusal is one of asking too often: by the headers, or the words of GitHub
// and Gitee, whose secondary limits have none.
func (d *door) limits(x *exchange) bool {
	return x.header.Get("Retry-After") != "" || x.header.Get("X-RateLimit-Remaining") == "0" || strings.Contains(strings.ToLower(x.says), "rate limit")
}

// rest is until when a forge that has enough is left alone.
func (d *door) rest(x *exchange) time.Time {
	after := x.header.Get("Retry-After")
	if s, err := strconv.Atoi(after); err == nil {
		return time.Now().Add(time.Duration(min(max(s, 0), int(mostRest/time.Second))) * time.Second)
	}
	if at, err := http.ParseTime(after); err == nil {
		return here(x.header, at)
	}
	if d.quota.Left == 0 && !d.quota.Resets.IsZero() {
		return d.quota.Resets
	}
	return time.Now().Add(usualRest)
}

// here is a time that a forge tells, by the clock of this machine: either clock may be wrong, and the answer kept by a cache. It is
// what is sooner, by our clock or by theirs, of what is not over.
func here(h http.Header, at time.Time) time.Time {
	theirs, err := http.ParseTime(h.Get("Date"))
	now := time.Now()
	if rest := at.Sub(now); err != nil || rest > 0 && rest < at.Sub(theirs) {
		return at
	}
	return now.Add(at.Sub(theirs))
}

// timedOut tells whether an error is that of a time that is over.
func timedOut(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// cause is an error of package http without the address, which is said otherwise.
func cause(err error) string {
	if err == nil {
		return "no answer"
	}
	if timedOut(err) {
		return "it does not answer in time"
	}
	if u := new(url.Error); errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}
