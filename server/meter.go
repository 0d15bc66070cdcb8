package server

import (
	"net/http"
	"slices"
	"time"

	"gitmirror/internal/refusal"
)

// Meter is told what clients were answered, by whatever door, by many at once. It does
// not block. Nothing that a client makes up reaches it.
type Meter interface {
	Answered(a Answer)
	// Cloned is told of an answer to a request for a pack, beside Answered.
	Cloned(source Source, a Answer)
}

// Answer is one answer as it is counted.
type Answer struct {
	Route  string // one of Routes
	Method string // one of Methods
	Code   int    // of HTTP
	Bytes  int64  // of its body, as far as it got
	Took   time.Duration
	Cut    bool // it ended with its connection: the client has gone, or who sent it
}

// Source is whose copy a client got.
type Source string

// The sources.
const (
	SourceLocal Source = "local" // this node's
	SourcePeer  Source = "peer"  // another's, streamed
	SourceNone  Source = "none"
)

// Sources are all of them.
var Sources = []Source{SourceLocal, SourcePeer, SourceNone}

const (
	routeRefs  = "/git/{name}/info/refs"
	routePack  = "/git/{name}/git-upload-pack"
	RouteOther = "other" // what was refused before its route was known, or has none
	otherWay   = "other" // a method that HTTP does not have
)

// Routes are all routes, as answers are counted by.
func Routes() []string {
	list := []string{routeRefs, routePack, RouteOther}
	for _, rt := range routes {
		list = append(list, rt.path)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// Methods are what answers are counted by.
var Methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete, http.MethodOptions, otherWay}

// measured is an answer while it is being written.
type measured struct {
	http.ResponseWriter
	route  string
	pack   bool // is asked for
	source Source
	code   int // 0 before the header is written
	bytes  int64
}

// Unwrap is for http.ResponseController.
func (m *measured) Unwrap() http.ResponseWriter { return m.ResponseWriter }

func (m *measured) WriteHeader(code int) {
	if m.code == 0 && code >= 200 {
		m.code = code
	}
	m.ResponseWriter.WriteHeader(code)
}

func (m *measured) Write(p []byte) (int, error) {
	if m.code == 0 {
		m.code = http.StatusOK
	}
	n, err := m.ResponseWriter.Write(p)
	m.bytes += int64(n)
	return n, err
}

// measure counts the answers of next.
func measure(meter Meter, next http.Handler) http.Handler {
	if meter == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m := &measured{ResponseWriter: w, route: RouteOther, source: SourceNone}
		began, cut := time.Now(), true
		defer func() { // of one that is cut too, which is a panic
			a := Answer{Route: m.route, Method: r.Method, Code: m.code, Bytes: m.bytes, Took: time.Since(began), Cut: cut}
			if a.Code == 0 {
				a.Code = http.StatusOK // nothing was written, which is an answer
			}
			if !slices.Contains(Methods, a.Method) {
				a.Method = otherWay
			}
			meter.Answered(a)
			if m.pack {
				meter.Cloned(m.source, a)
			}
		}()
		next.ServeHTTP(m, r)
		cut = false
	})
}

// note has the answer that is written to w counted as note says, if it is counted.
func note(w http.ResponseWriter, note func(m *measured)) {
	if m, ok := w.(*measured); ok {
		note(m)
	}
}

// bare is what is written to below what counts it: net/http closes the connection of a
// client that sends too much only where it is given its own.
func bare(w http.ResponseWriter) http.ResponseWriter {
	if m, ok := w.(*measured); ok {
		return m.ResponseWriter
	}
	return w
}

// metrics answers Prometheus.
func (s *Server) metrics(w http.ResponseWriter, r *http.Request) error {
	if s.cfg.Metrics == nil {
		return refusal.New(refusal.NoSuchPath, "there is nothing at %q", clip(r.URL.Path))
	}
	s.cfg.Metrics.ServeHTTP(w, r)
	return nil
}
