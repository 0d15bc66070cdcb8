package world

import (
	"context"
	"time"

	"google.golang.org/protobuf/proto"

	"gitmirror/api"
	"gitmirror/fsm/command"
	"gitmirror/peer"
)

// strangerSteps are what comes from who has no business there.
var strangerSteps = map[string]func(*run, Step){
	"garbage": (*run).garbage,
}

// garbage has somebody propose an entry for the log that no member can read.
func (r *run) garbage(s Step) {
	n := r.node(s.Node)
	r.work.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		var st api.Status
		if _, err := n.Get(ctx, "/api/v1/status", &st); err != nil || st.ClusterID == "" {
			r.missed(s)
			return
		}
		client := peer.NewClient(r.w.desk, func() string { return st.ClusterID }, nil)
		defer client.Close()
		if _, index, err := client.Propose(ctx, n.peer(), unreadable(s.Other)); err == nil {
			r.violated("%s has appended what nobody can read, as entry %d", n.Name, index)
		}
	})
}

// unreadable is an entry that is none, is of a kind that there is not, or is none of its
// kind.
func unreadable(luck int) []byte {
	envelopes := []*command.Envelope{
		{Number: 1 << 20, Version: 1},
		{Number: 5, Version: 1 << 20},
		{Number: 5, Version: 1, Payload: []byte("\xff\xff\xff")},
	}
	if i := luck % (len(envelopes) + 1); i < len(envelopes) {
		data, err := proto.Marshal(envelopes[i])
		if err != nil {
			panic(err)
		}
		return data
	}
	return []byte("GET / HTTP/1.1\r\n\r\n")
}
