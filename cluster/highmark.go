package cluster

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"log/slog"
	"os"
	"sync"

	"github.com/google/uuid"

	"gitmirror/internal/disk"
)

// reach is how far a log and the values beside it are. None of it ever goes back
// by itself, but for the end of the log when a leader overwrites what was never
// committed.
type reach struct {
	term, index uint64 // of the last entry
	current     uint64 // the term that the node is in
	voted       uint64 // the term of its last vote
}

// behind tells whether a log that reaches r lacks something of one that reached
// other. A later term's entry stands on all that was committed before it.
func (r reach) behind(other reach) bool {
	end := cmp.Or(cmp.Compare(r.term, other.term), cmp.Compare(r.index, other.index))
	return end < 0 || r.current < other.current || r.voted < other.voted
}

// highMark is a file outside of raft's directory that says how far the log inside
// was. A directory that was put back from a backup, or with a file system, is older
// than that: it would vote against what it has acknowledged.
//
// It is written after each change of the log, and not fsynced: what a power cut
// takes of it, or a disk that does not take it, makes it older, and an older mark
// refuses nothing. Only where the log goes back it is durable first.
//
//	"GMHM"  id of the log (16 bytes)
//	term and index of the last entry, current term, term of the last vote (8 each)
//	CRC-32C of all that (4)
type highMark struct {
	file *disk.File
	id   uuid.UUID // of the log
	log  *slog.Logger

	mu     sync.Mutex
	at     reach
	failed bool // to write it, once or more

	unknown bool // there was none, or none that can be read, when it was opened
}

const (
	markMagic = "GMHM"
	markSize  = len(markMagic) + 16 + 4*8 + 4
)

// openMark opens the mark of the log with that id, or makes it. One of another log,
// or one that cannot be read, says nothing; where there can be none, nil is returned.
func openMark(d *disk.Disk, path, logID string, log *slog.Logger) *highMark {
	id, err := uuid.Parse(logID)
	if err != nil {
		log.Warn("the raft log has no id that a mark could name", "id", logID)
		return nil
	}
	file, err := d.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		log.Warn("cannot open the file that says how far the raft log was: a log put back from a backup would not be noticed", "file", path, "err", err)
		return nil
	}
	m := &highMark{file: file, id: id, log: log, unknown: true}
	data := make([]byte, markSize)
	if n, _ := file.ReadAt(data, 0); n == markSize {
		if at := m.decode(data); at != nil {
			m.at, m.unknown = *at, false
		}
	}
	return m
}

func (m *highMark) decode(data []byte) *reach {
	body := data[:markSize-4]
	if string(body[:4]) != markMagic || uuid.UUID(body[4:20]) != m.id ||
		crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(data[markSize-4:]) {
		return nil
	}
	n := func(i int) uint64 { return binary.BigEndian.Uint64(body[20+8*i:]) }
	return &reach{term: n(0), index: n(1), current: n(2), voted: n(3)}
}

// follow has the mark follow what the log has become.
func (m *highMark) follow(change func(*reach)) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.write(change)
	if err != nil && !m.failed {
		m.log.Warn("cannot write how far the raft log is: until that succeeds, a log put back from a backup may not be noticed", "file", m.file.Name(), "err", err)
	}
	m.failed = err != nil
}

// lower changes the mark durably, before the log goes back.
func (m *highMark) lower(change func(*reach)) error {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.write(change); err != nil {
		return err
	}
	return m.file.Sync()
}

func (m *highMark) write(change func(*reach)) error {
	change(&m.at)
	data := append([]byte(markMagic), m.id[:]...)
	for _, n := range []uint64{m.at.term, m.at.index, m.at.current, m.at.voted} {
		data = binary.BigEndian.AppendUint64(data, n)
	}
	data = binary.BigEndian.AppendUint32(data, crc32.Checksum(data, castagnoli))
	_, err := m.file.WriteAt(data, 0)
	return err
}

// Close closes the file.
func (m *highMark) Close() error {
	if m == nil {
		return nil
	}
	return m.file.Close()
}
