// Package bodylimit bounds how long a client may take to send the body of a
// request. http.Server.ReadTimeout would do that too, but goes on counting while
// the request is answered, and ends what takes long for good reasons.
package bodylimit

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// Handler gives the body of each request as long as within, from when its headers
// were read. What has not come by then is an error for whoever reads it, and the
// end of the connection. A body that is whole has no bound any more, however long
// its answer takes.
func Handler(within time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody {
			conn := http.NewResponseController(w)
			if conn.SetReadDeadline(time.Now().Add(within)) == nil { // recorders know no deadlines
				r.Body = &body{ReadCloser: r.Body, whole: func() { _ = conn.SetReadDeadline(time.Time{}) }}
			}
		}
		next.ServeHTTP(w, r)
	})
}

type body struct {
	io.ReadCloser
	whole func()
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.whole()
	}
	return n, err
}
