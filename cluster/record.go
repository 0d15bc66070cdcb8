package cluster

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/hashicorp/raft"
)

// raft-boltdb encodes entries with MessagePack, which shows few errors. So the
// Extensions of each that is stored end with the CRC-32C (4 bytes) of
//
//	index (8)  term (8)  type (1)  when it was appended, in unix seconds (8) and nanoseconds (4)
//	size of raft's own extensions (8)  these  data
//
// and a value of raft's (term, votes) ends with the CRC-32C (4) of its key and
// itself. All numbers are big endian.
const sumSize = 4

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	errChecksum = errors.New("its checksum is wrong")
	errEncoding = errors.New("it cannot be decoded")
	errMissing  = errors.New("it is missing")
)

// sealed is the entry with its checksum. It shares the data, and nothing else,
// with l, which raft goes on using.
func sealed(l *raft.Log) *raft.Log {
	s := *l
	s.Extensions = make([]byte, 0, len(l.Extensions)+sumSize)
	s.Extensions = append(s.Extensions, l.Extensions...)
	s.Extensions = binary.BigEndian.AppendUint32(s.Extensions, entrySum(l))
	return &s
}

// unseal verifies an entry that was stored under that index, and takes its
// checksum away.
func unseal(index uint64, l *raft.Log) error {
	own := len(l.Extensions) - sumSize
	if own < 0 || l.Index != index {
		return errChecksum
	}
	sum := binary.BigEndian.Uint32(l.Extensions[own:])
	l.Extensions = l.Extensions[:own:own]
	if own == 0 {
		l.Extensions = nil
	}
	if entrySum(l) != sum {
		return errChecksum
	}
	return nil
}

func entrySum(l *raft.Log) uint32 {
	head := make([]byte, 0, 8+8+1+8+4+8)
	head = binary.BigEndian.AppendUint64(head, l.Index)
	head = binary.BigEndian.AppendUint64(head, l.Term)
	head = append(head, byte(l.Type))
	head = binary.BigEndian.AppendUint64(head, uint64(l.AppendedAt.Unix()))
	head = binary.BigEndian.AppendUint32(head, uint32(l.AppendedAt.Nanosecond()))
	head = binary.BigEndian.AppendUint64(head, uint64(len(l.Extensions)))
	sum := crc32.Checksum(head, castagnoli)
	sum = crc32.Update(sum, castagnoli, l.Extensions)
	return crc32.Update(sum, castagnoli, l.Data)
}

func sealedValue(name, value []byte) []byte {
	s := append(make([]byte, 0, len(value)+sumSize), value...)
	return binary.BigEndian.AppendUint32(s, valueSum(name, value))
}

func unsealValue(name, b []byte) ([]byte, error) {
	size := len(b) - sumSize
	if size < 0 || binary.BigEndian.Uint32(b[size:]) != valueSum(name, b[:size]) {
		return nil, errChecksum
	}
	return b[:size:size], nil
}

func valueSum(name, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(name, castagnoli), castagnoli, value)
}
