package cluster

import (
	"encoding/binary"
	"errors"
	"net"
)

// card is what a node tells all others about itself. On the wire, inside
// memberlist's node meta: a version byte (1), then name, host and meta, each
// with its length as a uvarint. host is the advertised host where that is a
// name: gossip itself only carries IP addresses.
type card struct {
	name string
	host string
	meta []byte
}

const cardVersion = 1

var errCard = errors.New("unreadable node card")

func (c Config) card() card {
	host, _, _ := net.SplitHostPort(c.Advertise)
	if net.ParseIP(host) != nil {
		host = ""
	}
	return card{name: c.Name, host: host, meta: c.Meta}
}

func (c card) encode() []byte {
	b := []byte{cardVersion}
	for _, field := range [][]byte{[]byte(c.name), []byte(c.host), c.meta} {
		b = binary.AppendUvarint(b, uint64(len(field)))
		b = append(b, field...)
	}
	return b
}

func decodeCard(b []byte) (card, error) {
	if len(b) == 0 || b[0] != cardVersion {
		return card{}, errCard
	}
	var fields [3][]byte
	b = b[1:]
	for i := range fields {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return card{}, errCard
		}
		fields[i] = append([]byte(nil), b[n:n+int(size)]...)
		b = b[n+int(size):]
	}
	return card{name: string(fields[0]), host: string(fields[1]), meta: fields[2]}, nil
}
