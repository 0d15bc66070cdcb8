package ring

import "math/bits"

// mix spreads its input over 64 bits (the finaliser of MurmurHash3, Stafford's
// variant 13).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// distance says how far a repo is from a node, without regard to the node's
// size. It falls like an exponential variable, which is what makes the smallest
// distance/share land on each node as often as its share says.
func distance(hash, seed uint64) uint64 { return distanceOf(lot(hash, seed)) }

// lot is what a repo draws for a node: a hash in (0, 1], in 2^-64.
func lot(hash, seed uint64) uint64 { return mix(hash^seed) | 1 }

// distanceOf is -log2 of a lot, in 2^-24.
func distanceOf(lot uint64) uint64 { return 64<<logBits - log2(lot) }

// leastDistanceOf is no more than distanceOf, and near it where that is small, but is had
// without a logarithm: -log2(x) is at least 1.44 (1-x), and log2 rounds down.
func leastDistanceOf(lot uint64) uint64 { return ^lot >> (64 - logBits) * 23 >> 4 }

// score is distance over share: the smallest wins.
func (p *planner) score(repo int, m int) uint64 {
	n := &p.members[m]
	return distance(p.repos[repo].Hash, n.seed) * n.inverse
}

const (
	logBits  = 24
	logSteps = 1 << 10
)

// logTable holds log2(1 + i/logSteps) in 2^-24.
var logTable = func() (t [logSteps + 1]uint32) {
	for i := range logSteps {
		t[i] = uint32(logOf(uint64(1)<<31 + uint64(i)<<21))
	}
	t[logSteps] = 1 << logBits
	return t
}()

// logOf returns log2(x / 2^31) for x in [2^31, 2^32), bit by bit: squaring
// doubles the logarithm.
func logOf(x uint64) uint64 {
	var log uint64
	for bit := uint64(1) << (logBits - 1); bit > 0; bit >>= 1 {
		if x = x * x >> 31; x >= 1<<32 {
			x >>= 1
			log |= bit
		}
	}
	return log
}

// log2 returns log2(x) in 2^-24, between two steps of the table by a straight
// line.
func log2(x uint64) uint64 {
	exponent := uint64(63 - bits.LeadingZeros64(x))
	mantissa := x << (63 - exponent) << 1 // without the leading one
	i := mantissa >> 54
	low, high := uint64(logTable[i]), uint64(logTable[i+1])
	between := mantissa << 10 >> 40 // 24 bits
	return exponent<<logBits + low + (high-low)*between>>24
}

// mulShift returns a*b in 2^-32.
func mulShift(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi<<32 | lo>>32
}

// mulDiv returns a*b/c without overflow in between, at most the largest
// number.
func mulDiv(a, b, c uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	if hi >= c {
		return 1<<64 - 1
	}
	quotient, _ := bits.Div64(hi, lo, c)
	return quotient
}
