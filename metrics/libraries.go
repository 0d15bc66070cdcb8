package metrics

// kind is what a library's metric becomes.
type kind int

const (
	counts kind = iota // a counter
	shows              // a gauge: the last value
	times              // a histogram of seconds
)

// library is one metric of raft's or memberlist's, by its own name, and by ours.
type library struct {
	key        string
	kind       kind
	name, help string
	unit       float64 // of times: seconds of 1, as the library says it
}

// What go-metrics measures by itself is in seconds, as we ask it to; what raft has
// computed is in milliseconds.
const (
	seconds      = 1
	milliseconds = 1e-3
)

// libraries are those that are exported. A test holds that they are raft's and memberlist's,
// and that what those have besides is in leftOut.
var libraries = []library{
	{"raft.apply", counts, "raft_applies_total", "Commands that this node appended as the leader.", 0},
	{"raft.barrier", counts, "raft_barriers_total", "Barriers that this node appended as the leader.", 0},
	{"raft.verify_leader", counts, "raft_verifications_total", "Times this node asked whether it leads still.", 0},
	{"raft.restore", counts, "raft_restores_total", "Snapshots that this node's table was restored from on request.", 0},
	{"raft.state.follower", counts, "raft_follower_entries_total", "Times this node became a follower.", 0},
	{"raft.state.candidate", counts, "raft_candidate_entries_total", "Times this node became a candidate.", 0},
	{"raft.state.leader", counts, "raft_leader_entries_total", "Times this node became the leader.", 0},
	{"raft.transition.heartbeat_timeout", counts, "raft_heartbeat_timeouts_total", "Times this node heard of no leader for too long and began an election.", 0},
	{"raft.transition.leader_lease_timeout", counts, "raft_lease_timeouts_total", "Times this node stepped down because a majority did not answer.", 0},
	{"raft.commitTime", times, "raft_commit_seconds", "From a command's append by this leader to its commit.", seconds},
	{"raft.leader.dispatchLog", times, "raft_append_seconds", "How long this leader took to write commands to its own log.", seconds},
	{"raft.leader.lastContact", times, "raft_follower_contact_seconds", "How long ago followers had answered this leader, whenever it looked.", milliseconds},
	{"raft.fsm.apply", times, "raft_fsm_apply_seconds", "How long the table took for a command.", seconds},
	{"raft.fsm.enqueue", times, "raft_fsm_enqueue_seconds", "How long commands waited for a place in the table's queue.", seconds},
	{"raft.fsm.snapshot", times, "raft_fsm_snapshot_seconds", "How long the table stood still for a snapshot.", seconds},
	{"raft.fsm.restore", times, "raft_fsm_restore_seconds", "How long the table took to be read from a snapshot.", seconds},
	{"raft.snapshot.persist", times, "raft_snapshot_persist_seconds", "How long a snapshot took to be written.", seconds},
	{"raft.snapshot.takeSnapshot", times, "raft_snapshot_seconds", "How long a snapshot took in all.", seconds},
	{"raft.compactLogs", times, "raft_compaction_seconds", "How long it took to drop what snapshots have from the log.", seconds},
	{"raft.candidate.electSelf", times, "raft_vote_request_seconds", "How long it took to ask for votes.", seconds},
	{"raft.rpc.appendEntries", times, "raft_rpc_append_entries_seconds", "How long this node took for a leader's entries.", seconds},
	{"raft.rpc.appendEntries.storeLogs", times, "raft_rpc_store_seconds", "How long this node took to write a leader's entries to its log.", seconds},
	{"raft.rpc.installSnapshot", times, "raft_rpc_install_snapshot_seconds", "How long this node took to take in a leader's snapshot.", seconds},
	{"raft.rpc.requestVote", times, "raft_rpc_request_vote_seconds", "How long this node took to answer a candidate.", seconds},
	{"raft.replication.appendEntries.rpc", times, "raft_replication_append_entries_seconds", "How long followers took to answer entries of this leader.", seconds},
	{"raft.replication.appendEntries.logs", counts, "raft_replicated_entries_total", "Entries that this leader sent, to each follower.", 0},
	{"raft.replication.heartbeat", times, "raft_replication_heartbeat_seconds", "How long followers took to answer heartbeats of this leader.", seconds},
	{"raft.replication.installSnapshot", times, "raft_replication_install_snapshot_seconds", "How long followers took to take in a snapshot of this leader.", seconds},
	{"raft.boltdb.storeLogs", times, "raft_store_write_seconds", "How long the file of the log took for a batch of entries.", seconds},
	{"raft.thread.main.saturation", shows, "raft_main_busy_ratio", "The share of the last second for which raft's main goroutine was busy.", 0},
	{"raft.thread.fsm.saturation", shows, "raft_fsm_busy_ratio", "The share of the last second for which the table was busy with commands.", 0},
	{"raft.peers", shows, "raft_servers", "Servers in raft's configuration, voters and others, as the leader has it.", 0},

	{"memberlist.msg.alive", counts, "memberlist_alive_messages_total", "Messages of gossip that a node lives.", 0},
	{"memberlist.msg.suspect", counts, "memberlist_suspect_messages_total", "Messages of gossip that a node may be dead.", 0},
	{"memberlist.msg.dead", counts, "memberlist_dead_messages_total", "Messages of gossip that a node is dead.", 0},
	{"memberlist.degraded.probe", counts, "memberlist_degraded_probes_total", "Probes that this node made while it took itself for slow.", 0},
	{"memberlist.degraded.timeout", counts, "memberlist_degraded_timeouts_total", "Suspicions that ran out while this node took itself for slow.", 0},
	{"memberlist.udp.sent", counts, "memberlist_udp_sent_bytes_total", "Bytes of gossip sent in packets.", 0},
	{"memberlist.udp.received", counts, "memberlist_udp_received_bytes_total", "Bytes of gossip received in packets.", 0},
	{"memberlist.tcp.sent", counts, "memberlist_tcp_sent_bytes_total", "Bytes of gossip sent over connections.", 0},
	{"memberlist.tcp.connect", counts, "memberlist_tcp_connects_total", "Connections that gossip made.", 0},
	{"memberlist.tcp.accept", counts, "memberlist_tcp_accepts_total", "Connections that gossip was made.", 0},
	{"memberlist.health.score", shows, "memberlist_health_score", "0 while this node takes itself for well; higher, up to 8, the slower it takes itself for.", 0},
	{"memberlist.queue.broadcasts", shows, "memberlist_queue_length", "Messages of gossip that wait to be sent.", 0},
	{"memberlist.probeNode", times, "memberlist_probe_seconds", "How long a probe of another node took.", seconds},
	{"memberlist.pushPullNode", times, "memberlist_push_pull_seconds", "How long a full exchange with another node took.", seconds},
}

// leftOut are those that are not exported, by why.
var leftOut = map[string][]string{
	"this node has no part that would measure it": {
		"raft.boltdb.numFreePages", "raft.boltdb.numPendingPages", "raft.boltdb.freePageBytes", "raft.boltdb.freelistBytes", "raft.boltdb.totalReadTxn", "raft.boltdb.openReadTxn",
		"raft.boltdb.txstats.pageCount", "raft.boltdb.txstats.pageAlloc", "raft.boltdb.txstats.cursorCount", "raft.boltdb.txstats.nodeCount", "raft.boltdb.txstats.nodeDeref",
		"raft.boltdb.txstats.rebalance", "raft.boltdb.txstats.rebalanceTime", "raft.boltdb.txstats.split", "raft.boltdb.txstats.spill", "raft.boltdb.txstats.spillTime",
		"raft.boltdb.txstats.write", "raft.boltdb.txstats.writeTime",
	},
	"another says it better": {
		"raft.fsm.applyBatch", "raft.fsm.applyBatchNum", "raft.fsm.store_config", "raft.leader.oldestLogAge", "raft.commitNumLogs", "raft.leader.dispatchNumLogs", "raft.candidate.preElectSelf",
		"raft.net.getRPCType", "raft.net.rpcDecode", "raft.net.rpcEnqueue", "raft.net.rpcRespond", "raft.rpc.processHeartbeat", "raft.rpc.appendEntries.processLogs",
		"raft.snapshot.create", "raft.removeOldLogs", "raft.restoreUserSnapshot", "raft.boltdb.getLog", "raft.boltdb.logsPerBatch", "raft.boltdb.logBatchSize", "raft.boltdb.logSize", "raft.boltdb.writeCapacity",
		"raft.fsm.lastRestoreDuration", "memberlist.node.instances", "memberlist.gossip", "memberlist.size.local", "memberlist.size.remote",
	},
}
