package fsm

import (
	"fmt"

	"gitmirror/fsm/command"
	"gitmirror/internal/reflimit"
)

// Bounds of a command. Apply refuses what is beyond them, so they may be
// raised in a release, but never lowered.
const (
	MaxEntry   = 256 << 10 // bytes of an encoded command
	MaxItems   = 1000      // rows of a batch
	MaxChanges = 200       // changes that a publish carries

	maxID     = 128
	maxName   = 400
	maxURL    = 2048
	maxURLs   = 16
	maxText   = 1024 // messages, addresses
	maxWord   = 64   // classes and reasons
	maxLabels = 64
	maxLabel  = 256
	maxCopies = 64
	maxLost   = 8 // lost generations a row remembers
	maxPins   = 100
	maxFirst  = 100 // losses that a hold names

	// MaxAliases is how many names a repo may have besides its own.
	MaxAliases = 16
)

// between says what is wrong with a field's length, or nothing.
func between(field, value string, least, most int) error {
	if len(value) < least {
		return fmt.Errorf("%s is missing", field)
	}
	if len(value) > most {
		return fmt.Errorf("%s has %d bytes, more than %d", field, len(value), most)
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// plainName refuses what could not stand in a path, a cursor or a log line.
func plainName(name string) error {
	if err := between("name", name, 1, maxName); err != nil {
		return err
	}
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c == 0x7f || c == ':' {
			return fmt.Errorf("name %q has a blank, a control character or a colon", name)
		}
	}
	return nil
}

func checkNode(n *command.Node) error {
	return firstError(
		between("node id", n.GetId(), 1, maxID),
		plainName(n.GetName()),
		between("peer address", n.GetPeer(), 0, maxText),
		between("http address", n.GetHttp(), 0, maxText),
		between("zone", n.GetZone(), 0, maxLabel),
		between("version", n.GetVersion(), 0, maxLabel),
		between("run", n.GetRun(), 0, maxID),
	)
}

func checkNewRepo(r *command.NewRepo) error {
	if err := firstError(between("repo id", r.GetId(), 1, maxID), plainName(r.GetName()), checkPolicy(policyOf(r.GetPolicy()))); err != nil {
		return err
	}
	if len(r.GetCopies()) > maxCopies {
		return fmt.Errorf("%d copies, more than %d", len(r.GetCopies()), maxCopies)
	}
	return firstError(checkURLs(r.GetUrls(), r.GetUrlKeys()), checkLabels(r.GetLabels()))
}

func checkURLs(urls, keys []string) error {
	switch {
	case len(urls) == 0:
		return fmt.Errorf("url is missing")
	case len(urls) > maxURLs:
		return fmt.Errorf("%d urls, more than %d", len(urls), maxURLs)
	case len(keys) != len(urls):
		return fmt.Errorf("%d url keys for %d urls", len(keys), len(urls))
	}
	for i, url := range urls {
		if err := firstError(between("url", url, 1, maxURL), between("url key", keys[i], 1, maxURL)); err != nil {
			return err
		}
	}
	return nil
}

func checkLabels(labels map[string]string) error {
	if len(labels) > maxLabels {
		return fmt.Errorf("%d labels, more than %d", len(labels), maxLabels)
	}
	for key, value := range labels {
		if len(key) == 0 || len(key) > maxLabel || len(value) > maxLabel {
			return fmt.Errorf("a label is empty or has more than %d bytes", maxLabel)
		}
	}
	return nil
}

func checkPublish(p *command.Publish) error {
	if err := firstError(
		between("repo", p.GetRepo(), 1, maxID),
		between("node", p.GetNode(), 1, maxID),
		between("candidate", p.GetCandidate(), 1, maxID),
		between("head", p.GetHead(), 0, reflimit.Head),
	); err != nil {
		return err
	}
	switch {
	case len(p.GetDigest()) != len(Digest{}) || len(p.GetRefsDigest()) != len(Digest{}):
		return fmt.Errorf("digests of %d and %d bytes, want %d", len(p.GetDigest()), len(p.GetRefsDigest()), len(Digest{}))
	case len(p.GetBaseDigest()) != 0 && len(p.GetBaseDigest()) != len(Digest{}):
		return fmt.Errorf("base digest of %d bytes, want %d", len(p.GetBaseDigest()), len(Digest{}))
	case len(p.GetRecovered()) > maxLost:
		return fmt.Errorf("%d recovered generations, more than %d", len(p.GetRecovered()), maxLost)
	case len(p.GetChanges()) > MaxChanges:
		return fmt.Errorf("%d changes, more than %d: send the first and the count", len(p.GetChanges()), MaxChanges)
	case int(p.GetChangesTotal()) < len(p.GetChanges()):
		return fmt.Errorf("%d changes of a total of %d", len(p.GetChanges()), p.GetChangesTotal())
	}
	for _, c := range p.GetChanges() {
		if c.GetRef() == "" {
			return fmt.Errorf("a change without a ref")
		}
	}
	return nil
}

func checkCondition(c *command.NodeCondition) error {
	switch c.GetDisk() {
	case "", DiskLow, DiskFull, DiskFailing:
	default:
		return fmt.Errorf("%.40q is no condition of a disk", c.GetDisk())
	}
	return nil
}

func checkHealth(h *command.HealthReport) error {
	if n := len(h.GetHoldFirst()); n > maxFirst {
		return fmt.Errorf("a hold names %d losses, more than %d", n, maxFirst)
	}
	for _, c := range h.GetHoldFirst() {
		if err := firstError(between("ref", c.GetRef(), 1, reflimit.Name+maxText), between("old", c.GetOld(), 0, maxWord), between("new", c.GetNew(), 0, maxWord)); err != nil {
			return err
		}
	}
	return firstError(
		digestSized("hold digest", h.GetHoldDigest()),
		digestSized("losses", h.GetHoldLosses()),
		between("address before", h.GetMovedFrom(), 0, maxURL),
		between("address now", h.GetMovedTo(), 0, maxURL),
		between("fallback", h.GetFallback(), 0, maxURL),
		between("error class", h.GetErrorClass(), 0, maxWord),
		between("hold reason", h.GetHoldReason(), 0, maxWord),
	)
}
