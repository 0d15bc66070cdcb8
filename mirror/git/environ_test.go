package git_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gitmirror/mirror/git"
)

// childSettings is the configuration every child must have, as the threat
// model asks for it. Names are compared as git does, without case.
var childSettings = map[string]string{
	"core.hookspath": "/dev/null", "core.fsmonitor": "false", "core.fsync": "all", "core.gitproxy": "",
	"core.sshcommand": "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes", "credential.helper": "",
	"protocol.allow": "never", "protocol.http.allow": "always", "protocol.https.allow": "always", "protocol.ext.allow": "never",
	"protocol.file.allow": "never", "protocol.version": "2", "http.followredirects": "initial", "http.lowspeedlimit": "1", "http.lowspeedtime": "60",
	"transfer.fsckobjects": "true", "transfer.bundleuri": "false", "fetch.unpacklimit": "1", "fetch.recursesubmodules": "no",
	"fetch.writecommitgraph": "false", "gc.auto": "0", "maintenance.auto": "false", "safe.directory": "*",
	"core.bigfilethreshold": "128m", "pack.windowmemory": "128m", "pack.threads": strconv.Itoa(min(runtime.NumCPU(), 4)),
	"uploadpackfilter.allow": "false", "uploadpackfilter.blob:none.allow": "true", "uploadpackfilter.blob:limit.allow": "true", "uploadpackfilter.tree.allow": "true",
	"uploadpack.allowfilter": "true", "uploadpack.allowanysha1inwant": "true", "http.proxy": "socks5h://git:secret@127.0.0.1:1",
}

func TestEnvironmentOfAChild(t *testing.T) {
	for _, v := range []string{"CANARY", "GIT_DIR", "GIT_SSH_COMMAND", "http_proxy", "HTTPS_PROXY", "GIT_TRACE", "LD_LIBRARY_PATH", "GIT_CONFIG_PARAMETERS", "SSH_AUTH_SOCK"} {
		t.Setenv(v, "/canary")
	}
	home := filepath.Join(t.TempDir(), "home")
	r := newRunner(t, git.Config{Home: home})
	t.Setenv("HOME", "/canary")
	cmd := r.CommandWith(t.Context(), repo(t), []git.Setting{{Key: "http.proxy", Value: "socks5h://git:secret@127.0.0.1:1"}}, "cat-file", "--batch")
	pid := startWaiting(t, cmd)

	env := map[string]string{}
	for kv := range strings.SplitSeq(strings.TrimSuffix(procFile(t, pid, "environ"), "\x00"), "\x00") {
		k, v, _ := strings.Cut(kv, "=")
		if _, twice := env[k]; twice {
			t.Errorf("%s is there twice", k)
		}
		env[k] = v
	}
	got := map[string]string{}
	for i := range len(env) {
		k, ok := env[fmt.Sprintf("GIT_CONFIG_KEY_%d", i)]
		if !ok {
			break
		}
		got[strings.ToLower(k)] = env[fmt.Sprintf("GIT_CONFIG_VALUE_%d", i)]
		delete(env, fmt.Sprintf("GIT_CONFIG_KEY_%d", i))
		delete(env, fmt.Sprintf("GIT_CONFIG_VALUE_%d", i))
	}
	if d := cmp.Diff(childSettings, got); d != "" {
		t.Errorf("configuration:\n%s", d)
	}
	want := map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": home, "XDG_CONFIG_HOME": home, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
		"GIT_ATTR_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "never",
		"GIT_ALLOW_PROTOCOL": "http:https", "GIT_PROTOCOL_FROM_USER": "0", "GIT_OPTIONAL_LOCKS": "0", "GIT_NO_LAZY_FETCH": "1",
		"GIT_NO_REPLACE_OBJECTS": "1", "NO_PROXY": "", "LC_ALL": "C", "GIT_EXEC_PATH": home + ".programs", "GIT_CONFIG_COUNT": fmt.Sprint(len(childSettings)),
	}
	if d := cmp.Diff(want, env); d != "" {
		t.Errorf("environment:\n%s", d)
	}
	if argv := procFile(t, pid, "cmdline"); strings.Contains(argv, "secret") || strings.Contains(argv, "proxy") {
		t.Errorf("arguments tell the proxy: %q", argv)
	}
	if entries, err := os.ReadDir(home); err != nil || len(entries) != 0 {
		t.Errorf("home is not empty: %v, %v", entries, err)
	}
}

// Git itself says what it makes of the environment: no configuration file of
// the machine counts, and a repository's own loses against ours.
func TestGitSeesOurConfigurationAlone(t *testing.T) {
	machine := t.TempDir()
	t.Setenv("HOME", machine)
	if err := os.WriteFile(filepath.Join(machine, ".gitconfig"), []byte("[canary]\n\tset = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := repo(t)
	f, err := os.OpenFile(filepath.Join(dir, "config"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("[core]\n\thooksPath = /evil\n\tfsmonitor = /evil\n[gc]\n\tauto = 1\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	r := newRunner(t, git.Config{Home: t.TempDir()})
	out, err := r.Command(t.Context(), dir, "config", "--list", "--show-origin").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		origin, _, _ := strings.Cut(line, "\t")
		if !slices.Contains([]string{"command line:", "file:config", "file:./config"}, origin) {
			t.Errorf("configuration from elsewhere: %s", line)
		}
	}
	for key, want := range map[string]string{"core.hooksPath": "/dev/null", "core.fsmonitor": "false", "gc.auto": "0"} {
		if got, err := r.Command(t.Context(), dir, "config", "--get", key).Output(); err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("%s is %q, %v, want %q", key, got, err, want)
		}
	}
}

func TestDangerousTransportsAreOff(t *testing.T) {
	r := newRunner(t, git.Config{Home: t.TempDir()})
	dir := repo(t)
	pwned := filepath.Join(t.TempDir(), "pwned")
	for _, url := range []string{"ext::sh -c touch% " + pwned, "file://" + dir, dir, "git://127.0.0.1/x", "ssh://127.0.0.1/x", "127.0.0.1:x", "fd::3"} {
		_, err := r.Command(t.Context(), dir, "ls-remote", "--", url).Output()
		if err == nil || !strings.Contains(err.Error(), "not allowed") {
			t.Errorf("%s: %v, want a refusal", url, err)
		}
	}
	if _, err := os.Stat(pwned); err == nil {
		t.Error("a URL ran a command")
	}
}
