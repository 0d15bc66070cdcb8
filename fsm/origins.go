package fsm

import (
	"maps"
	"slices"
)

// Origin says whose a setting of a row is.
type Origin struct {
	Setting string    // replicas, interval, refs, upstream, or name or label and which
	Source  SourceNum // 0: people have set it by hand
}

// Origins are those of a row's settings that are not as they usually are. A row that no source claims, or
// has claimed, has none: all of it is people's.
func (v *View) Origins(r *Repo) (list []Origin) {
	of := r.Sourced
	if of == nil {
		return nil
	}
	claims := v.tables.claims.on(r.ID)
	add := func(setting string, byHand, asked bool) {
		switch {
		case byHand:
			list = append(list, Origin{Setting: setting})
		case asked:
			list = append(list, Origin{setting, claims[0].Source})
		}
	}
	oldest := &Claim{Asks: &Policy{}}
	if len(claims) > 0 {
		oldest = claims[0]
	}
	if len(claims) > 0 {
		for _, name := range of.Names {
			list = append(list, Origin{Setting: "name " + name})
		}
	}
	add("upstream", of.Hand || of.ByHand&setUpstream != 0, len(claims) > 0)
	add("replicas", of.ByHand&setReplicas != 0, oldest.Asks.Replicas != 0)
	add("interval", of.ByHand&setInterval != 0, oldest.Asks.Interval != 0 || oldest.Learned)
	add("refs", of.ByHand&setRefs != 0, len(oldest.Asks.RefPrefixes) > 0)
	for _, key := range slices.Sorted(maps.Keys(r.Labels)) {
		if _, byHand := of.Labels[key]; byHand {
			list = append(list, Origin{Setting: "label " + key})
		} else if i := slices.IndexFunc(claims, func(c *Claim) bool { _, has := c.Labels[key]; return has }); i >= 0 {
			list = append(list, Origin{"label " + key, claims[i].Source})
		}
	}
	return list
}
