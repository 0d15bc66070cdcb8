package fsm

import (
	"bytes"
	"slices"

	"gitmirror/internal/asciifold"
)

// urlsFromName says that a row has one url, which is what its name says, and of which form:
// that is so for nearly all rows, and a million of them need not repeat it.
type urlsFromName uint8

const (
	urlsListed urlsFromName = iota
	urlPlain                // https:// and the name
	urlDotGit               // with .git behind it
)

func (u urlsFromName) append(b []byte, name string) []byte {
	b = append(append(b, "https://"...), name...)
	if u == urlDotGit {
		b = append(b, ".git"...)
	}
	return b
}

// saidBy tells how a name says a url and its key, if it does.
func saidBy(name string, url, key []byte) urlsFromName {
	var buf [256]byte
	if !bytes.Equal(key, asciifold.Append(buf[:0], name)) {
		return urlsListed
	}
	for _, form := range []urlsFromName{urlPlain, urlDotGit} {
		if bytes.Equal(url, form.append(buf[:0], name)) {
			return form
		}
	}
	return urlsListed
}

// setURLs gives a row its ordered fallbacks, and a key for each. The name must be there.
func (r *Repo) setURLs(urls, keys []string) {
	r.urlsFromName, r.urls, r.urlKeys = urlsListed, slices.Clip(urls), slices.Clip(keys)
	if len(urls) == 1 {
		r.urlsFromName = saidBy(r.Name, []byte(urls[0]), []byte(keys[0]))
	}
	if r.urlsFromName != urlsListed {
		r.urls, r.urlKeys = nil, nil
	}
}

// URLs are those of the upstream, in the order in which they are tried; not to be written
// to.
func (r *Repo) URLs() []string {
	if r.urlsFromName == urlsListed {
		return r.urls
	}
	return []string{string(r.urlsFromName.append(nil, r.Name))}
}

// UpstreamKey is the key of the first of URLs.
func (r *Repo) UpstreamKey() string { return r.upstreamKeys()[0] }

// upstreamKeys are those of URLs; not to be written to.
func (r *Repo) upstreamKeys() []string {
	if r.urlsFromName == urlsListed {
		return r.urlKeys
	}
	return []string{asciifold.String(r.Name)}
}

// repoByURLKey returns the live row that mirrors that upstream. A key that follows from
// the name of its row is found by that name.
func (t *tables) repoByURLKey(key string) *Repo {
	if e, found := t.byURL.Get(lead{key: key}); found {
		return t.repo(e.repo)
	}
	if row := t.repoByName(key); row != nil && row.urlsFromName != urlsListed && asciifold.String(row.Name) == key {
		return row
	}
	return nil
}
