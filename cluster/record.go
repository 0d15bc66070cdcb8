package cluster

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"github.com/hashicorp/raft"
)

// A record of the log is
//
//	CRC-32C of what follows (4 bytes)
//	index (8)  term (8)  type (1)  when it was appended, in unix nanoseconds, 0 for unknown (8)
//	size of raft's extensions (uvarint)  extensions  data
//
// and a value of raft's (term, votes) is CRC-32C of its key and itself (4), and
// then itself. All numbers but the uvarint are big endian.
const recordHead = 4 + 8 + 8 + 1 + 8

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	errChecksum = errors.New("its checksum is wrong")
)

func encodeRecord(l *raft.Log) []byte {
	b := make([]byte, 4, recordHead+binary.MaxVarintLen32+len(l.Extensions)+len(l.Data))
	b = binary.BigEndian.AppendUint64(b, l.Index)
	b = binary.BigEndian.AppendUint64(b, l.Term)
	b = append(b, byte(l.Type))
	var at int64
	if !l.AppendedAt.IsZero() {
		at = l.AppendedAt.UnixNano()
	}
	b = binary.BigEndian.AppendUint64(b, uint64(at))
	b = binary.AppendUvarint(b, uint64(len(l.Extensions)))
	b = append(append(b, l.Extensions...), l.Data...)
	binary.BigEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
	return b
}

// decodeRecord reads a record of that index. It keeps nothing of b.
func decodeRecord(index uint64, b []byte, l *raft.Log) error {
	if len(b) <= recordHead || binary.BigEndian.Uint32(b) != crc32.Checksum(b[4:], castagnoli) ||
		binary.BigEndian.Uint64(b[4:]) != index {
		return errChecksum
	}
	*l = raft.Log{Index: index, Term: binary.BigEndian.Uint64(b[12:]), Type: raft.LogType(b[20])}
	if at := int64(binary.BigEndian.Uint64(b[21:])); at != 0 {
		l.AppendedAt = time.Unix(0, at)
	}
	size, n := binary.Uvarint(b[recordHead:])
	rest := b[recordHead:]
	if n <= 0 || size > uint64(len(rest)-n) {
		return errChecksum
	}
	rest = rest[n:]
	if size > 0 {
		l.Extensions = append([]byte(nil), rest[:size]...)
	}
	if data := rest[size:]; len(data) > 0 {
		l.Data = append([]byte(nil), data...)
	}
	return nil
}

func encodeValue(key, value []byte) []byte {
	sum := crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
	return append(binary.BigEndian.AppendUint32(nil, sum), value...)
}

func decodeValue(key, b []byte) ([]byte, error) {
	if len(b) < 4 || binary.BigEndian.Uint32(b) != crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, b[4:]) {
		return nil, errChecksum
	}
	return append([]byte(nil), b[4:]...), nil
}
