package refs

import (
	"strconv"
	"strings"
	"time"
)

// KeepFor is how long a tip that upstream rewrote or deleted stays reachable.
const KeepFor = 30 * 24 * time.Hour

const keptPrefix = Private + "kept/"

// LogTime is what the log says the time is, and whether something may be given up
// because of its date: a clock that was wrong a moment ago must cost nothing.
type LogTime struct {
	Now       time.Time
	DatesHold bool
}

// Kept returns the private refs of the next table: those of old that have not
// expired, and one for every tip in lost, the changes that took it away.
// refs/gitmirror/kept/<unix seconds>/heads/topic was refs/heads/topic.
func Kept(old *Table, lost []Change, at LogTime) []Ref {
	now := at.Now
	var kept []Ref
	seen := map[string]bool{}
	for _, r := range old.Refs {
		if r.Public() || at.DatesHold && expired(r.Name, now) {
			continue
		}
		kept = append(kept, r)
		seen[r.Name] = true
	}
	for _, c := range lost {
		name := keptPrefix + strconv.FormatInt(now.Unix(), 10) + "/" + strings.TrimPrefix(c.Ref, "refs/")
		if seen[name] || !ValidName(name) {
			// Two losses of one ref within a second, or a name at the bound: the
			// object's id keeps it apart.
			name = keptPrefix + strconv.FormatInt(now.Unix(), 10) + "-" + c.Old
			if seen[name] {
				continue
			}
		}
		seen[name] = true
		kept = append(kept, Ref{Name: name, OID: c.Old})
	}
	Sort(kept)
	return kept
}

func expired(name string, now time.Time) bool {
	rest, ok := strings.CutPrefix(name, keptPrefix)
	if !ok {
		return false
	}
	stamp, _, _ := strings.Cut(rest, "/")
	stamp, _, _ = strings.Cut(stamp, "-")
	sec, err := strconv.ParseInt(stamp, 10, 64)
	return err == nil && now.Sub(time.Unix(sec, 0)) > KeepFor
}
