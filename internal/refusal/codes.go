package refusal

// Meaning is what a code says.
type Meaning struct {
	Code   Code
	Status int // of HTTP; 0 for a code that only the command line gives
	Means  string
	Hint   string // what to try, may be empty
}

// The codes. They are part of the contract with clients, and some stand in the log:
// one that was given out keeps its meaning.
const (
	// Of requests as such.
	Malformed       Code = "malformed"
	JSONInvalid     Code = "json_invalid"
	QueryInvalid    Code = "query_invalid"
	KeyInvalid      Code = "key_invalid"
	KeyReused       Code = "key_reused"
	BodyUnreadable  Code = "body_unreadable"
	TooLarge        Code = "too_large"
	ContentType     Code = "content_type"
	Method          Code = "method"
	NoSuchPath      Code = "no_such_path"
	NoSuchVerb      Code = "no_such_verb"
	HostUnknown     Code = "host_unknown"
	CrossOrigin     Code = "cross_origin"
	ReadOnlyAddress Code = "read_only_address"

	// Of what is asked for.
	Invalid         Code = "invalid"
	NotFound        Code = "not_found"
	URLInvalid      Code = "url_invalid"
	URLScheme       Code = "url_scheme"
	URLHost         Code = "url_host"
	URLPort         Code = "url_port"
	URLUserinfo     Code = "url_userinfo"
	URLQuery        Code = "url_query"
	URLTooLong      Code = "url_too_long"
	AddressDenied   Code = "address_denied"
	NameInvalid     Code = "name_invalid"
	NameAmbiguous   Code = "name_ambiguous"
	ReplicasInvalid Code = "replicas_invalid"
	IntervalInvalid Code = "interval_invalid"
	LabelsInvalid   Code = "labels_invalid"
	LimitInvalid    Code = "limit_invalid"
	FlawInvalid     Code = "flaw_invalid"
	DigestInvalid   Code = "digest_invalid"
	OIDInvalid      Code = "oid_invalid"
	OIDAmbiguous    Code = "oid_ambiguous"
	RefMissing      Code = "ref_missing"
	RefInvalid      Code = "ref_invalid"
	NotKept         Code = "not_kept"

	// Of what is there already, or has changed.
	ConflictName    Code = "conflict_name"
	ConflictURL     Code = "conflict_url"
	ConflictRef     Code = "conflict_ref"
	ConflictNode    Code = "conflict_node"
	ConflictAddress Code = "conflict_address"
	NotHeld         Code = "not_held"
	StaleHold       Code = "stale_hold"
	SourceHeld      Code = "source_held"
	SourceInvalid   Code = "source_invalid"
	Claimed         Code = "claimed"
	StaleEpoch      Code = "stale_epoch"
	StaleGeneration Code = "stale_generation"
	StaleRow        Code = "stale_row"
	StaleRun        Code = "stale_run"
	NotOwner        Code = "not_owner"
	LastCopy        Code = "last_copy"
	CopiesGone      Code = "copies_gone"
	NodeUp          Code = "node_up"
	DrainImpossible Code = "drain_impossible"
	CannotLead      Code = "cannot_lead"
	ClusterNamed    Code = "cluster_named"
	FormatTooOld    Code = "format_too_old"

	// Of nodes that join.
	JoinInvalid     Code = "join_invalid"
	NodeCopied      Code = "node_copied"
	NodeRemoved     Code = "node_removed"
	NodeUnreachable Code = "node_unreachable"
	HTTPPort        Code = "http_port"

	// Of what is not possible now.
	NoLeader         Code = "no_leader"
	NotLeader        Code = "not_leader"
	UnknownOutcome   Code = "unknown_outcome"
	NotConsistent    Code = "not_consistent"
	NotCaughtUp      Code = "not_caught_up"
	Starting         Code = "starting"
	NoOwner          Code = "no_owner"
	OwnerMoved       Code = "owner_moved"
	OwnerUnreachable Code = "owner_unreachable"
	NoCopy           Code = "no_copy"
	Busy             Code = "busy"
	WaitOver         Code = "wait_over"
	NotFresh         Code = "not_fresh"
	Failed           Code = "failed"

	// Between nodes alone.
	Foreign      Code = "foreign"
	OtherCluster Code = "other_cluster"
	EntryInvalid Code = "entry_invalid"
	NoPast       Code = "no_past"
)

// Meanings lists every code, in the order of the documentation.
var Meanings = []Meaning{
	{Malformed, 400, "the request cannot be read", ""},
	{JSONInvalid, 400, "the body is not the JSON that is expected here", ""},
	{QueryInvalid, 400, "the query says what is not possible", ""},
	{KeyInvalid, 400, "the Idempotency-Key is not one", ""},
	{KeyReused, 409, "this Idempotency-Key was used for another request", "use a new key for each new request"},
	{BodyUnreadable, 400, "the body did not come whole", ""},
	{TooLarge, 413, "the body is too large", "send fewer repos at a time"},
	{ContentType, 415, "a write needs the header Content-Type: application/json", ""},
	{Method, 405, "this path has no such method", ""},
	{NoSuchPath, 404, "there is nothing at this path", "the API is below /api/v1/, repositories are below /git/"},
	{NoSuchVerb, 404, "it has no such verb", ""},
	{HostUnknown, 421, "this node is not known by that name", ""},
	{CrossOrigin, 403, "a page of another origin asks", "use the gitmirror command, or another client that is no browser"},
	{ReadOnlyAddress, 403, "this address is reachable by others and takes no writes: clients are not authenticated",
		"on a node's own host gitmirror writes through the socket in its --data directory, as the user that runs it, or through http://127.0.0.1; --insecure-api has the node take writes from everybody"},

	{Invalid, 400, "a value is out of its bounds", ""},
	{NotFound, 404, "there is no such thing", ""},
	{URLInvalid, 400, "this is no address of an upstream", ""},
	{URLScheme, 400, "upstreams are reached by http and https", ""},
	{URLHost, 400, "the address has no host, or none that can be", ""},
	{URLPort, 400, "the port is not one", ""},
	{URLUserinfo, 400, "the address has a user name or a password in it", ""},
	{URLQuery, 400, "the address has a query or a fragment", ""},
	{URLTooLong, 400, "the address is too long", ""},
	{AddressDenied, 400, "nodes are not allowed to reach that address", "start the nodes with --allow-upstream and the network of the upstream"},
	{NameInvalid, 400, "this cannot be a name", ""},
	{NameAmbiguous, 400, "the names of several repos end like that", ""},
	{ReplicasInvalid, 400, "so many copies are not possible", ""},
	{IntervalInvalid, 400, "the interval is not one, or out of its bounds", ""},
	{LabelsInvalid, 400, "a label is not possible", ""},
	{LimitInvalid, 400, "a limit is not possible", ""},
	{FlawInvalid, 400, "this flaw of objects is not one that can be accepted", ""},
	{DigestInvalid, 400, "this is not what is said of a hold", ""},
	{OIDInvalid, 400, "this is no object id", ""},
	{OIDAmbiguous, 400, "several objects begin like that", ""},
	{RefMissing, 400, "it is not said which ref", ""},
	{RefInvalid, 400, "this ref cannot be set back", ""},
	{NotKept, 404, "no such earlier tip is kept", ""},

	{ConflictName, 409, "the name is taken", "choose another name with --name"},
	{ConflictURL, 409, "the upstream is mirrored already", ""},
	{ConflictRef, 409, "another ref is in the way", ""},
	{ConflictNode, 409, "a node of that name is there", ""},
	{ConflictAddress, 409, "another node answers at the address", "start it with its own --peer or --advertise"},
	{NotHeld, 409, "the repo is not held", ""},
	{StaleHold, 409, "upstream shows something else than what was approved", ""},
	{SourceInvalid, 400, "what is said of a source is not possible", "the kinds are: index, github, gitlab, gitea (also for Forgejo), gitee"},
	{SourceHeld, 409, "a source would take away more than it may unasked", "look at it with gitmirror source show"},
	{Claimed, 409, "sources claim the repo", "take it out of what the source lists, or follow the source no more: gitmirror source rm NAME"},
	{StaleEpoch, 409, "the repo has got another owner since", ""},
	{StaleGeneration, 409, "another generation has been published since, or is not here yet", ""},
	{StaleRow, 409, "the row has changed since", ""},
	{StaleRun, 409, "another process runs as this node", ""},
	{NotOwner, 409, "the node does not own the repo", ""},
	{LastCopy, 409, "it has the only copy of a repo", "bring back a node that has one; where it is lost for good: gitmirror node rm NAME --accept-loss, which has them cloned anew from upstream"},
	{CopiesGone, 409, "what was removed has no copy any more", "add it anew, from upstream: gitmirror repo add URL"},
	{NodeUp, 409, "the node is up", ""},
	{DrainImpossible, 409, "there are too few other nodes for the copies of the node",
		"start another node with --join, bring one back, or have fewer copies of those repositories: gitmirror repo set NAME --replicas 1"},
	{CannotLead, 409, "that node cannot lead now", "gitmirror node ls shows who votes, and is up"},
	{ClusterNamed, 409, "the cluster has an id already", ""},
	{FormatTooOld, 409, "a member is too old for it", "upgrade all nodes first: gitmirror node ls shows the versions"},

	{JoinInvalid, 400, "a node cannot join like that", ""},
	{NodeCopied, 409, "the data directory is a copy of another node's", "start it with an empty --data directory and --join"},
	{NodeRemoved, 409, "the node was removed from the cluster", "start it with an empty --data directory and --join to have it in again"},
	{NodeUnreachable, 503, "the leader cannot reach the node at its address", "it is tried again by itself"},
	{HTTPPort, 421, "this is the port of the API and git, not that of nodes", "use the peer address of the node, which gitmirror node ls -o json has"},

	{NoLeader, 503, "the cluster has no leader now: nothing can be written", "a new leader is elected within seconds while most voters are up: gitmirror status"},
	{NotLeader, 503, "the node is not the leader", ""},
	{UnknownOutcome, 503, "the cluster did not decide in time; the write may still happen", "repeat it with the same Idempotency-Key, or look whether it has happened"},
	{NotConsistent, 503, "this node cannot prove that its state is the newest", "ask without consistent=true for what this node has, or ask again when there is a leader"},
	{NotCaughtUp, 503, "this node has started, has not heard from a leader since, and does not know the cluster's table yet",
		"ask another node, or wait until most voters are up: gitmirror status"},
	{Starting, 503, "this node is starting", "its log says what it waits for; other nodes answer meanwhile"},
	{NoOwner, 503, "no live node owns the repo now", ""},
	{OwnerMoved, 503, "the repo has just got another owner", "ownership has just moved; try again"},
	{OwnerUnreachable, 503, "the owner does not answer", "another node takes over within seconds; try again"},
	{NoCopy, 503, "no node that lives has a copy", ""},
	{Busy, 503, "too much is asked for at once", "try again in some seconds"},
	{NotFresh, 503, "what is served is not known to be as new as it is wanted", "gitmirror repo show NAME says when upstream was checked; try again"},
	{WaitOver, 504, "it did not end within the time; it goes on", ""},
	{Failed, 500, "the node failed", ""},

	{Foreign, 403, "a call that is not a node's", ""},
	{OtherCluster, 421, "the call is meant for another cluster", ""},
	{EntryInvalid, 400, "the entry cannot enter the log", ""},
	{NoPast, 404, "the file of what is remembered is not here", ""},
}

var meanings = func() map[Code]Meaning {
	m := make(map[Code]Meaning, len(Meanings))
	for _, meaning := range Meanings {
		m[meaning.Code] = meaning
	}
	return m
}()
