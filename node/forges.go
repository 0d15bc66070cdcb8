package node

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"gitmirror/fsm/command"
	"gitmirror/internal/disk"
	"gitmirror/internal/egress"
	"gitmirror/internal/network"
	"gitmirror/internal/oneline"
	"gitmirror/source/forge"
	"gitmirror/source/forge/client"
)

// forges asks forges by what this node has, in the lister's terms.
type forges struct {
	tokens []token
	disk   *disk.Disk
	on     *http.Transport
	agent  string
	log    *slog.Logger

	mu     sync.Mutex
	astray map[string]string // where a source leads that its token does not go to, by its name, as logged
	seen   map[string]look   // tokens, by the name of the source
}

// look is what was found when a token's file was looked at.
type look struct {
	at  time.Time
	why string // it cannot be used; empty where it can
}

// lookEvery is how soon a token's file is looked at again: whoever asks which tokens there are asks often.
const lookEvery = 10 * time.Second

// token is one that this node has.
type token struct {
	source string // its name
	host   string // of the forge that it is for; empty for the kind's own
	file   string
}

// goes tells whether an account is at the forge that the token is for. Whoever may add a source says where
// it leads; where the token goes is said by who runs the node.
func (t token) goes(a forge.Account) bool {
	if t.host == "" {
		return a.Home()
	}
	return a.At(t.host)
}

// tokensOf are those that the settings say, by the name of the source.
func tokensOf(settings map[string]string) (list []token) {
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		source, host, _ := strings.Cut(key, "@")
		list = append(list, token{source, host, settings[key]})
	}
	slices.SortFunc(list, func(a, b token) int { return strings.Compare(a.source, b.source) })
	return list
}

func newForges(cfg Config, policy *egress.Policy, log *slog.Logger) *forges {
	f := &forges{tokens: tokensOf(cfg.SourceTokens), log: log, astray: map[string]string{}, seen: map[string]look{}, disk: cfg.Disk, agent: "gitmirror/" + cfg.Version, on: &http.Transport{
		DialContext: egress.NewDialer(policy, network.Or(cfg.Network)).DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute,
		MaxResponseHeaderBytes: 1 << 20, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 2,
	}}
	for _, t := range f.tokens {
		f.unusable(t)
	}
	return f
}

// unusable says why a token cannot be used, empty where it can. It tells the log when that changes.
func (f *forges) unusable(t token) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	was := f.seen[t.source]
	if !was.at.IsZero() && time.Since(was.at) < lookEvery {
		return was.why
	}
	is := look{at: time.Now()}
	if _, err := readToken(f.disk, t.file); err != nil {
		is.why = err.Error()
	}
	f.seen[t.source] = is
	switch {
	case is.why != "" && is.why != was.why:
		f.log.Warn("the token of a source cannot be used: another node lists it, or none", "source", t.source, "err", is.why, "try", "mend the file: it is looked at again and again")
	case is.why == "" && was.why != "":
		f.log.Info("the token of a source can be used again", "source", t.source)
	}
	return is.why
}

func (f *forges) Credentials(leads func(source string) (forge.Account, bool)) (usable []string, unusable []*command.Unusable) {
	for _, t := range f.tokens {
		a, is := leads(t.source)
		if f.strays(t, a, is) {
			continue
		}
		if why := f.unusable(t); why != "" {
			unusable = append(unusable, &command.Unusable{Source: t.source, Why: oneline.Clip(why, maxWhy)})
		} else {
			usable = append(usable, t.source)
		}
	}
	return usable, unusable
}

// maxWhy bounds what is told to other nodes of a token's file.
const maxWhy = 300 // bytes

// strays tells whether the source of a token's name, where there is one, leads elsewhere than the token is for. It tells
// the log when that changes.
func (f *forges) strays(t token, a forge.Account, is bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !is || t.goes(a) {
		delete(f.astray, t.source)
		return false
	}
	if f.astray[t.source] != a.Base {
		f.astray[t.source] = a.Base
		f.log.Warn("a source leads to a forge that its token is not for: it is not given to it", "source", t.source, "forge", a.Base,
			"try", "where that forge is yours, start the node with --source-token "+t.source+"@HOST=FILE")
	}
	return true
}

func (f *forges) List(ctx context.Context, source string, ask client.Config) (*client.Result, error) {
	for _, t := range f.tokens {
		if strings.EqualFold(t.source, source) && t.goes(ask.Account) {
			var err error
			if ask.Token, err = readToken(f.disk, t.file); err != nil {
				f.forget(t)
				return nil, fmt.Errorf("the token of %s cannot be used: %w", source, err)
			}
		}
	}
	ask.Transport, ask.Agent = f.on, f.agent
	return client.List(ctx, ask)
}

// forget has a token's file be looked at when it is asked for the next time.
func (f *forges) forget(t token) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen[t.source] = look{why: f.seen[t.source].why}
}

// checkToken refuses what can be no file's path. What is not there, or not readable, may be so by now, and a node has more
// to do than to list a forge.
func checkToken(path string) error {
	if path == "" || len(path) > maxPath || strings.ContainsRune(path, 0) {
		return fmt.Errorf("%.60q is no path of a file", path)
	}
	return nil
}

const maxPath = 4096 // bytes; the kernel takes none that is longer

// UnusableTokens says of which sources the tokens cannot be used as they are now, and why, in order.
func UnusableTokens(cfg Config) (list []error) {
	for _, t := range tokensOf(cfg.SourceTokens) {
		if _, err := readToken(cfg.Disk, t.file); err != nil {
			list = append(list, fmt.Errorf("--source-token %s: %w", t.source, err))
		}
	}
	return list
}

func (f *forges) Serves(ctx context.Context, clone string) bool {
	return client.Serves(ctx, f.on, f.agent, clone)
}

const maxToken = 4 << 10 // bytes

// readToken reads a token, of a file that is this user's alone. It is read whenever it is used, so that it
// can be replaced.
func readToken(on *disk.Disk, path string) (string, error) {
	is, err := on.Stat(path)
	switch {
	case err != nil:
		return "", err
	case !is.Mode().IsRegular():
		return "", fmt.Errorf("%s is no file", path)
	case is.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("%s may be read by others: chmod 600 %s", path, path)
	case is.Size() > maxToken:
		return "", fmt.Errorf("%s has more than %d bytes", path, maxToken)
	}
	data, err := on.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return "", fmt.Errorf("%s has no token in it, or something beside it", path)
	}
	return token, nil
}
