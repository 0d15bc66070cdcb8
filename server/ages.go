package server

import (
	"time"

	"gitmirror/api"
	"gitmirror/internal/spread"
	"gitmirror/peer"
)

// ages puts together what owners say of how new what they own is.
type ages struct {
	ages, lags spread.Spread
	unknown    int
}

func (g *ages) join(a peer.LiveAnswer) {
	if g.unknown += a.NoAge; a.Ages != nil {
		g.ages.Join(*a.Ages)
	}
	if a.Lags != nil {
		g.lags.Join(*a.Lags)
	}
}

func (g *ages) freshness() api.Freshness {
	ms := func(s spread.Spread, share float64) int64 {
		return s.Share(share).Round(time.Millisecond).Milliseconds()
	}
	return api.Freshness{
		Repos: g.ages.N, Unknown: g.unknown, HalfMS: ms(g.ages, 0.5), MostMS: ms(g.ages, 0.95), OldestMS: ms(g.ages, 1),
		Changes: g.lags.N, LagHalfMS: ms(g.lags, 0.5), LagMostMS: ms(g.lags, 0.95),
	}
}
