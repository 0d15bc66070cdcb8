package node

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
		if _, err := Check(Config{Dir: filepath.Join(dir, "data"), SourceTokens: map[string]string{"acme": path}, Timing: "fast"}); err == nil || !strings.Contains(err.Error(), "--source-token acme") {
			t.Errorf("%s: started with %v", what, err)
		}
	}
}
