package fsm

import (
	"fmt"
	"math"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/fsm/command"
	"gitmirror/fsm/snapshot"
	"gitmirror/internal/policy"
)

// How a policy is spelled in the log, and what the log takes of it.

// Policy is how a repo is mirrored, defaults resolved. Rows with equal policies share one
// value.
type Policy struct {
	policy.Policy

	record string // the policy as snapshots write it, without its number there
}

// PolicyCommand is a policy in the log's words.
func PolicyCommand(p policy.Policy) *command.Policy {
	return &command.Policy{Replicas: uint32(p.Replicas), IntervalMs: p.Interval.Milliseconds(), RefPrefixes: p.RefPrefixes,
		MaxSize: p.MaxSize, MaxObjectSize: p.MaxObject, Accept: p.Accept}
}

func policyOf(p *command.Policy) policy.Policy {
	const most = math.MaxInt64 / int64(time.Millisecond)
	interval := time.Duration(max(-most, min(p.GetIntervalMs(), most))) * time.Millisecond
	return policy.Policy{Replicas: int(p.GetReplicas()), Interval: interval, RefPrefixes: p.GetRefPrefixes(),
		MaxSize: p.GetMaxSize(), MaxObject: p.GetMaxObjectSize(), Accept: p.GetAccept()}
}

// ChangeCommand is a change of a repo's policy in the log's words.
func ChangeCommand(repo string, c policy.Change) *command.SetPolicy {
	set := &command.SetPolicy{Repo: repo, MaxSize: c.MaxSize, MaxObjectSize: c.MaxObject}
	if c.Accept != nil {
		set.Accept = &command.Flaws{Ids: *c.Accept}
	}
	if c.Replicas != nil {
		set.Replicas = proto.Uint32(uint32(*c.Replicas))
	}
	if c.Interval != nil {
		set.IntervalMs = proto.Int64(c.Interval.Milliseconds())
	}
	return set
}

func changeOf(c *command.SetPolicy) policy.Change {
	change := policy.Change{MaxSize: c.MaxSize, MaxObject: c.MaxObjectSize}
	if c.Accept != nil {
		ids := c.GetAccept().GetIds()
		change.Accept = &ids
	}
	asked := policyOf(&command.Policy{Replicas: c.GetReplicas(), IntervalMs: c.GetIntervalMs()})
	if c.Replicas != nil {
		change.Replicas = &asked.Replicas
	}
	if c.IntervalMs != nil {
		change.Interval = &asked.Interval
	}
	return change
}

// AdmitChange refuses what members of a cluster of that format do not know.
func AdmitChange(c policy.Change, format uint32) error {
	if c.Replicas != nil || c.Interval != nil {
		if err := needs(formatChanges, "other copies and intervals of a repository", format); err != nil {
			return err
		}
	}
	if c.Interval != nil && *c.Interval == 0 {
		if err := needs(formatRhythm, "intervals that are learned", format); err != nil {
			return err
		}
	}
	return AdmitPolicy(c.Of(policy.Policy{}), format)
}

// AdmitPolicy refuses what members of a cluster of that format do not know.
func AdmitPolicy(p policy.Policy, format uint32) error {
	switch {
	case len(p.Accept) > 0:
		return needs(formatFlaws, "flaws of a repository", format)
	case p.MaxSize != 0 || p.MaxObject != 0:
		return needs(formatLimits, "limits of a repository", format)
	}
	return nil
}

// visible is what members of a cluster of that format see of a policy: the rest counts
// for nobody.
func visible(p policy.Policy, format uint32) policy.Policy {
	if format < formatLimits {
		p.MaxSize, p.MaxObject = 0, 0
	}
	if format < formatFlaws {
		p.Accept = nil
	}
	if format < formatRhythm && p.Interval == 0 {
		p.Interval = policy.FirstInterval
	}
	return p
}

const (
	maxPrefixes = 64
	maxPrefix   = 512 // bytes
	maxFlaws    = 64
)

// checkPolicy refuses what no release has ever meant.
func checkPolicy(p policy.Policy) error {
	const year = 366 * 24 * time.Hour
	switch {
	case p.Replicas > maxCopies:
		return fmt.Errorf("%d replicas, more than %d", p.Replicas, maxCopies)
	case p.Interval < 0 || p.Interval > year:
		return fmt.Errorf("interval of %s is not between 0 and a year", p.Interval)
	case len(p.RefPrefixes) > maxPrefixes:
		return fmt.Errorf("%d ref prefixes, more than %d", len(p.RefPrefixes), maxPrefixes)
	case p.MaxSize < 0 || p.MaxObject < 0:
		return fmt.Errorf("limits of %d and %d bytes", p.MaxSize, p.MaxObject)
	case len(p.Accept) > maxFlaws:
		return fmt.Errorf("%d flaws, more than %d", len(p.Accept), maxFlaws)
	}
	for _, prefix := range p.RefPrefixes {
		if err := between("ref prefix", prefix, 1, maxPrefix); err != nil {
			return err
		}
	}
	for _, id := range p.Accept {
		if err := between("flaw", id, 1, maxLabel); err != nil {
			return err
		}
	}
	return nil
}

// setPolicy changes how a repo is mirrored.
func (s *State) setPolicy(e entry, c *command.SetPolicy) *command.Outcome {
	item := s.changeRepo(e, &command.RepoChange{Repo: c.GetRepo(), Policy: c})
	return &command.Outcome{Code: item.Code, Message: item.Message}
}

// withChange is a policy with a change, as members of the cluster's format see it.
func (s *State) withChange(p *Policy, c policy.Change) (*Policy, error) {
	if s.tables.format < formatChanges {
		c.Replicas, c.Interval = nil, nil
	}
	changed := c.Of(p.Policy)
	if err := checkPolicy(changed); err != nil {
		return nil, err
	}
	if changed = visible(changed.Resolved(), s.tables.format); changed.Equal(p.Policy) {
		return p, nil
	}
	return s.shared.policy(changed), nil
}

// policyRecord is a policy as a snapshot has it. What releases have added since policies
// became part of a snapshot is there in the log's words, so that it needs no place of its own.
func policyRecord(num uint32, p policy.Policy) *snapshot.Record {
	later := PolicyCommand(p)
	later.Replicas, later.IntervalMs, later.RefPrefixes, later.MaxSize, later.MaxObjectSize, later.Accept = 0, 0, nil, 0, 0, nil
	if proto.Size(later) == 0 {
		later = nil
	}
	return &snapshot.Record{Kind: &snapshot.Record_Policy{Policy: &snapshot.Policy{
		Num: num, Replicas: uint32(p.Replicas), IntervalMs: p.Interval.Milliseconds(), RefPrefixes: p.RefPrefixes,
		MaxSize: p.MaxSize, MaxObjectSize: p.MaxObject, Accept: p.Accept, Later: later,
	}}}
}

func recordedPolicy(p *snapshot.Policy) *command.Policy {
	all := &command.Policy{Replicas: p.GetReplicas(), IntervalMs: p.GetIntervalMs(), RefPrefixes: p.GetRefPrefixes(),
		MaxSize: p.GetMaxSize(), MaxObjectSize: p.GetMaxObjectSize(), Accept: p.GetAccept()}
	if p.GetLater() != nil {
		proto.Merge(all, p.GetLater())
	}
	return all
}

func (b *builder) addPolicy(p *snapshot.Policy) error {
	if int(p.GetNum()) != len(b.rows.policies)+1 {
		return damaged("policy %d after %d", p.GetNum(), len(b.rows.policies))
	}
	b.rows.policies = append(b.rows.policies, b.shared.policy(policyOf(recordedPolicy(p))))
	return nil
}
