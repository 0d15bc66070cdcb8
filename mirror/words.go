package mirror

import (
	"gitmirror/internal/policy"
	"gitmirror/mirror/maintain"
	"gitmirror/mirror/schedule"
	"gitmirror/mirror/sync"
	"gitmirror/mirror/work"
)

// What callers say to this package, and hear from it, is said in the words of the
// rooms below.
type (
	Assignment = work.Assignment
	Policy     = policy.Policy
	Role       = work.Role
	Approval   = work.Approval
	Release    = work.Release
	Pin        = work.Pin
	Generation = work.Generation
	Hold       = work.Hold
	Moved      = work.Moved
	SyncResult = work.Answer

	Rows      = schedule.Rows
	Freshness = schedule.Freshness

	Upkeep = maintain.Status
	Job    = maintain.Job

	Publisher    = sync.Publisher
	Candidate    = sync.Candidate
	CommitStatus = sync.CommitStatus
	Locator      = sync.Locator
	Upstream     = sync.Upstream
	Holder       = sync.Holder
	Holders      = sync.Holders
	Expected     = sync.Expected
	Pinned       = sync.Pinned
	Fetch        = sync.Fetch
)

// See package work.
const (
	Owner   = work.Owner
	Replica = work.Replica
)

// What people may ask for, see package maintain.
var (
	Verify  = []Job{maintain.Read, maintain.Check}
	Collect = []Job{maintain.Gather}
)

// See package sync.
const (
	Unknown   = sync.Unknown
	Committed = sync.Committed
	Overtaken = sync.Overtaken
	Refused   = sync.Refused
)

// ErrNoPast says that a node does not have the file of a table's past.
var ErrNoPast = sync.ErrNoPast
