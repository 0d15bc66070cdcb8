package world

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gitmirror/mirror"
	"gitmirror/mirror/failure"
	"gitmirror/mirror/fetch"
	"gitmirror/mirror/proof"
	"gitmirror/mirror/refs"
	"gitmirror/mirror/store"
)

// objects is one node's engine that brings objects. A pack is a list of ids with a digest
// behind it: what a copy has is on its disk, and nowhere else.
type objects struct {
	of      *World
	node    string
	client  *http.Client // to peers, over the node's network
	written func() error // returns when the node's disk has what was fetched
}

var _ mirror.Objects = (*objects)(nil)

var errSpoiled = errors.New("the pack's digest is another")

// packed is the form of a pack.
func packed(ids []string) []byte {
	body := strings.Join(ids, "\n") + "\n"
	sum := sha256.Sum256([]byte(body))
	return []byte(body + hex.EncodeToString(sum[:]) + "\n")
}

func unpacked(data []byte) ([]string, error) {
	i := bytes.LastIndexByte(bytes.TrimSuffix(data, []byte("\n")), '\n')
	sum := sha256.Sum256(data[:i+1])
	if string(data[i+1:]) != hex.EncodeToString(sum[:])+"\n" {
		return nil, errSpoiled
	}
	return strings.Fields(string(data[:i+1])), nil
}

// in is what a repository's packs have, its alternates' included.
func in(dir string) (map[string]bool, error) {
	have := map[string]bool{}
	packs, err := filepath.Glob(filepath.Join(dir, "objects/pack/pack-*.pack"))
	if err != nil {
		return nil, err
	}
	for _, pack := range packs {
		if _, err := os.Stat(strings.TrimSuffix(pack, ".pack") + ".idx"); err != nil {
			continue // git does not see it
		}
		data, err := os.ReadFile(pack)
		if errors.Is(err, fs.ErrNotExist) && dirThere(dir) {
			return in(dir) // others have taken its place: git looks again, too
		}
		if err != nil {
			return nil, failure.Wrap(failure.Disk, err)
		}
		ids, err := unpacked(data)
		if err != nil {
			return nil, failure.Wrap(failure.Corrupt, fmt.Errorf("%s: %w", filepath.Base(pack), err))
		}
		for _, id := range ids {
			have[id] = true
		}
	}
	alternates, err := os.ReadFile(filepath.Join(dir, "objects/info/alternates"))
	if err != nil {
		return have, nil
	}
	more, err := in(filepath.Dir(strings.TrimSpace(string(alternates))))
	maps.Copy(have, more)
	return have, err
}

func dirThere(dir string) bool {
	_, err := os.Stat(dir)
	return err == nil
}

func (o *objects) Absent(_ context.Context, dir string, oids []string) ([]string, error) {
	have, err := in(dir)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(oids), func(id string) bool { return have[id] }), nil
}

func (o *objects) Missing(_ context.Context, dir string, oids, whole []string) ([]string, error) {
	have, err := in(dir)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(oids), func(id string) bool {
		return slices.Contains(whole, id) || o.has(have, id)
	}), nil
}

// has tells whether all that an id leads to is there.
func (o *objects) has(have map[string]bool, id string) bool {
	for c := range o.of.history.closure(id) {
		if !have[c] {
			return false
		}
	}
	return true
}

func (o *objects) Fetch(ctx context.Context, st *store.Staging, src fetch.Source, oids []string) error {
	if len(oids) == 0 {
		return nil
	}
	have, err := in(st.Dir())
	if err != nil {
		return err
	}
	var there map[string]bool
	if src.Way != nil {
		upstream := src.Way.(*way)
		if there, err = upstream.objects(ctx); err == nil && len(have) == 0 {
			o.of.heard.cloned(o.node, nameOf(upstream.of), upstream.url)
		}
	} else {
		there, err = o.atPeer(ctx, src.Peer)
	}
	if err != nil {
		return err
	}
	var news []string
	for _, id := range slices.Sorted(maps.Keys(o.of.history.closure(oids...))) {
		switch {
		case have[id]:
		case !there[id] && slices.Contains(oids, id) && src.Way != nil:
			return src.Way.(*way).of.fails(failure.Protocol, "not our ref "+id)
		case !there[id] && slices.Contains(oids, id):
			return failure.New(failure.Protocol, "not our ref "+id, nil)
		case !there[id]:
			return failure.New(failure.Corrupt, "the upstream's objects are not complete: "+id, nil)
		default:
			news = append(news, id)
		}
	}
	if len(news) == 0 {
		return nil
	}
	if err := o.written(); err != nil {
		return failure.Wrap(failure.Disk, err)
	}
	return writePack(st.Dir(), news)
}

// atPeer is what a peer's copy has: the peer is asked as git asks it, and then its disk is
// looked at.
func (o *objects) atPeer(ctx context.Context, url string) (map[string]bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/info/refs?service=git-upload-pack", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Git-Protocol", "version=2")
	resp, err := o.client.Do(req)
	if err != nil {
		return nil, failure.Wrap(failure.Network, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, failure.New(failure.Network, fmt.Sprintf("the peer answered %s", resp.Status), nil)
	}
	node := o.of.at(req.URL.Host)
	id := url[strings.LastIndexByte(url, '/')+1:]
	dirs, err := filepath.Glob(filepath.Join(node.dir(), "repos", "*", id+".git"))
	if err != nil || len(dirs) != 1 {
		return nil, failure.New(failure.Network, fmt.Sprintf("the peer has %d copies of %s", len(dirs), id), err)
	}
	have, err := in(dirs[0])
	if err != nil {
		return nil, failure.New(failure.Network, "the peer broke off", err)
	}
	return have, nil
}

func (o *objects) Verify(_ context.Context, dir string, tips []string) error {
	have, err := in(dir)
	if err != nil {
		return err
	}
	for id := range o.of.history.closure(tips...) {
		if !have[id] {
			return failure.New(failure.Corrupt, "missing object "+id, nil)
		}
	}
	return nil
}

// Reread knows nothing of a time before: packs here have no checksum.
func (o *objects) Reread(ctx context.Context, dir string, tips []string, _ proof.Proof) (proof.Proof, error) {
	return proof.Proof{}, o.Verify(ctx, dir, tips)
}

func (o *objects) Check(ctx context.Context, dir string, tips []string) error {
	return o.Verify(ctx, dir, tips)
}

func (o *objects) Index(_ context.Context, _, pack string) error {
	return os.WriteFile(strings.TrimSuffix(pack, ".pack")+".idx", nil, 0o444)
}

func (o *objects) Peel(_ context.Context, dir string, list []refs.Ref) error {
	have, err := in(dir)
	if err != nil {
		return err
	}
	for i, r := range list {
		if !have[r.OID] {
			return failure.New(failure.Corrupt, fmt.Sprintf("object %s of %s is missing", r.OID, r.Name), nil)
		}
		if to := o.of.history.peel(r.OID); to != r.OID {
			list[i].Peeled = to
		}
	}
	return nil
}

func (o *objects) Judge(_ context.Context, _ string, changes []refs.Change) error {
	for i, c := range changes {
		if c.Kind == refs.Updated && !o.of.history.leads(c.New, c.Old) {
			changes[i].Kind = refs.Forced
		}
	}
	return nil
}

func (o *objects) IsAncestor(_ context.Context, dir, old, new string) bool {
	have, err := in(dir)
	return err == nil && have[old] && have[new] && o.of.history.leads(new, old)
}

func (o *objects) Unreachable(_ context.Context, _ string, tips []string, keep []refs.Ref) (map[string]bool, error) {
	kept := o.of.history.closure(oidsOf(keep, false)...)
	lost := map[string]bool{}
	for _, t := range tips {
		if !kept[t] {
			lost[t] = true
		}
	}
	return lost, nil
}

func (o *objects) Reached(_ context.Context, dir string, tips []string, list, _ []refs.Ref) (map[string]bool, error) {
	have, err := in(dir)
	if err != nil {
		return nil, err
	}
	live := o.of.history.closure(oidsOf(list, true)...)
	reached := map[string]bool{}
	for _, t := range tips {
		reached[t] = have[t] && live[o.of.history.peel(t)]
	}
	return reached, nil
}

func (o *objects) Unrelated(_ context.Context, dir string, pairs [][2]string) ([]bool, error) {
	have, err := in(dir)
	if err != nil {
		return nil, err
	}
	out := make([]bool, len(pairs))
	for i, p := range pairs {
		out[i] = true
		a, b := o.of.history.closure(p[0]), o.of.history.closure(p[1])
		if have[p[0]] && have[p[1]] {
			for id := range a {
				if b[id] {
					out[i] = false
				}
			}
		}
	}
	return out, nil
}

func (o *objects) Left(_ context.Context, dir string, old, keep []string) ([]int, error) {
	have, err := in(dir)
	if err != nil {
		return nil, err
	}
	kept := o.of.history.closure(slices.DeleteFunc(slices.Clone(keep), func(id string) bool { return !have[id] })...)
	counts := make([]int, len(old))
	for i, id := range old {
		if !have[id] {
			continue
		}
		for c := range o.of.history.closure(id) {
			if !kept[c] {
				counts[i]++
			}
		}
	}
	return counts, nil
}

func oidsOf(list []refs.Ref, public bool) (ids []string) {
	for _, r := range list {
		if !public || r.Public() {
			ids = append(ids, r.OID)
		}
	}
	return ids
}
