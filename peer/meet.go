package peer

import "net/http"

// Word is what a node that waits for a cluster has given to one founder: until it joins, or
// the founder strikes it, it gives its word to nobody else.
type Word struct {
	Founder string `json:"founder"` // node id
	Call    uint64 `json:"call"`    // which of the founder's calls it answers
	Name    string `json:"name"`    // of the founder, for people
	Peer    string `json:"peer"`    // its peer address
}

// Waiting is a node that waits, with others, until one of them founds their cluster.
type Waiting struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Peer   string `json:"peer"`            // its peer address
	Expect int    `json:"expect"`          // how many are to be there
	Word   Word   `json:"word,omitzero"`   // as its node.json has it; zero: it has given none
	Calls  uint64 `json:"calls,omitempty"` // how many it has made itself, as its node.json has it
}

// MeetRequest is one of them as another hears of it.
type MeetRequest struct {
	Waiting Waiting `json:"waiting"`
	Asks    bool    `json:"asks"` // for the word of who hears it, for its own call
}

// MeetAnswer is what the other says.
type MeetAnswer struct {
	Waiting *Waiting `json:"waiting,omitempty"` // nil: it waits for nobody
	Given   bool     `json:"given"`             // its word, for that call
	Known   []string `json:"known,omitempty"`   // peer addresses of others that wait
}

// meet is answered from the first moment, and by who has a cluster too.
func (c calls) meet(g Greeter) {
	c.HandleFunc(pathMeet, only(http.MethodPost, func(w http.ResponseWriter, r *http.Request) {
		var rq MeetRequest
		if !read(w, r, &rq) {
			return
		}
		a, err := g.Meet(rq)
		answer(w, a, err)
	}))
}
