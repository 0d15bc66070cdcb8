// Package serve answers git clients over smart HTTP from a mirror's active
// generation. What refs there are is answered here, from the ref table, so
// that refs and HEAD are of one moment; packs are made by git upload-pack.
//
// It speaks protocol versions 0 and 2, shallow and partial clones included. It
// never receives a push.
package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"gitmirror/internal/disk"
	"gitmirror/internal/gitanswer"
	"gitmirror/internal/gitbody"
	"gitmirror/internal/spool"
	"gitmirror/mirror/git"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
	"gitmirror/mirror/wire"
)

// Server makes answers. It is safe for concurrent use.
type Server struct {
	git   *git.Runner // nil where there is none
	here  Sender      // then
	packs *places     // of clients
	peers *places     // of peers: clients must not stop replication
	heavy *places     // of clients, for large requests, which cost git seconds

	bodies, peerBodies *spool.Pool

	caps  []string        // of protocol 2, behind "version 2" and the agent
	fetch map[string]bool // features of its fetch
	agent string
	log   *slog.Logger

	suspect func(r *store.Repo, err error)
}

// Config is what a Server needs.
type Config struct {
	Git     *git.Runner // nil where there is none: then packs are made for peers alone, by Sender
	Sender  Sender
	Disk    *disk.Disk
	Scratch string // an empty directory
	Agent   string // what we call ourselves to clients
	Packs   int64  // made at once for clients, and as many for peers
	// Room says why the disk takes no more; nil where it does. May be nil.
	Room func() error
	// Suspect is told of a repository whose own tips could not be packed. It must
	// not block.
	Suspect func(r *store.Repo, err error)
	Log     *slog.Logger
}

// New asks git what its upload-pack can do, so that we promise just that.
func New(ctx context.Context, cfg Config) (*Server, error) {
	runner, scratch := cfg.Git, cfg.Scratch
	s := &Server{git: runner, here: cfg.Sender, packs: newPlaces(cfg.Packs), peers: newPlaces(cfg.Packs), heavy: newPlaces(max(cfg.Packs/4, 1)), agent: cfg.Agent, log: cfg.Log, suspect: cfg.Suspect,
		bodies: gitbody.NewPool(cfg.Disk, scratch, "requests of clients", cfg.Room), peerBodies: gitbody.NewPool(cfg.Disk, scratch, "requests of peers", cfg.Room)}
	if runner == nil {
		s.caps, s.fetch = capsHere, map[string]bool{}
		return s, nil
	}
	if err := runner.Command(ctx, scratch, "init", "--quiet", "--bare", "--template=", ".").RunCaptured(); err != nil {
		return nil, fmt.Errorf("make scratch repository: %w", err)
	}
	cmd := runner.Command(ctx, scratch, "upload-pack", "--http-backend-info-refs", ".")
	cmd.Env = append(cmd.Env, "GIT_PROTOCOL=version=2")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("ask git for its capabilities: %w", err)
	}
	caps, ok, err := wire.ParseCapabilities(out)
	if err != nil || !ok {
		return nil, fmt.Errorf("git upload-pack does not speak protocol 2: %w", err)
	}
	for _, name := range []string{"ls-refs", "fetch", "server-option", "object-format"} {
		if v, ok := caps[name]; ok && v != "" {
			s.caps = append(s.caps, name+"="+v)
		} else if ok {
			s.caps = append(s.caps, name)
		}
	}
	s.fetch = map[string]bool{}
	for feature := range strings.FieldsSeq(caps["fetch"]) {
		s.fetch[feature] = true
	}
	return s, nil
}

// Packs counts the packs that are being made for clients, and those that wait for a place.
func (s *Server) Packs() (running, waiting int) { return s.packs.load() }

// View is what a client is shown of a repository.
type View struct {
	Repo           *store.Repo
	Table          *refs.Table
	IncludePrivate bool // show private refs too: for peers, who copy everything
}

// Advertise answers GET info/refs?service=git-upload-pack.
func (s *Server) Advertise(w http.ResponseWriter, r *http.Request, v View) {
	h := w.Header()
	noCache(h)
	h.Set("Content-Type", "application/x-git-upload-pack-advertisement")
	b := bufio.NewWriterSize(w, 64<<10) // a client that reads slowly costs no more than that
	out := wire.NewWriter(b)
	out.Line("# service=git-upload-pack\n")
	out.Flush()
	if version2(r) {
		out.Line("version 2\n")
		out.Line("agent=%s\n", s.agent)
		for _, c := range s.caps {
			out.Line("%s\n", c)
		}
		out.Flush()
	} else {
		s.advertiseV0(out, v)
	}
	_ = b.Flush()
}

func version2(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Git-Protocol"), ":") {
		if part == "version=2" {
			return true
		}
	}
	return false
}

// v0caps are what upload-pack offers in version 0 with our configuration.
const v0caps = "multi_ack thin-pack side-band side-band-64k ofs-delta shallow deepen-since deepen-not deepen-relative " +
	"no-progress include-tag multi_ack_detailed allow-tip-sha1-in-want allow-reachable-sha1-in-want no-done filter object-format=sha1"

func (s *Server) advertiseV0(out *wire.Writer, v View) {
	caps := "\x00" + v0caps
	if t := v.Table.Head.Target(); t != "" && v.Table.HeadOID() != "" {
		caps += " symref=HEAD:" + t
	}
	caps += " agent=" + s.agent
	line := func(oid, name string) {
		out.Line("%s %s%s\n", oid, name, caps)
		caps = ""
	}
	if oid := v.Table.HeadOID(); oid != "" {
		line(oid, "HEAD")
	}
	for _, ref := range v.Table.Refs {
		if !v.IncludePrivate && !ref.Public() {
			continue
		}
		line(ref.OID, ref.Name)
		if ref.Peeled != "" {
			line(ref.Peeled, ref.Name+"^{}")
		}
	}
	if caps != "" {
		line(strings.Repeat("0", 40), "capabilities^{}")
	}
	out.Flush()
}

func noCache(h http.Header) {
	h.Set("Cache-Control", "no-cache, max-age=0, must-revalidate")
	h.Set("X-Content-Type-Options", "nosniff")
}

// UploadPack answers POST git-upload-pack: ls-refs from the table, anything
// else through git. It returns when the answer is complete or the client gone.
// An error means that nothing was written, because the repository is gone, or
// cannot make the pack (a *FailedError): somebody else may.
func (s *Server) UploadPack(w http.ResponseWriter, r *http.Request, v View) error {
	if ct := r.Header.Get("Content-Type"); ct != "application/x-git-upload-pack-request" {
		http.Error(w, "expected Content-Type application/x-git-upload-pack-request", http.StatusUnsupportedMediaType)
		return nil
	}
	body, release, err := s.body(r, v)
	if err != nil {
		gitbody.Refuse(w, err, func(w http.ResponseWriter, status int, message string) { http.Error(w, message, status) })
		return nil
	}
	defer release()
	noCache(w.Header())
	w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
	nonsense := func(err error) error {
		http.Error(w, "the request is not the git protocol: "+err.Error(), http.StatusBadRequest)
		return nil
	}
	asked, err := read(body, newGrammar(version2(r), s.fetch))
	switch {
	case err != nil:
		return nonsense(err)
	case asked.filter != "":
		refuseFilter(w, asked.filter)
		return nil
	}
	command := "fetch"
	p := packetsOf(body)
	if version2(r) {
		if command, err = readCommand(p); err != nil {
			return nonsense(err)
		}
	}
	if command == "ls-refs" {
		q, err := wire.ReadLsRefs(p)
		if err != nil {
			return nonsense(err)
		}
		out := bufio.NewWriterSize(w, 64<<10)
		answerLsRefs(wire.NewWriter(out), q, v)
		_ = out.Flush()
		return nil
	}
	switch {
	case command != "fetch":
		return nonsense(fmt.Errorf("there is no command %.40q", command))
	case asked.wrong != "":
		return nonsense(errors.New(asked.wrong))
	case asked.many:
		return nonsense(fmt.Errorf("it has more than %d shallow lines, or %d arguments besides those, wants and haves", manyShallows, manyArguments))
	}
	switch {
	case s.git == nil && !v.IncludePrivate:
		return ErrNoGit
	case s.git == nil && !version2(r):
		return nonsense(errors.New("it is not of version 2, and this node has no git, which knows others"))
	case s.git == nil:
		return s.packHere(w, r, v, body)
	case !version2(r):
		return s.pack(w, r, v, body, "")
	}
	return s.pack(w, r, v, body, "version=2")
}

// body is the request, which release gives back: one that was kept before, or one that
// is kept now.
func (s *Server) body(r *http.Request, v View) (body *spool.Body, release func(), err error) {
	if kept, ok := r.Body.(*spool.Replay); ok {
		return kept.Whole, func() {}, nil
	}
	pool := s.bodies
	if v.IncludePrivate {
		pool = s.peerBodies
	}
	if body, err = gitbody.Read(pool, r); err != nil {
		return nil, nil, err
	}
	return body, body.Close, nil
}

// Bodies is the budget of clients' requests.
func (s *Server) Bodies() *spool.Pool { return s.bodies }

// includePrivate keeps git from showing what we do not, should it ever be asked.
var includePrivate = []git.Setting{{Key: "transfer.hideRefs", Value: strings.TrimSuffix(refs.Private, "/")}}

// pack runs git upload-pack on the repository. When it fails after the first byte, the
// answer ends with an error packet, or, where it cannot hold one, with the connection: a
// client must not take a short pack for a whole one.
func (s *Server) pack(w http.ResponseWriter, r *http.Request, v View, body *spool.Body, protocol string) error {
	all := s.packs
	if v.IncludePrivate {
		all = s.peers
	}
	turn := r.Context()
	if body.Len() > heavyRequest && !v.IncludePrivate {
		heavy, err := s.heavy.take(turn)
		if err != nil {
			panic(http.ErrAbortHandler) // the client has gone
		}
		defer heavy.release()
		turn = heavy
	}
	ctx, err := all.take(turn)
	if err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
	defer ctx.release()
	release, err := v.Repo.Acquire()
	if err != nil {
		return err
	}
	defer release() // again, where git does not start
	defer v.Repo.Read()()
	cmd := s.git.CommandWith(ctx, v.Repo.Dir(), includePrivate, "upload-pack", "--strict", "--stateless-rpc", ".")
	cmd.WaitDelay = 0 // git may end long before a client has taken the last of it; each write has its own end
	if protocol != "" {
		cmd.Env = append(cmd.Env, "GIT_PROTOCOL="+protocol)
	}
	out := &flushWriter{w: w, flusher: http.NewResponseController(w), place: ctx}
	cut := make(chan struct{})
	// A write that waits for a slow client ends with its place.
	keep := context.AfterFunc(ctx, func() {
		defer close(cut)
		patience := time.Duration(0)
		if ending(ctx) != nil {
			patience = lastWords
		}
		_ = out.flusher.SetWriteDeadline(time.Now().Add(patience))
	})
	defer func() {
		if !keep() {
			<-cut
		}
		_ = out.flusher.SetWriteDeadline(time.Time{})
	}()
	packets := gitanswer.New(ctx.writer(out), body.First(4<<10))
	hold := &holding{out: packets, until: time.Now().Add(holdFor)}
	tail := &git.Tail{}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = withoutRepeats(body), hold, tail
	err = cmd.Start()
	release() // git stands in the directory, wherever that goes: a slow client keeps it from nobody
	if err == nil {
		err = cmd.Wait()
	}
	if err == nil {
		if !hold.open {
			_ = hold.release() // a client that has gone by now is nobody's failure
		}
		return nil
	}
	failed := cmd.Failed(err, tail)
	s.log.Debug("upload-pack failed", "repo", v.Repo.Name(), "err", failed)
	if why := ending(ctx); why != nil && out.err == nil && hold.open {
		out.place = context.WithoutCancel(ctx)
		fail(packets, why.Error())
		return nil
	}
	if ctx.Err() != nil || out.err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
	answer := &FailedError{Reason: tail.String(), held: hold.held}
	ours := asksForOurs(body, newGrammar(protocol != "", s.fetch), v.Table, answer.Reason)
	if ours && !git.OutOfMemory(failed) { // which says nothing of the copy
		s.suspect(v.Repo, failed)
	}
	switch {
	case hold.open:
		fail(packets, "the pack of "+v.Repo.Name()+" broke off, clone or fetch again: "+failed.Error())
	case ours:
		return answer
	case isOfTheRequest(answer.Reason) && !answer.says():
		http.Error(w, "the request is not the git protocol: "+answer.Reason, http.StatusBadRequest)
	default:
		answer.Answer(w)
	}
	return nil
}

// fail ends an answer that has begun, with words where it can hold them.
func fail(packets *gitanswer.Writer, why string) {
	if !packets.Fail(why) {
		panic(http.ErrAbortHandler)
	}
}

// lastWords is how long a write may take that was under way when this node stopped.
const lastWords = time.Second

// ending is why this node ends its answers, nil while it does not: net/http gives no
// reason when a client has gone, and a client that lost its place takes nothing.
func ending(ctx context.Context) error {
	why := context.Cause(ctx)
	if why == nil || errors.Is(why, context.Canceled) || errors.Is(why, errSlow) {
		return nil
	}
	return why
}

// slowClient is how long a client may take for one write, 32 KiB at most, before
// its place goes to another.
const slowClient = 2 * time.Minute

// flushWriter passes every write on at once: a client shows progress, and
// knows that we live.
type flushWriter struct {
	w       io.Writer
	flusher *http.ResponseController
	place   context.Context // nothing is written when it has ended
	err     error           // of a write: the client has gone
}

func (f *flushWriter) Write(p []byte) (int, error) {
	_ = f.flusher.SetWriteDeadline(time.Now().Add(slowClient)) // recorders know no deadlines
	// The deadline first: a place that ends later ends it too.
	if err := f.place.Err(); err != nil {
		return 0, err
	}
	n, err := f.w.Write(p)
	if err == nil {
		err = f.flusher.Flush()
	}
	if err != nil {
		f.err = err
	}
	return n, err
}
