package maintain

import (
	"encoding/json"
	"time"

	"gitmirror/mirror/store"
)

// Record is what is remembered of a copy, beside it on its disk: it outlives the node's process,
// and goes with the copy. The names of its fields are in files.
type Record struct {
	Read    time.Time `json:"read,omitzero"`    // all of it was read and found whole
	Checked time.Time `json:"checked,omitzero"` // git fsck found nothing
	Tended  time.Time `json:"tended,omitzero"`  // its packs were put in order
	Pruned  time.Time `json:"pruned,omitzero"`  // what nothing led to was left out
	Bytes   int64     `json:"bytes,omitzero"`   // of packs, when it was weighed last
	Used    int64     `json:"used,omitzero"`    // of them, by what must stay
	Load    uint64    `json:"load,omitzero"`    // stands for the packs and tips that were weighed
}

// recordOf reads the record of a copy. One that is not there, or cannot be read, is worth a
// verification.
func recordOf(r *store.Repo) (rec Record, known bool) {
	data, err := r.Tended()
	if err != nil {
		return rec, false
	}
	if json.Unmarshal(data, &rec) != nil {
		return Record{}, false
	}
	return rec, true
}

func (rec Record) write(r *store.Repo) error {
	data, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return r.SetTended(append(data, '\n'))
}
