package server

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
)

const (
	inMemory   = 256 << 10 // of a request; git's for packs are far smaller, as a rule
	maxRequest = 64 << 20  // as much as a copy takes
)

// rewindable is the body of a request that may have to be sent to a second
// holder. What is large is in a file without a name.
type rewindable struct {
	head []byte
	rest *os.File // nil when it is all in head
	size int64    // of rest
}

var errTooLarge = errors.New("the request has more than 64 MiB")

// rewind reads all of a request before it is answered, from whoever it may be.
func rewind(r *http.Request) (_ *rewindable, err error) {
	if r.Method == http.MethodGet {
		return &rewindable{}, nil
	}
	b := &rewindable{}
	if b.head, err = io.ReadAll(io.LimitReader(r.Body, inMemory)); err != nil || len(b.head) < inMemory {
		return b, err
	}
	if b.rest, err = os.CreateTemp("", "gitmirror-request-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.Close()
		}
	}()
	if err := os.Remove(b.rest.Name()); err != nil {
		return nil, err
	}
	if b.size, err = io.Copy(b.rest, io.LimitReader(r.Body, maxRequest)); err != nil {
		return nil, err
	}
	if b.size == maxRequest {
		return nil, errTooLarge
	}
	return b, nil
}

// reader reads the body from its beginning.
func (b *rewindable) reader() io.ReadCloser {
	if b.rest == nil {
		return io.NopCloser(bytes.NewReader(b.head))
	}
	return io.NopCloser(io.MultiReader(bytes.NewReader(b.head), io.NewSectionReader(b.rest, 0, b.size)))
}

// Close lets go of the file.
func (b *rewindable) Close() {
	if b.rest != nil {
		_ = b.rest.Close()
	}
}
