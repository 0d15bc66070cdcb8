package cluster

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/hashicorp/raft"

	"gitmirror/internal/disk"
)

// snapshots are raft's snapshots on the disk. raft puts a checksum over the
// content, and none over meta.json beside it, which says who votes. So the
// content begins with a seal, which meta.json must agree with:
//
//	"GMRS"  size of what follows, without the checksum (4 bytes)
//	index (8)  term (8)  index of the configuration (8)  the configuration, as raft writes it
//	CRC-32C of all that (4)
type snapshots struct {
	raft.SnapshotStore
	dir     string
	disk    *disk.Disk
	ledger  *ledger
	spoiled func(index uint64)
}

// sweep removes snapshots that a killed process was writing: raft never does.
func (s *snapshots) sweep() error {
	dir := filepath.Join(s.dir, snapshotFolder)
	entries, err := s.disk.ReadDir(dir)
	if err != nil {
		return &StoreError{Op: "sweep", Path: dir, Err: err}
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".tmp") {
			continue
		}
		if err := s.disk.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return &StoreError{Op: "sweep", Path: dir, Err: err}
		}
	}
	return nil
}

const (
	sealMagic = "GMRS"

	snapshotFolder = "snapshots" // raft's own name for it
	damagedFolder  = "damaged"   // what was set aside
)

func seal(index, term, configurationIndex uint64, configuration raft.Configuration) []byte {
	var body []byte
	for _, n := range []uint64{index, term, configurationIndex} {
		body = binary.BigEndian.AppendUint64(body, n)
	}
	body = append(body, raft.EncodeConfiguration(configuration)...)
	b := binary.BigEndian.AppendUint32([]byte(sealMagic), uint32(len(body)))
	b = append(b, body...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// Create implements raft.SnapshotStore.
func (s *snapshots) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration, configurationIndex uint64, transport raft.Transport) (raft.SnapshotSink, error) {
	err := s.announce("snapshot create")
	var sink raft.SnapshotSink
	if err == nil {
		sink, err = s.SnapshotStore.Create(version, index, term, configuration, configurationIndex, transport)
	}
	if err != nil {
		return nil, s.failed("snapshot create", err)
	}
	sealed := &sealedSink{SnapshotSink: sink, store: s}
	if _, err := sealed.Write(seal(index, term, configurationIndex, configuration)); err != nil {
		return nil, errors.Join(err, sink.Cancel())
	}
	return sealed, nil
}

// announce tells the disk what raft is about to do to a snapshot's files.
func (s *snapshots) announce(op string) error {
	return s.disk.Announce(op, filepath.Join(s.dir, snapshotFolder))
}

// failed ends the process over an error of the disk. A lack of descriptors is
// none: raft tries again at the next occasion.
func (s *snapshots) failed(op string, err error) error {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return err
	}
	return s.ledger.fail(&StoreError{Op: op, Path: filepath.Join(s.dir, snapshotFolder), Err: err})
}

// sealedSink is a snapshot being written.
type sealedSink struct {
	raft.SnapshotSink
	store *snapshots
}

func (s *sealedSink) Write(b []byte) (int, error) {
	err := s.store.announce("snapshot write")
	n := 0
	if err == nil {
		n, err = s.SnapshotSink.Write(b)
	}
	if err != nil {
		return n, s.store.failed("snapshot write", err)
	}
	return n, nil
}

func (s *sealedSink) Close() error {
	err := s.store.announce("snapshot close")
	if err == nil {
		err = s.SnapshotSink.Close()
	}
	if err != nil {
		return s.store.failed("snapshot close", err)
	}
	return nil
}

// Open implements raft.SnapshotStore. A damaged snapshot is set aside, and a
// new one asked for.
func (s *snapshots) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	meta, content, err := s.verified(id)
	var damaged *DamagedError
	if errors.As(err, &damaged) {
		// Away first: it must not be taken for the snapshot that is asked for.
		err = errors.Join(err, s.setAside(id))
		if named, ok := parseSnapshotName(id); ok {
			s.spoiled(named.index)
		}
	}
	return meta, content, err
}

// List implements raft.SnapshotStore. Where there is none, and the log does not begin
// at its beginning, one is asked for: raft could not bring a newcomer up.
func (s *snapshots) List() ([]*raft.SnapshotMeta, error) {
	list, err := s.SnapshotStore.List()
	if err != nil || len(list) > 0 {
		return list, err
	}
	if first, err := s.ledger.first(); err == nil && first > 1 {
		s.spoiled(first - 1)
	}
	return list, nil
}

// reach says whether a snapshot that is whole covers the entry. Damaged ones it
// meets are set aside: raft passes over a directory without meta.json, and would
// be without a snapshot for as long as it is taken for one.
func (s *snapshots) reach(index uint64) bool {
	names, err := s.list()
	if err != nil {
		return false
	}
	for _, n := range names {
		if n.index < index {
			continue
		}
		_, content, err := s.verified(n.id)
		if err == nil {
			return content.Close() == nil
		}
		if !errors.Is(err, ErrDamaged) || s.setAside(n.id) != nil {
			return false
		}
	}
	return false
}

// verified opens a snapshot whose checksums are right, positioned behind the
// seal.
func (s *snapshots) verified(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	var meta *raft.SnapshotMeta
	var content io.ReadCloser
	err := s.announce("snapshot open")
	if err == nil {
		meta, content, err = s.SnapshotStore.Open(id) // checks the content as a whole
	}
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return nil, nil, err
	}
	path := filepath.Join(s.dir, snapshotFolder, id)
	if err != nil {
		return nil, nil, &DamagedError{Path: path, Err: err}
	}
	want := seal(meta.Index, meta.Term, meta.ConfigurationIndex, meta.Configuration)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(content, got); err != nil || !bytes.Equal(got, want) || meta.ID != id {
		return nil, nil, errors.Join(&DamagedError{Path: path, Err: errChecksum}, content.Close())
	}
	meta.Size -= int64(len(want))
	return meta, &indexedSnapshot{ReadCloser: content, index: meta.Index}, nil
}

// setAside moves a snapshot to where raft does not look.
func (s *snapshots) setAside(id string) error {
	to := filepath.Join(s.dir, damagedFolder)
	if err := s.disk.MkdirAll(to, directoryAccess); err != nil {
		return fmt.Errorf("set snapshot %s aside: %w", id, err)
	}
	err := s.disk.Rename(filepath.Join(s.dir, snapshotFolder, id), filepath.Join(to, id))
	if err == nil {
		err = s.disk.Sync(filepath.Join(s.dir, snapshotFolder))
	}
	if err != nil {
		return fmt.Errorf("set snapshot %s aside: %w", id, err)
	}
	return nil
}
