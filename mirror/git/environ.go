package git

import (
	"fmt"
	"os"
	"runtime"
	"strconv"

	"gitmirror/internal/crashpoint"
)

// fsync is what git makes durable.
var fsync = map[bool]string{false: "all", true: "none"}[crashpoint.Forgetful]

// baseline is the configuration of every child. A repository's own config
// file is written by us and never holds more than its format; the command
// environment wins over it all the same.
var baseline = []Setting{
	{"core.hooksPath", "/dev/null"},
	{"core.fsmonitor", "false"},
	{"core.fsync", fsync},
	{"core.gitProxy", ""},
	{"core.bigFileThreshold", "128m"}, // what is larger goes through, and is not held in memory
	{"core.sshCommand", "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes"},
	{"credential.helper", ""},
	{"protocol.allow", "never"},
	{"protocol.http.allow", "always"},
	{"protocol.https.allow", "always"},
	{"protocol.ext.allow", "never"},
	{"protocol.file.allow", "never"},
	{"protocol.version", "2"},
	{"http.followRedirects", "initial"},
	{"http.lowSpeedLimit", "1"},
	{"http.lowSpeedTime", "60"},
	{"transfer.fsckObjects", "true"},
	{"transfer.bundleURI", "false"},
	{"fetch.unpackLimit", "1"}, // one pack a fetch: one fsync, one thing to clean
	{"fetch.recurseSubmodules", "no"},
	{"fetch.writeCommitGraph", "false"},
	{"pack.windowMemory", "128m"}, // of each thread
	{"pack.threads", strconv.Itoa(min(runtime.NumCPU(), 4))},
	{"gc.auto", "0"},
	{"maintenance.auto", "false"},
	{"safe.directory", "*"},
	{"uploadpack.allowFilter", "true"},
	{"uploadpackfilter.allow", "false"}, // but for what a mirror is asked for by honest clients
	{"uploadpackfilter.blob:none.allow", "true"},
	{"uploadpackfilter.blob:limit.allow", "true"},
	{"uploadpackfilter.tree.allow", "true"},
	{"uploadpack.allowAnySHA1InWant", "true"}, // a client may still want what it was shown a generation ago
}

// Environ is the whole environment of a git child: nothing is inherited but
// PATH.
func (r *Runner) Environ(settings ...Setting) []string {
	env := []string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + r.home,
		"XDG_CONFIG_HOME=" + r.home,
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=/bin/false",
		"SSH_ASKPASS_REQUIRE=never",
		"GIT_ALLOW_PROTOCOL=http:https",
		"GIT_PROTOCOL_FROM_USER=0",
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_NO_LAZY_FETCH=1",
		"GIT_NO_REPLACE_OBJECTS=1", // refs/replace may come from an upstream
		"NO_PROXY=",
		"LC_ALL=C",
	}
	if r.exec != "" {
		env = append(env, "GIT_EXEC_PATH="+r.exec)
	}
	n := 0
	for _, list := range [][]Setting{baseline, settings} {
		for _, s := range list {
			env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", n, s.Key), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", n, s.Value))
			n++
		}
	}
	return append(env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", n))
}
