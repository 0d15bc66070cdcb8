package api

// Policy is how a repo is mirrored.
type Policy struct {
	Replicas   int   `json:"replicas"`
	IntervalMS int64 `json:"interval_ms"`
	// MaxSize and MaxObjectSize are bytes that the copy and one object may have; 0:
	// what the nodes were started with.
	MaxSize       int64 `json:"max_size"`
	MaxObjectSize int64 `json:"max_object_size"`
	// AcceptFlaws are flaws of objects, by git's ids, which are taken all the same.
	AcceptFlaws []string `json:"accept_flaws"`
}

// AddRepo asks for one repo. URL and URLs are joined; the first is preferred.
type AddRepo struct {
	URL    string            `json:"url,omitempty"`
	URLs   []string          `json:"urls,omitempty"`
	Name   string            `json:"name,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`

	Replicas int    `json:"replicas,omitempty"` // default 2
	Interval string `json:"interval,omitempty"` // like "90s"; default 1m

	MaxSize       int64 `json:"max_size,omitempty"`        // bytes; default: the nodes' limit
	MaxObjectSize int64 `json:"max_object_size,omitempty"` // bytes; default: the nodes' limit

	AcceptFlaws []string `json:"accept_flaws,omitempty"` // like "hasDotgit"; default: none
}

// SetRepo changes a repo's policy; what is null stays as it is.
type SetRepo struct {
	MaxSize       *int64 `json:"max_size,omitempty"`        // bytes; 0: the nodes' limit
	MaxObjectSize *int64 `json:"max_object_size,omitempty"` // bytes; 0: the nodes' limit

	AcceptFlaws *[]string `json:"accept_flaws,omitempty"` // all that are taken from now on
}
