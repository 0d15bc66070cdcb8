package cluster

import (
	"fmt"
	"time"
)

// Timing names how fast a lost leader is noticed. All nodes of a cluster
// should use the same.
type Timing string

// The timings: the shorter, the sooner a new leader, and the more elections
// for nothing on a busy machine or a slow network.
const (
	TimingFast   Timing = "fast"
	TimingNormal Timing = "normal"
	TimingSlow   Timing = "slow"
)

// ParseTiming reads the name of a timing; an empty name is normal.
func ParseTiming(name string) (Timing, error) {
	switch t := Timing(name); t {
	case "":
		return TimingNormal, nil
	case TimingFast, TimingNormal, TimingSlow:
		return t, nil
	default:
		return "", fmt.Errorf("parse timing %q: want %s, %s or %s", name, TimingFast, TimingNormal, TimingSlow)
	}
}

// election is how long a follower waits for a heartbeat, and a candidate for
// votes.
func (t Timing) election() time.Duration {
	switch t {
	case TimingFast:
		return 200 * time.Millisecond
	case TimingSlow:
		return 1500 * time.Millisecond
	default:
		return 500 * time.Millisecond
	}
}

// lease is how long a leader leads without hearing from a majority: as long as followers wait for
// it. One that gave up earlier would end a term that nobody else has given up, where a machine had
// no time for it for a moment. It decides nothing by it: a majority is asked.
func (t Timing) lease() time.Duration { return t.election() }
