package server

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"gitmirror/api"
	"gitmirror/internal/refusal"
)

// kind is what a request needs before it can be answered.
type kind int

const (
	probe    kind = iota // nothing: it is about this process
	read                 // a state: this node's own, or, with ?consistent=true, the newest
	informed             // a state of which this node must not say "there is none" before it has caught up
	ask                  // to be JSON: it has a node do something at once, and writes nothing down
	write                // the leader, which writes it down
	yield                // the leader, which ends to be that by it
)

// route is one thing that can be asked for. A path ends in the name of what it is about,
// and where a repo is, in a verb.
type route struct {
	method, path string
	kind         kind
	do           func(*Server, http.ResponseWriter, *http.Request) error
	does         string // for docs/api.md, which a test compares
}

const (
	apiPath  = "/api/v1/"
	repoPath = apiPath + "repos/"
	nodePath = apiPath + "nodes/"

	trashPath  = apiPath + "trash/"
	sourcePath = apiPath + "sources/"
)

// routes are everything but /git/.
var routes = []route{
	{http.MethodGet, "/livez", probe, (*Server).livez, "200 while the process runs"},
	{http.MethodGet, "/readyz", probe, (*Server).readyz, "200 when this node can be sent requests; `?noleader` for git alone, which is served without a leader too; `?verbose` lists what was looked at"},
	{http.MethodGet, "/metrics", probe, (*Server).metrics, "what [metrics.md](metrics.md) lists, for Prometheus, as text"},
	{http.MethodGet, apiPath + "status", read, (*Server).status, "the cluster: verdict, nodes, counts of repos by state, troubles"},
	{http.MethodGet, apiPath + "nodes", informed, (*Server).nodes, "the members"},
	{http.MethodGet, nodePath + "{name}", informed, (*Server).node, "one member"},
	{http.MethodDelete, nodePath + "{name}", write, (*Server).removeNode, "forget a member that is down; 204. With `accept_loss=true` also where nobody else that lives has a copy of something that it has"},
	{http.MethodPost, nodePath + "{name}:drain", write, (*Server).drain, "have a member give what it has to others, and get nothing new; the member, whose `drain` says how far that is"},
	{http.MethodPost, nodePath + "{name}:undrain", write, (*Server).undrain, "have it keep what it has, and get its share again"},
	{http.MethodPost, apiPath + "cluster/leader:transfer", yield, (*Server).transferLeader, "have another voter lead, `to` a name or to any: who leads then. Nothing is written down, so that a key means nothing"},
	{http.MethodGet, apiPath + "events", informed, (*Server).events, "what happened, by sequence number: the newest `limit` (1 to 1000), or those `after` a number; of a `repo`; `wait=30s` for the next"},
	{http.MethodGet, apiPath + "repos", informed, (*Server).repos, "a page of repos by name: `q` (part of the name, or a glob), `state`, `stale`, `limit` (1 to 1000), `cursor`"},
	{http.MethodPost, apiPath + "repos", write, (*Server).addRepos, "add one repo, 201, or `{\"repos\": [...]}` of up to 1000, each with its own result; `dry_run=true` tells what that would come to"},
	{http.MethodPost, apiPath + "repos:set", write, (*Server).setRepos, "`{\"repos\": [{\"repo\": NAME, ...}]}`: change up to 1000, as PATCH does, each with its own result"},
	{http.MethodPost, apiPath + "repos:remove", write, (*Server).removeRepos, "`{\"repos\": [NAME, ...]}`: delete every copy of up to 1000, each with its own result"},
	{http.MethodPost, apiPath + "repos:sync", ask, (*Server).syncRepos, "`{\"repos\": [NAME, ...]}`: have the upstreams of up to 1000 asked now"},
	{http.MethodGet, repoPath + "{name}", informed, (*Server).repo, "one repo, by a name that leads to it or its URL; with `ending=true` by what its name alone ends in, too"},
	{http.MethodPatch, repoPath + "{name}", write, (*Server).setRepo, "change `" + strings.Join(api.Changeable(), "`, `") + "`"},
	{http.MethodDelete, repoPath + "{name}", write, (*Server).removeRepo, "delete every copy; 204"},
	{http.MethodGet, repoPath + "{name}:refs", informed, (*Server).refs, "a page of refs, live and kept: `q`, `kept`, `limit`, `cursor`"},
	{http.MethodPost, repoPath + "{name}:sync", ask, (*Server).sync, "have upstream asked now; with `wait=30s`, what that came to"},
	{http.MethodPost, repoPath + "{name}:verify", ask, (*Server).verify, "have all nodes that hold it read and check their copies, 202; how far they are, the `upkeep` of each copy says"},
	{http.MethodPost, repoPath + "{name}:gc", ask, (*Server).collect, "have them put their packs in order, in the same way"},
	{http.MethodPost, repoPath + "{name}:approve", write, (*Server).approve, "follow upstream in what is held, as it was shown"},
	{http.MethodPost, repoPath + "{name}:restore", write, (*Server).restore, "set a ref back to a tip that is kept, and pin it"},
	{http.MethodGet, apiPath + "sources", informed, (*Server).sources, "where repos come from: index repositories, and accounts of forges"},
	{http.MethodPost, apiPath + "sources", write, (*Server).addSource, "follow an index: `kind` (index), `url`, `name`, `namespace`, `ref`, `path`; or a forge: `kind` (github, gitlab, gitea, gitee), `account`, `base_url`, `name`, `selection` (`match`, `exclude`, `topics`, `visibility`, `skip_archived`, `skip_forks`, `max_repo_size`, `wiki`, `template`); 201"},
	{http.MethodGet, sourcePath + "{name}", informed, (*Server).source, "one source: its last listing, with errors, and what is held"},
	{http.MethodPatch, sourcePath + "{name}", write, (*Server).setSource, "change `ref`, `path`, `paused`; of a forge `selection`, all of it"},
	{http.MethodPost, sourcePath + "{name}:sync", write, (*Server).syncSource, "have its index asked for and read again, or its forge listed"},
	{http.MethodPost, sourcePath + "{name}:approve", write, (*Server).approveSource, "let it take away what its hold shows: `digest` is that one's"},
	{http.MethodDelete, sourcePath + "{name}", write, (*Server).removeSource, "take its claims back; 204. What nobody else wants is served for seven days more"},
	{http.MethodGet, apiPath + "trash", informed, (*Server).trash, "what was removed and can be restored, the last removed first: `q` (part of the name, or a glob), `limit` (1 to 1000), `cursor`"},
	{http.MethodGet, trashPath + "{name}", informed, (*Server).trashed, "the last that was removed of that name, or URL, or the one with that id"},
	{http.MethodPost, trashPath + "{name}:restore", write, (*Server).restoreRemoved, "bring it back, from the copies that its nodes have in their trash; the repo. Upstream is not asked"},
}

// handler serves all paths to those who may: access is decided before anything of the
// request is looked at.
func (s *Server) handler(by Door) http.Handler {
	mux := http.NewServeMux()
	verbs := map[string]map[string]methods{repoPath: {}, nodePath: {}, trashPath: {}, sourcePath: {}} // of what has a name
	paths := map[string]methods{}
	for _, rt := range routes {
		in, at := paths, rt.path
		for under, of := range verbs {
			if rest, ok := strings.CutPrefix(rt.path, under); ok {
				in, at = of, strings.TrimPrefix(strings.TrimPrefix(rest, "{name}"), ":")
			}
		}
		if in[at] == nil {
			in[at] = methods{}
		}
		in[at][rt.method] = s.handle(rt)
	}
	for path, m := range paths {
		mux.Handle(path, handler(m.serve))
	}
	mux.Handle(repoPath, named("repo", repoPath, verbs[repoPath]))
	mux.Handle(nodePath, named("node", nodePath, verbs[nodePath]))
	mux.Handle(trashPath, named("removed repo", trashPath, verbs[trashPath]))
	mux.Handle(sourcePath, named("source", sourcePath, verbs[sourcePath]))
	mux.HandleFunc("/git/", s.git)
	mux.Handle("/", handler(s.elsewhere))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		s.stamp(w)
		if err := admit(r, by); err != nil {
			refuse(w, err)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// admit decides who may do what, and whether it can be told what is asked for.
func admit(r *http.Request, by Door) error {
	if !strings.HasPrefix(r.URL.Path, "/api/") {
		return nil
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		if err := by.takes(r); err != nil {
			return err
		}
	}
	// url.Values would drop without a word what cannot be read.
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return refusal.New(refusal.QueryInvalid, "the query cannot be read: %s", clip(err.Error()))
	}
	for _, k := range slices.Sorted(maps.Keys(q)) {
		if len(q[k]) > 1 {
			return refusal.New(refusal.QueryInvalid, "%q is there %d times; send it once", clip(k), len(q[k]))
		}
	}
	return nil
}

func (s *Server) handle(rt route) handler {
	do := func(w http.ResponseWriter, r *http.Request) error { return rt.do(s, w, r) }
	counted := func(do handler) handler {
		return func(w http.ResponseWriter, r *http.Request) error {
			note(w, func(m *measured) { m.route = rt.path })
			return do(w, r)
		}
	}
	switch rt.kind {
	case read:
		return counted(s.afterWrites(s.read(do)))
	case informed:
		return counted(s.afterWrites(s.informed(do)))
	case ask:
		return counted(asJSON(s.afterWrites(do)))
	case write:
		return counted(asJSON(s.write(do, s.whileLed)))
	case yield:
		return counted(asJSON(s.write(do, func(ctx context.Context, _ string) (context.Context, context.CancelFunc) { return ctx, func() {} })))
	}
	return counted(do)
}

// named leads to the verbs of what has a name below a path: names have slashes, and a verb
// follows the last colon. %2F equals a slash.
func named(what, under string, verbs map[string]methods) handler {
	known := slices.DeleteFunc(slices.Sorted(maps.Keys(verbs)), func(v string) bool { return v == "" })
	return func(w http.ResponseWriter, r *http.Request) error {
		rest, err := url.PathUnescape(strings.TrimPrefix(r.URL.EscapedPath(), under))
		if err != nil || rest == "" {
			return notFound(what, rest)
		}
		name, verb := rest, ""
		if i := strings.LastIndexByte(rest, ':'); i >= 0 {
			name, verb = rest[:i], rest[i+1:]
		}
		if strings.Contains(verb, "/") { // it is a URL, or a host with its port, as URLs have it
			if name, verb = rest, ""; verbs[""][r.Method] == nil && r.Method != http.MethodHead {
				return notFound(what, rest)
			}
		}
		m, there := verbs[verb]
		if !there {
			return refusal.New(refusal.NoSuchVerb, "there is no verb %q", clip(verb)).Try("the verbs are %s", strings.Join(known, ", "))
		}
		r.SetPathValue("name", name)
		return m.serve(w, r)
	}
}

// methods are what a path can be asked for. Who may GET may HEAD.
type methods map[string]handler

// serve refuses every other method, and says which there are.
func (m methods) serve(w http.ResponseWriter, r *http.Request) error {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if do := m[method]; do != nil {
		return do(w, r)
	}
	there := slices.Sorted(maps.Keys(m))
	if m[http.MethodGet] != nil {
		there = append(there, http.MethodHead)
	}
	return noSuchMethod(w, r, there...)
}

func noSuchMethod(w http.ResponseWriter, r *http.Request, there ...string) error {
	allow := strings.Join(there, ", ")
	w.Header().Set("Allow", allow)
	return refusal.New(refusal.Method, "%s is not possible at %q", clip(r.Method), clip(r.URL.Path)).Try("possible here: %s", allow)
}

func (s *Server) elsewhere(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Path != "/" {
		return refusal.New(refusal.NoSuchPath, "there is nothing at %q", clip(r.URL.Path))
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return noSuchMethod(w, r, http.MethodGet, http.MethodHead)
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = w.Write([]byte("gitmirror\n\n  GET /api/v1/status   the cluster\n  GET /api/v1/repos    what is mirrored\n  git clone http://" + r.Host + "/git/NAME\n"))
	return nil
}
