// Package wire speaks the parts of Git's wire protocol that a mirror needs in
// its own process: pkt-lines, the ls-refs command of protocol version 2 and
// the ref advertisement of version 0. It reads and writes bytes; it knows no
// network, no disk and no policy, and bounds what it accepts.
//
// The formats are those of gitprotocol-common(5), gitprotocol-v2(5) and
// gitprotocol-pack(5).
package wire
