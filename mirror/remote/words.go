package remote

import (
	"strings"

	"gitmirror/mirror/failure"
	"gitmirror/mirror/git"
)

// ofGit reads git's words, which LC_ALL=C keeps in English.
func ofGit(said *git.Error, err error) *failure.Error {
	text := said.Stderr
	if text == "" {
		text = err.Error()
	}
	for _, rule := range []struct {
		class failure.Class
		words []string
	}{
		{failure.OutOfMemory, []string{"ut of memory", "Cannot allocate memory", "unable to create thread", "died of signal 9"}},
		{failure.TooLarge, []string{"attempting to allocate"}},
		{failure.Disk, []string{"No space left", "Disk quota", "Read-only file system", "Input/output error"}},
		{failure.Corrupt, []string{"corruption on the remote side"}},
		// Whoever hangs up breaks index-pack and the framing, too.
		{failure.Network, []string{"early EOF", "unexpected disconnect", "body are still expected", "of length header were received"}},
		{failure.Corrupt, []string{"fsck", "index-pack failed", "invalid index-pack output", "inflate", "bad object", "missing necessary objects", "unresolved delta", "pack is corrupted", "pack has bad", "did not send all necessary"}},
		{failure.Auth, []string{"Authentication failed", "could not read Username", "error: 401", "error: 403"}},
		{failure.NotFound, []string{"not found", "error: 404", "error: 410"}},
		{failure.RateLimited, []string{"error: 429"}},
		{failure.Timeout, []string{"timed out", "Operation too slow"}},
		{failure.Protocol, []string{"not valid: is this a git repository", "protocol error", "bad line length", "not our ref"}},
	} {
		heard := text
		if rule.class == failure.OutOfMemory || rule.class == failure.TooLarge {
			heard = git.OwnWords(text)
		}
		for _, w := range rule.words {
			if strings.Contains(heard, w) {
				if rule.class == failure.Auth {
					text += ": " + failure.Unauthorized
				}
				return failure.New(rule.class, text, err)
			}
		}
	}
	return failure.New(failure.Network, text, err)
}
