package node

import "sync/atomic"

// waiting is what a start waits for, in words: whoever asks the node meanwhile is told.
type waiting struct{ words atomic.Pointer[string] }

func (w *waiting) note(what string) { w.words.Store(&what) }

// now is empty while it waits for nothing, or has not said yet.
func (w *waiting) now() string {
	if p := w.words.Load(); p != nil {
		return *p
	}
	return ""
}

// waits notes what the start waits for, and tells whoever started the node.
func (n *node) waits(what string) {
	n.waiting.note(what)
	if n.cfg.Waits != nil {
		n.cfg.Waits(what)
	}
}
