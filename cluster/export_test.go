package cluster

import "github.com/hashicorp/raft"

// Spoil changes a record of the log on the disk of a running node.
func Spoil(c *Cluster, index uint64) error {
	bolt := c.store.ledger.bolt
	var record raft.Log
	if err := bolt.GetLog(index, &record); err != nil {
		return err
	}
	record.Data[len(record.Data)-1] ^= 1
	return bolt.StoreLog(&record)
}

// RecentEntries is how many entries raft does not read from the disk.
const RecentEntries = recentEntries

// Snapshot has raft take a snapshot, and cut its log.
func Snapshot(c *Cluster) error { return c.raft.Snapshot().Error() }

// Heirs are the ids of those that leadership would be handed to, in order.
func (c *Cluster) Heirs() (ids []string) {
	for _, s := range c.heirs() {
		ids = append(ids, string(s.ID))
	}
	return ids
}
