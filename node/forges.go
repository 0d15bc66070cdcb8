package node

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"gitmirror/internal/disk"
	"gitmirror/internal/egress"
	"gitmirror/internal/network"
	"gitmirror/source/forge"
	"gitmirror/source/forge/client"
)

// forges asks forges by what this node has, in the lister's terms.
type forges struct {
	tokens map[string]string // paths of files, by the source that they are for
	disk   *disk.Disk
	on     *http.Transport
	agent  string
}

func newForges(cfg Config, policy *egress.Policy) *forges {
	return &forges{tokens: cfg.SourceTokens, disk: cfg.Disk, agent: "gitmirror/" + cfg.Version, on: &http.Transport{
		DialContext: egress.NewDialer(policy, network.Or(cfg.Network)).DialContext, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: time.Minute,
		MaxResponseHeaderBytes: 1 << 20, IdleConnTimeout: time.Minute, MaxIdleConnsPerHost: 2,
	}}
}

func (f *forges) Credentials() []string { return slices.Sorted(maps.Keys(f.tokens)) }

func (f *forges) List(ctx context.Context, a forge.Account, source string, memory *client.Memory) (*client.Result, error) {
	token := ""
	for name, path := range f.tokens {
		if strings.EqualFold(name, source) {
			var err error
			if token, err = readToken(f.disk, path); err != nil {
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
