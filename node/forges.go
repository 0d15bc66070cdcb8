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

	"gitmirror/internal/disk"
	"gitmirror/internal/egress"
	"gitmirror/internal/network"
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
}

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
	return &forges{tokens: tokensOf(cfg.SourceTokens), log: log, astray: map[string]string{}, disk: cfg.Disk, agent: "gitmirror/" + cfg.Version, on: &http.Transport{
		DialContext: egress.NewDialer(policy, network.Or(cfg.Network)).DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute,
		MaxResponseHeaderBytes: 1 << 20, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 2,
	}}
}

func (f *forges) Credentials(leads func(source string) (forge.Account, bool)) (names []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.tokens {
		a, is := leads(t.source)
		if !is || t.goes(a) {
			delete(f.astray, t.source)
			names = append(names, t.source)
		} else if f.astray[t.source] != a.Base {
			f.astray[t.source] = a.Base
			f.log.Warn("a source leads to a forge that its token is not for: it is not given to it", "source", t.source, "forge", a.Base,
				"try", "where that forge is yours, start the node with --source-token "+t.source+"@HOST=FILE")
		}
	}
	return names
}

func (f *forges) List(ctx context.Context, a forge.Account, source string, memory *client.Memory) (*client.Result, error) {
	token := ""
	for _, t := range f.tokens {
		if strings.EqualFold(t.source, source) && t.goes(a) {
			var err error
			if token, err = readToken(f.disk, t.file); err != nil {
				return nil, &client.Error{Class: client.Auth, Why: fmt.Sprintf("the token of %s cannot be used: %v", source, err), Try: "mend the file on the node that lists it"}
			}
		}
	}
	return client.List(ctx, client.Config{Account: a, Transport: f.on, Token: token, Memory: memory, Agent: f.agent})
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
