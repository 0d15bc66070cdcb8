package node

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"gitmirror/internal/bodylimit"
	"gitmirror/peer"
	"gitmirror/server"
)

// answering is the HTTP side of a port, which answers from the process's first moment:
// until the node is put together, that it is starting.
type answering struct {
	http    *http.Server
	now     atomic.Pointer[http.Handler]
	started chan struct{}           // closed when the node's own handler answers
	cut     context.CancelCauseFunc // ends the requests that are left, with what they are told
	done    chan error              // what serving ended with
}

func (a *answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*a.now.Load()).ServeHTTP(w, r)
}

// serve has the node's own handler answer from now on.
func (a *answering) serve(h http.Handler) {
	a.now.Store(&h)
	close(a.started)
}

// answer serves doors from now on, with what first makes of it until serve is called.
func (n *node) answer(at doors, first func(*answering) http.Handler) *answering {
	ctx, cut := context.WithCancelCause(context.Background())
	a := &answering{cut: cut, done: make(chan error, len(at)), started: make(chan struct{})}
	h := first(a)
	a.now.Store(&h)
	a.http = &http.Server{Handler: bodylimit.Handler(bodyBound, a), ConnState: at.state, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelDebug), BaseContext: func(by net.Listener) context.Context { return at.base(ctx, by) }}
	for _, d := range at {
		go func() { a.done <- a.http.Serve(d.Gate) }()
	}
	return a
}

func (a *answering) close() {
	_ = a.http.Close()
	a.cut(nil)
}

// peerHandler is what the node answers its peers when it is put together.
func (n *node) peerHandler() http.Handler {
	return peer.Handlers{
		Cluster: n.id.Cluster,
		Node:    n.member,
		Git:     server.ByID(n.copies.OpenAll),
		Serve:   n.server.ServeLocal(),
		API:     n.server.Forwarded(),
	}.Handler()
}
