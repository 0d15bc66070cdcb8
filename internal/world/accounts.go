package world

import (
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gitmirror/internal/forgereplay"
)

// account is what somebody has at a forge of his own, which a source of that name follows.
type account struct {
	of   *World
	name string // of the account and of the source
	kind string
	with bool // some nodes have a credential for it
	made sync.Once

	mu    sync.Mutex
	has   map[int64]*project // by the forge's number
	last  int64              // number that was given out
	names int                // that were: none is given twice
	past  map[int64][]turn   // what was true of each, in order
	mood  accountMood
	asked int                  // requests since the mood began
	told  map[accountMood]bool // how it has answered
	added bool                 // people have asked for the source, once at least
	index *Upstream            // of one that is an index, once there is one
	lists []listing            // who has asked it
}

// listing is that a node has asked an account's forge.
type listing struct {
	contact
	bare bool // without a credential
}

// project is a repository as the forge has it.
type project struct {
	of       *Upstream
	owner    string // account
	name     string
	archived bool
}

func (p *project) url() string { return forge + p.owner + "/" + p.name }

// turn is what is true of a number of the forge from a time on: nil where there is no such repository.
type turn struct {
	at time.Time
	is *project
}

// accountMood is how a forge answers.
type accountMood string

const (
	fine        accountMood = ""
	broken      accountMood = "broken"  // 500
	flaky       accountMood = "flaky"   // every other answer is 500
	half        accountMood = "half"    // the first page is there, and no other
	hollow      accountMood = "hollow"  // nothing is there, it says
	stalled     accountMood = "stalled" // it takes the request, and says nothing
	slow        accountMood = "slow"
	limiting    accountMood = "limiting" // 429
	locked      accountMood = "locked"   // 401
	vanished    accountMood = "vanished" // 404
	unspeakable accountMood = "unspeakable"
)

// What looks most like a whole listing is there most often.
var accountMoods = []accountMood{fine, half, hollow, broken, stalled, half, flaky, limiting, slow, half, locked, vanished, unspeakable}

// pageSize is how many repositories a page has: most accounts have several.
const pageSize = 5

// accounts is how many there are at the most.
const accounts = 3

// firstProjects is how many repositories an account has in the beginning.
const firstProjects = 7

var accountKinds = []string{"gitea", "github", "gitee", "gitlab"}

func accountName(i int) string { return fmt.Sprintf("s%d", i) }

// account is the one of that number. It is made where nobody has had to do with it.
func (w *World) account(i int) *account {
	name := accountName(i)
	w.mu.Lock()
	a := w.accounts[name]
	if a == nil {
		a = &account{of: w, name: name, kind: accountKinds[(int(w.seed)+i)%len(accountKinds)], with: i == 0, has: map[int64]*project{}, past: map[int64][]turn{}, told: map[accountMood]bool{}}
		if w.accounts[name] = a; i == accounts-1 {
			a.kind = indexed
		}
	}
	w.mu.Unlock()
	a.made.Do(func() {
		a.grow(firstProjects, nil)
		a.publish()
	})
	return a
}

func (w *World) everyAccount() []*account {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.SortedFunc(maps.Values(w.accounts), func(a, b *account) int { return strings.Compare(a.name, b.name) })
}

// forgeOf is the name of the machine that an account's forge is on.
func forgeOf(account string) string { return account + "." + forgeHost }

// change has something become of a number. The lock is held.
func (a *account) change(number int64, to *project) {
	if a.past[number] = append(a.past[number], turn{time.Now(), to}); to == nil {
		delete(a.has, number)
	} else {
		a.has[number] = to
	}
}

func (a *account) numbers() []int64 { return slices.Sorted(maps.Keys(a.has)) }

// called is a name that nothing has had. The lock is held.
func (a *account) called() string {
	a.names++
	return fmt.Sprintf("%c%d", 'a'+a.names%4, a.names)
}

// hasAt tells whether it has what is at an address.
func (a *account) hasAt(url string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, p := range a.has {
		if p.url() == url {
			return true
		}
	}
	return false
}

// grow adds repositories, the first of which may be one that another account has too.
func (a *account) grow(n int, shared *project) {
	if shared != nil && a.hasAt(shared.url()) {
		shared = nil
	}
	for range n {
		a.mu.Lock()
		p := &project{owner: a.name, name: a.called()}
		a.mu.Unlock()
		if shared != nil {
			p = &project{of: shared.of, owner: shared.owner, name: shared.name}
			shared = nil
		} else {
			p.of = a.of.Upstream(p.owner + "/" + p.name)
		}
		a.mu.Lock()
		a.last++
		a.change(a.last, p)
		a.mu.Unlock()
	}
}

// some is one of what it has; 0 where it has nothing.
func (a *account) some(luck int) (int64, *project) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.numbers()
	if len(list) == 0 {
		return 0, nil
	}
	number := list[luck%len(list)]
	return number, a.has[number]
}

// edit changes one of what it has.
func (a *account) edit(luck int, to func(project) *project) {
	number, p := a.some(luck)
	if p == nil {
		return
	}
	next := to(*p)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.change(number, next)
}

// drop deletes what has a number.
func (a *account) drop(number int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.has[number] != nil {
		a.change(number, nil)
	}
}

// rename gives it a name that nothing has had: its upstream is there from then on, and where it was.
func (a *account) rename(p project) *project {
	a.mu.Lock()
	p.owner, p.name = a.name, a.called()
	a.mu.Unlock()
	a.of.leadsTo(p.url(), p.of)
	return &p
}

// anew has one deleted, and made again under its name: the forge gives it another number.
func (a *account) anew(luck int) {
	number, p := a.some(luck)
	if p == nil {
		return
	}
	next := *p
	a.mu.Lock()
	defer a.mu.Unlock()
	a.change(number, nil)
	a.last++
	a.change(a.last, &next)
}

// purge deletes all but so many.
func (a *account) purge(but int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, number := range a.numbers()[min(but, len(a.has)):] {
		a.change(number, nil)
	}
}

// comeBack brings back what was there once, but what has been made again since.
func (a *account) comeBack() {
	a.mu.Lock()
	defer a.mu.Unlock()
	there := map[string]bool{}
	for _, p := range a.has {
		there[p.url()] = true
	}
	for _, number := range slices.Backward(slices.Sorted(maps.Keys(a.past))) {
		for _, t := range slices.Backward(a.past[number]) {
			if a.has[number] == nil && t.is != nil && !there[t.is.url()] {
				there[t.is.url()] = true
				a.change(number, t.is)
			}
		}
	}
}

// Feel changes how it answers.
func (a *account) Feel(m accountMood) {
	a.mu.Lock()
	a.mood, a.asked = m, 0
	index := a.index
	a.mu.Unlock()
	if index != nil {
		index.Feel(indexMoods[m])
	}
}

// turns has one whose forge answers well answer otherwise, and tells whether it did.
func (a *account) turns(m accountMood) bool {
	a.mu.Lock()
	well := a.mood == fine
	a.mu.Unlock()
	if well {
		a.Feel(m)
	}
	return well
}

// answered tells whether it has answered so.
func (a *account) answered(m accountMood) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.told[m]
}

// listed are all that it has, as the forge tells of them.
func (a *account) listed() (list []forgereplay.Repo) {
	for _, number := range a.numbers() {
		p := a.has[number]
		list = append(list, forgereplay.Repo{ID: number, Owner: p.owner, Name: p.name, Clone: p.url(), Archived: p.archived})
	}
	return list
}

const (
	// limitedFor is how long a forge says that it is to be left alone.
	limitedFor = 10 * time.Second
	// stalls is when one that says nothing ends a connection.
	stalls = 3 * time.Minute
)

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ip, _, _ := strings.Cut(r.RemoteAddr, ":")
	a.mu.Lock()
	if n := a.of.at(ip + ":81"); n != nil {
		if now, noted := a.of.heard.asks(n.Name, a.name); noted {
			a.lists = append(a.lists, listing{now, r.Header.Get("Authorization") == ""})
		}
	}
	mood := a.mood
	if a.told[mood] = true; mood == flaky && a.asked%2 == 1 {
		mood = fine
	}
	a.asked++
	replay := forgereplay.New(a.kind)
	replay.Page = pageSize
	if replay.Organisation(a.name, a.listed()...); mood == hollow {
		replay.Organisation(a.name)
	}
	a.mu.Unlock()
	wait := trip
	switch {
	case mood == stalled:
		wait = stalls
	case mood == slow:
		wait = 10 * time.Second
	}
	select {
	case <-time.After(wait):
	case <-r.Context().Done():
		return
	}
	refuse := func(status int, header ...string) { forgereplay.Answer(status, "no", header...)(w, r) }
	switch mood {
	case broken, flaky:
		refuse(http.StatusInternalServerError)
	case limiting:
		refuse(http.StatusTooManyRequests, "Retry-After", strconv.Itoa(int(limitedFor.Seconds())))
	case locked:
		refuse(http.StatusUnauthorized)
	case vanished:
		refuse(http.StatusNotFound)
	case unspeakable:
		_, _ = io.WriteString(w, "<html>")
	case half:
		if page, _ := strconv.Atoi(r.URL.Query().Get("page")); page > 1 {
			refuse(http.StatusBadGateway)
			return
		}
		fallthrough
	case fine, hollow, slow:
		// Recorded before it is sent: no lock is held over what waits for the network.
		answer := httptest.NewRecorder()
		replay.ServeHTTP(answer, r)
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}
}

// openForges has the forges of all accounts answer, on one machine, until stop is called.
func (w *World) openForges() (stop func(), err error) {
	w.forges = w.Fabric.Host("20.0.0.1")
	for i := range accounts {
		w.Fabric.Host("20.0.0.1", forgeOf(accountName(i)))
	}
	l, err := w.forges.Listen(":443")
	if err != nil {
		return nil, err
	}
	s := &http.Server{
		TLSConfig: tlsOf(certificate), ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			name, _, _ := strings.Cut(r.Host, ".")
			w.mu.Lock()
			a := w.accounts[name]
			w.mu.Unlock()
			if a == nil {
				http.NotFound(rw, r)
				return
			}
			a.ServeHTTP(rw, r)
		}),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.ServeTLS(l, "", "")
	}()
	return func() {
		_ = s.Close()
		<-done
	}, nil
}
