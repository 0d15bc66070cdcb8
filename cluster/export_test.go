package cluster

import (
	"bytes"

	"go.etcd.io/bbolt"
)

// SetFaults has f called before each operation on the store of a cluster that
// is opened with c: append, delete, set, read, snapshot create, snapshot write,
// snapshot close. What it returns is the outcome of the operation.
func SetFaults(c *Config, f func(op string) error) { c.faults = f }

// Spoil changes a record of the log on the disk of a running node.
func Spoil(c *Cluster, index uint64) error {
	return c.store.ledger.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(logBucket)
		record := bytes.Clone(b.Get(key(index)))
		record[len(record)-1] ^= 1
		return b.Put(key(index), record)
	})
}

// CachedEntries is how many entries raft does not read from the disk.
const CachedEntries = cachedEntries
