package node

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gitmirror/internal/egress"
	"gitmirror/source/forge"
	"gitmirror/source/forge/client"
)

func TestTokensAreReadOfTheirOwnersFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if got, err := readToken(nil, file("good", "ghp_secret\n", 0o600)); got != "ghp_secret" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for what, path := range map[string]string{
		"chmod 600": file("open", "ghp_secret", 0o644), "no token": file("empty", " \n", 0o600), "something beside": file("two", "ghp_secret x", 0o400), "more than": file("large", strings.Repeat("x", 5000), 0o600),
		"no file": dir, "no such file": filepath.Join(dir, "none"),
	} {
		if got, err := readToken(nil, path); err == nil || got != "" || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		// A node has more to do than to list a forge.
		cfg := Config{Dir: filepath.Join(dir, "data"), SourceTokens: map[string]string{"acme": path}, Timing: "fast"}
		if _, err := Check(cfg); err != nil {
			t.Errorf("%s: not started: %v", what, err)
		}
		if list := UnusableTokens(cfg); len(list) != 1 || !strings.Contains(list[0].Error(), "--source-token acme") || !strings.Contains(list[0].Error(), what) {
			t.Errorf("%s: %v", what, list)
		}
	}
	for _, path := range []string{"", "a\x00b", strings.Repeat("x", 4097)} {
		if _, err := Check(Config{Dir: filepath.Join(dir, "data"), SourceTokens: map[string]string{"acme": path}, Timing: "fast"}); err == nil || !strings.Contains(err.Error(), "--source-token acme") {
			t.Errorf("%.10q: started with %v", path, err)
		}
	}
}

// Whoever may add a source says where it leads: the token goes where the node's settings say, and to no
// other address that a source of that name has by now.
func TestATokenGoesToItsForgeAlone(t *testing.T) {
	got := ""
	at := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		w.WriteHeader(http.StatusUnauthorized) // it is not asked again
	}))
	t.Cleanup(at.Close)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	policy, err := egress.NewPolicy([]string{"127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		key  string
		goes bool
	}{{"acme", false}, {"acme@github.com", false}, {"acme@127.0.0.1", false}, {"acme@" + strings.TrimPrefix(at.URL, "http://"), true}} {
		var log bytes.Buffer
		f := newForges(Config{SourceTokens: map[string]string{tt.key: file, "other": file}}, policy, slog.New(slog.NewTextHandler(&log, nil)))
		account := forge.Account{Kind: forge.Gitea, Base: at.URL, Name: "acme"}
		got = "not asked"
		_, _ = f.List(t.Context(), "ACME", client.Config{Account: account})
		if want := map[bool]string{true: "Bearer secret"}[tt.goes]; got != want {
			t.Errorf("%s: it is told %q", tt.key, got)
		}
		leads := func(name string) (forge.Account, bool) { return account, name == "acme" }
		want := []string{"acme", "other"}
		if !tt.goes {
			want = want[1:]
		}
		for range 2 {
			if names, unusable := f.Credentials(leads); !slices.Equal(names, want) || len(unusable) > 0 {
				t.Errorf("%s: it has %v", tt.key, names)
			}
		}
		if n := strings.Count(log.String(), "level=WARN"); (n == 1) == tt.goes || n > 1 {
			t.Errorf("%s: %s", tt.key, log.String())
		}
		account.Base = "https://github.com"
		account.Kind = forge.GitHub
		if names, _ := f.Credentials(leads); tt.key == "acme" && len(names) != 2 {
			t.Errorf("at home it has %v", names)
		}
	}
}

// A token's file that is gone, or not readable any more, is found out, is told once, and is used again when it is there.
func TestATokenThatIsGone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write := func(mode os.FileMode) {
		if err := os.WriteFile(file, []byte("secret"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		f := newForges(Config{SourceTokens: map[string]string{"acme": file}}, nil, slog.New(slog.NewTextHandler(&log, nil)))
		account := forge.Account{Kind: forge.GitHub, Base: "https://github.com", Name: "acme"}
		leads := func(string) (forge.Account, bool) { return account, true }
		is := func(usable bool, why string) {
			t.Helper()
			time.Sleep(lookEvery)
			for range 3 {
				names, unusable := f.Credentials(leads)
				if usable != slices.Equal(names, []string{"acme"}) || usable != (len(unusable) == 0) || !usable && !strings.Contains(unusable[0].GetWhy(), why) {
					t.Errorf("%v, %v", names, unusable)
				}
			}
		}
		is(false, "no such file")
		write(0o600)
		is(true, "")
		write(0o644)
		is(false, "chmod 600")
		write(0o600)
		is(true, "")
		// Who lists finds out at once, asks nobody, and it is told.
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var e *client.Error
		if _, err := f.List(ctx, "acme", client.Config{Account: account}); errors.As(err, &e) || !strings.Contains(err.Error(), "no such file") {
			t.Error(err)
		}
		if names, unusable := f.Credentials(leads); len(names) > 0 || len(unusable) != 1 {
			t.Errorf("%v, %v", names, unusable)
		}
		if warned, well := strings.Count(log.String(), "level=WARN"), strings.Count(log.String(), "level=INFO"); warned != 3 || well != 2 {
			t.Errorf("%s", log.String())
		}
	})
}
