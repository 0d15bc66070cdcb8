package story

import (
	"log/slog"
	"strconv"
	"strings"

	"gitmirror/internal/disk"
)

// saveEvery is how many events may pass, of which this node told none, before their number is
// written down.
const saveEvery = 1000

// place is how far the story was told: the sequence number of the last event that was looked
// at. The file is not durable: after a power cut some lines may come twice.
type place struct {
	disk  *disk.Disk
	path  string
	log   *slog.Logger
	seq   uint64
	saved uint64
}

// load reads where an earlier run was, or begins at the newest event.
func (p *place) load(newest uint64) (known bool) {
	p.seq, p.saved = newest, 0
	data, err := p.disk.ReadFile(p.path)
	if err == nil {
		if seq, err := strconv.ParseUint(strings.TrimSpace(string(data)), 10, 64); err == nil {
			p.seq, p.saved, known = seq, seq, true
		}
	}
	return known
}

func (p *place) behind() bool { return p.seq >= p.saved+saveEvery }

func (p *place) save() {
	if p.seq == p.saved {
		return
	}
	if err := p.disk.WriteFile(p.path, []byte(strconv.FormatUint(p.seq, 10)+"\n"), 0o600); err != nil {
		p.log.Debug("cannot note how far the story was told: the next start may tell some of it again", "err", err)
		return
	}
	p.saved = p.seq
}
