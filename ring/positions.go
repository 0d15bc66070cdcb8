package ring

// positions leads from node ids to positions in members.
type positions struct {
	small []int32 // by id
	large map[uint32]int
}

func newPositions(members []member) positions {
	const most = 1 << 16
	t := positions{large: map[uint32]int{}}
	if n := len(members); n > 0 {
		t.small = make([]int32, min(members[n-1].ID, most)+1)
	}
	for i := range t.small {
		t.small[i] = -1
	}
	for i := range members {
		if id := members[i].ID; id < uint32(len(t.small)) {
			t.small[id] = int32(i)
		} else {
			t.large[id] = i
		}
	}
	return t
}

// of is -1 for a node that is not known.
func (t *positions) of(id uint32) int {
	if id < uint32(len(t.small)) {
		return int(t.small[id])
	}
	if m, known := t.large[id]; known {
		return m
	}
	return -1
}
