package fsm

import "slices"

// urlsFromName says that a row has one url, which is what its name says, and of which form:
// that is so for nearly all rows, and a million of them need not repeat it.
type urlsFromName uint8

const (
	urlsListed urlsFromName = iota
	urlPlain                // https:// and the name
	urlDotGit               // with .git behind it
)

func (u urlsFromName) of(name string) string {
	if u == urlDotGit {
		return "https://" + name + ".git"
	}
	return "https://" + name
}

// setURLs gives a row its ordered fallbacks, and a key for each. The name must be there.
func (r *Repo) setURLs(urls, keys []string) {
	for _, form := range []urlsFromName{urlPlain, urlDotGit} {
		if len(urls) == 1 && urls[0] == form.of(r.Name) && keys[0] == fold(r.Name) {
			r.urlsFromName, r.urls, r.urlKeys = form, nil, nil
			return
		}
	}
	r.urlsFromName, r.urls, r.urlKeys = urlsListed, slices.Clip(urls), slices.Clip(keys)
}

// URLs are those of the upstream, in the order in which they are tried; not to be written
// to.
func (r *Repo) URLs() []string {
	if r.urlsFromName == urlsListed {
		return r.urls
	}
	return []string{r.urlsFromName.of(r.Name)}
}

// keys are one per url, and equal for equal upstreams.
func (r *Repo) keys() []string {
	if r.urlsFromName == urlsListed {
		return r.urlKeys
	}
	return []string{fold(r.Name)}
}

// listedKeys are the keys that do not follow from the name; there are none of no row.
func (r *Repo) listedKeys() []string {
	if r == nil {
		return nil
	}
	return r.urlKeys
}

// repoByURLKey returns the live row that mirrors that upstream. A key that follows from
// the name of its row is found by that name.
func (t *tables) repoByURLKey(key string) *Repo {
	if e, found := t.byURL.Get(urlEntry{key: key}); found {
		return t.repo(e.repo)
	}
	if row := t.repoByName(key); row != nil && row.urlsFromName != urlsListed && fold(row.Name) == key {
		return row
	}
	return nil
}
