package node

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"gitmirror/internal/bodylimit"
	"gitmirror/internal/descriptors"
	"gitmirror/peer"
	"gitmirror/server"
)

// peerPort is the HTTP side of the peer port: it greets until the node is put together.
type peerPort struct {
	http *http.Server
	now  atomic.Pointer[http.Handler]
}

func (p *peerPort) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*p.now.Load()).ServeHTTP(w, r) }

func (p *peerPort) serve(h http.Handler) { p.now.Store(&h) }

// servePeers answers on the peer port from now on.
func (n *node) servePeers() *peerPort {
	p := &peerPort{}
	p.serve(peer.Greet(n.id.Cluster, n.greeter))
	l := descriptors.NewGate(n.port.HTTP(), descriptors.Ours().Peers)
	p.http = &http.Server{Handler: bodylimit.Handler(bodyBound, p), ConnState: l.State, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelDebug)}
	go func() {
		if err := p.http.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			n.log.Debug("peer port stopped serving", "err", err)
		}
	}()
	return p
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
