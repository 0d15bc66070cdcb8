package node

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"gitmirror/internal/bodylimit"
	"gitmirror/internal/descriptors"
	"gitmirror/peer"
	"gitmirror/server"
)

// servePeers answers on the peer port from now on; what needs the other parts
// answers once they are built.
func (n *node) servePeers() *http.Server {
	late := func(pick func(*parts) http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p := n.built.Load()
			if p == nil {
				http.Error(w, "this node is starting", http.StatusServiceUnavailable)
				return
			}
			pick(p).ServeHTTP(w, r)
		})
	}
	h := peer.Handlers{
		Cluster: n.id.cluster,
		Node:    n.member,
		Git:     late(func(p *parts) http.Handler { return server.ByID(p.copies.OpenAll) }),
		Serve:   late(func(p *parts) http.Handler { return p.server.ServeLocal() }),
		API:     late(func(p *parts) http.Handler { return p.server.Forwarded() }),
	}
	l := descriptors.NewGate(n.port.HTTP(), descriptors.Ours().Peers)
	s := &http.Server{Handler: bodylimit.Handler(bodyBound, h.Handler()), ConnState: l.State, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelDebug)}
	go func() {
		if err := s.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			n.log.Debug("peer port stopped serving", "err", err)
		}
	}()
	return s
}
