package past

import (
	"sync"
	"weak"

	"gitmirror/mirror/refs"
)

// mostRecords is how many are known before those that nobody uses are forgotten.
const mostRecords = 64

// Shared has the records that somebody uses: each is read by one at a time, and shared
// with all who want it meanwhile. The zero Shared is empty.
type Shared struct {
	mu      sync.Mutex // who waits finds what the one before has read
	records map[refs.Digest]weak.Pointer[Record]
}

// Record is the one with that digest, which read returns the file of.
func (s *Shared) Record(digest refs.Digest, read func() ([]byte, error)) (*Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if record := s.records[digest].Value(); record != nil {
		return record, nil
	}
	data, err := read()
	if err != nil {
		return nil, err
	}
	record, err := Decode(data, digest)
	if err != nil {
		return nil, err
	}
	if len(s.records) >= mostRecords {
		for d, w := range s.records {
			if w.Value() == nil {
				delete(s.records, d)
			}
		}
	}
	if s.records == nil {
		s.records = map[refs.Digest]weak.Pointer[Record]{}
	}
	s.records[digest] = weak.Make(record)
	return record, nil
}
