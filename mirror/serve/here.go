package serve

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"gitmirror/internal/gitanswer"
	"gitmirror/internal/spool"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/wire"
)

// ErrNoGit says that packs for clients are not made here: there is no git.
var ErrNoGit = errors.New("this node has no git to make packs with")

// Sender makes packs in this process, where there is no git: of whole histories, as peers ask for
// them. Of a repository that is cut off at some depth, or filtered, it knows nothing.
type Sender interface {
	// Common returns those of the ids that are in the repository in dir.
	Common(ctx context.Context, dir string, ids []string) ([]string, error)
	// Send writes a pack of all that the wants lead to and the haves do not. Where something is
	// missing, nothing is written.
	Send(ctx context.Context, w io.Writer, dir string, wants, haves []string) error
}

// capsHere is what is offered of protocol 2 where there is no git.
var capsHere = []string{"ls-refs=unborn", "fetch", "object-format=sha1"}

// fetchHere is a request for a pack, as far as it is understood without git.
type fetchHere struct {
	wants, haves []string
	done         bool
}

// readFetch reads the arguments of a fetch, from behind its command line.
func readFetch(p *wire.Reader) (f fetchHere, err error) {
	arguments := false
	for {
		kind, payload, err := p.Next()
		switch {
		case err == io.EOF, err == nil && kind == wire.Flush:
			return f, nil
		case err != nil:
			return f, err
		case kind != wire.Data:
			arguments = true
			continue
		case !arguments:
			continue // capabilities
		}
		line := string(payload)
		if n := len(line); n > 0 && line[n-1] == '\n' {
			line = line[:n-1]
		}
		switch {
		case hasAny(payload, "want ") && wire.IsOID(line[5:]):
			f.wants = append(f.wants, line[5:])
		case hasAny(payload, "have ") && wire.IsOID(line[5:]):
			f.haves = append(f.haves, line[5:])
		case line == "done":
			f.done = true
		case line == "thin-pack", line == "ofs-delta", line == "no-progress", line == "include-tag":
		default:
			return f, errors.New("this node has no git, and does not know " + line)
		}
	}
}

// packHere answers a peer's request for a pack without git.
func (s *Server) packHere(w http.ResponseWriter, r *http.Request, v View, body *spool.Body) error {
	p := packetsOf(body)
	asked := fetchHere{}
	_, err := readCommand(p)
	if err == nil {
		asked, err = readFetch(p)
	}
	if err == nil && len(asked.wants) == 0 {
		err = errors.New("it wants nothing")
	}
	if err != nil {
		http.Error(w, "the request cannot be answered: "+err.Error(), http.StatusBadRequest)
		return nil
	}
	ctx, err := s.peers.take(r.Context())
	if err != nil {
		panic(http.ErrAbortHandler) // the peer has gone
	}
	defer ctx.release()
	release, err := v.Repo.Acquire()
	if err != nil {
		return err
	}
	defer release()
	defer v.Repo.Read()()
	common, err := s.here.Common(ctx, v.Repo.Dir(), asked.haves)
	if err != nil {
		return s.cannot(v, err)
	}
	out := &flushWriter{w: w, flusher: http.NewResponseController(w), place: ctx}
	defer func() { _ = out.flusher.SetWriteDeadline(time.Time{}) }()
	var begin bytes.Buffer // nothing is written before the pack begins: another copy may do better
	first := wire.NewWriter(&begin)
	if !asked.done {
		first.Line("acknowledgments\n")
		for _, id := range common {
			first.Line("ACK %s\n", id)
		}
		if len(common) == 0 { // it may have more to tell
			first.Line("NAK\n")
			first.Flush()
			_, _ = out.Write(begin.Bytes())
			return nil
		}
		first.Line("ready\n")
		first.Delim()
	}
	first.Line("packfile\n")
	answer := gitanswer.New(ctx.writer(out), body.First(4<<10))
	band := &band{to: answer, begin: begin.Bytes()}
	buffered := bufio.NewWriterSize(band, bandBytes)
	err = s.here.Send(ctx, buffered, v.Repo.Dir(), asked.wants, common)
	if err == nil {
		err = buffered.Flush()
	}
	switch {
	case err == nil:
		wire.NewWriter(answer).Flush()
	case out.err != nil || r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // the peer has gone
	case !band.begun:
		return s.cannot(v, err)
	default:
		s.doubt(v, err)
		fail(answer, "the pack of "+v.Repo.Name()+" broke off: "+err.Error())
	}
	return nil
}

// cannot says that a pack could not be made of what this node has.
func (s *Server) cannot(v View, err error) error {
	s.doubt(v, err)
	return &FailedError{Reason: err.Error()}
}

// doubt has a copy tested of which a pack could not be made, unless this node lacks something.
func (s *Server) doubt(v View, err error) {
	s.log.Debug("a pack could not be made", "repo", v.Repo.Name(), "err", err)
	if f := (*failure.Error)(nil); !errors.As(err, &f) || f.Class != failure.OutOfMemory {
		s.suspect(v.Repo, err)
	}
}

// bandBytes is what fits into one packet of a pack.
const bandBytes = 65515

// band writes a pack as packets, behind what comes before it.
type band struct {
	to    io.Writer
	begin []byte
	begun bool
}

func (b *band) Write(p []byte) (int, error) {
	if !b.begun {
		b.begun = true
		if _, err := b.to.Write(b.begin); err != nil {
			return 0, err
		}
	}
	w := wire.NewWriter(b.to)
	for rest := p; len(rest) > 0; {
		n := min(len(rest), bandBytes)
		w.Line("%s", append([]byte{1}, rest[:n]...))
		rest = rest[n:]
	}
	return len(p), w.Err()
}
