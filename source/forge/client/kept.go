package client

import (
	"strings"
	"unicode/utf8"

	"gitmirror/source/forge"
)

// Bounds of what is kept of what a forge tells. An account of 100,000 repositories takes some 40 MiB as a rule.
const (
	maxKept   = 64 << 20 // bytes of a listing, and as many of the pages that are remembered for the next one
	maxTag    = 2 << 10  // bytes of the ETag of a page that is remembered, and of its address
	maxTopics = 64       // of a repository; others are left out
	repoBytes = 256      // that a repository takes without its texts
)

// bound is a page without what is longer than anything can be. A text of which a part is left is longer than its bound
// in package forge, and names nothing. Nothing of the answer is kept alive by it.
func bound(p page) page {
	repos := make([]forge.Repo, len(p.repos))
	p.bytes = 0
	for i, r := range p.repos {
		r.Owner, r.Name, r.Clone = text(r.Owner, forge.MaxName), text(r.Name, forge.MaxName), text(r.Clone, forge.MaxURL)
		r.Visibility = text(r.Visibility, maxVisibility)
		var topics []string
		for _, t := range r.Topics {
			if len(t) <= forge.MaxTopic && len(topics) < maxTopics {
				topics = append(topics, strings.Clone(t))
				p.bytes += len(t) + 2*textBytes // a slice that grew may be half empty
			}
		}
		r.Topics = topics
		repos[i] = r
		p.bytes += repoBytes + len(r.Owner) + len(r.Name) + len(r.Clone) + len(r.Visibility)
	}
	p.repos = repos
	return p
}

const (
	maxVisibility = 40 // bytes
	textBytes     = 16 // that a text takes besides its own bytes
	cutOff        = "…"
)

// text is a copy of a text or, where that has more than most bytes, of some more than these, with a mark behind them.
func text(s string, most int) string {
	if len(s) > most { // a letter has four bytes at most, of which three may be cut off
		return strings.ToValidUTF8(s[:min(len(s), most+utf8.UTFMax)], "") + cutOff
	}
	return strings.Clone(s)
}

// count adds what a page takes to what this pass was told.
func (l *lister) count(p page) error {
	if l.kept += p.bytes; l.kept > maxKept {
		return failed(TooLarge, "%s tells more of %s than is kept of an account: %d MiB of names, addresses and topics", l.door.host(), l.cfg.Account.Name, maxKept>>20)
	}
	return nil
}

// Memory are the pages of the last listing: the forge is asked whether they are still so, which
// costs little. It is for one listing at a time. It has 64 MiB at most.
type Memory struct {
	pages map[string]remembered
	bytes int
}

type remembered struct {
	etag string
	page page
}

func (r *remembered) bytes(url string) int { return r.page.bytes + len(url) + len(r.etag) }

// add remembers a page by its address, if there is room for it.
func (m *Memory) add(url string, r remembered) {
	more := r.bytes(url)
	if r.etag == "" || len(r.etag)+len(url) > maxTag {
		return
	}
	if was, there := m.pages[url]; there {
		more -= was.bytes(url)
	}
	if m.bytes+more > maxKept {
		return
	}
	if m.pages == nil {
		m.pages = map[string]remembered{}
	}
	r.etag = strings.Clone(r.etag) // it is of the whole header
	m.pages[url] = r
	m.bytes += more
}

// remember keeps the pages for the next listing, and those of the last one where this was cut off. Nothing is kept
// of an account that is too large: the next listing would come to the same.
func (l *lister) remember(err error) {
	if l.cfg.Memory == nil {
		return
	}
	last := l.cfg.Memory.pages
	*l.cfg.Memory = Memory{}
	if c := classOf(err); c == TooMany || c == TooLarge {
		return
	}
	next := l.seen
	if err != nil {
		for url, r := range last {
			if _, seen := next.pages[url]; !seen {
				next.add(url, r)
			}
		}
	}
	*l.cfg.Memory = next
}
