package cluster

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/google/uuid"
)

// What our dialers write first on a TCP connection to the peer port. A first
// byte from A to Z is HTTP instead, and has no preface.
//
//	0x01  cluster (16 bytes)  node (16 bytes)   a raft stream for that node
//	0x02  cluster (16 bytes)                    a gossip stream
//
// raft needs the node: an address outlives the node that had it, and a leader
// would count what a newcomer at an old address acknowledges as the votes and
// the log of the node that is gone.
const (
	tagRaft   byte = 0x01
	tagGossip byte = 0x02
)

// identity is who may be talked to through a port.
type identity struct {
	cluster uuid.UUID
	node    uuid.UUID
}

var (
	errForeignCluster = errors.New("meant for another cluster")
	errForeignNode    = errors.New("meant for another node")
	errUnknownTag     = errors.New("unknown first byte")
)

// readPreface reads what follows a tag and says whether it is meant for us.
func (id identity) readPreface(r io.Reader, tag byte) error {
	if tag != tagRaft && tag != tagGossip {
		return fmt.Errorf("%w 0x%02x", errUnknownTag, tag)
	}
	var cluster, node uuid.UUID
	if _, err := io.ReadFull(r, cluster[:]); err != nil {
		return fmt.Errorf("read preface: %w", err)
	}
	if cluster != id.cluster {
		return fmt.Errorf("%w %s", errForeignCluster, cluster)
	}
	if tag == tagGossip {
		return nil
	}
	if _, err := io.ReadFull(r, node[:]); err != nil {
		return fmt.Errorf("read preface: %w", err)
	}
	if node != id.node {
		return fmt.Errorf("%w %s", errForeignNode, node)
	}
	return nil
}

// writePreface opens a stream that was just dialled, before the deadline.
func writePreface(conn net.Conn, preface []byte, deadline time.Time) error {
	if err := conn.SetWriteDeadline(deadline); err != nil {
		return fmt.Errorf("write preface: %w", err)
	}
	if _, err := conn.Write(preface); err != nil {
		return fmt.Errorf("write preface: %w", err)
	}
	if err := conn.SetWriteDeadline(time.Time{}); err != nil {
		return fmt.Errorf("write preface: %w", err)
	}
	return nil
}

func (id identity) gossipPreface() []byte {
	return append([]byte{tagGossip}, id.cluster[:]...)
}

func (id identity) raftPreface(to uuid.UUID) []byte {
	return append(append([]byte{tagRaft}, id.cluster[:]...), to[:]...)
}
