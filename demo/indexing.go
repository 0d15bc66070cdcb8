package demo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"gitmirror/api"
	"gitmirror/internal/upstream"

	"github.com/google/uuid"
)

// source is what the demo's index is called as a source; the names of what it lists begin with it.
const source = "index"

// followIndex has an index repository list the samples, and edits it as people do.
func (d *demo) followIndex(ctx context.Context) error {
	if len(d.Upstreams) > 0 {
		return nil
	}
	d.chapter("Have an index repository say what is mirrored, and edit it")
	extra, err := d.sampleMirror(sample{name: "extra", make: func(e *upstream.Edit) { commits(e, "main", 4) }})
	if err != nil {
		return err
	}
	index, err := d.forge.Repo("lists")
	if err != nil {
		return fmt.Errorf("make the index: %w", err)
	}
	clones := d.clonedUpstream()
	listed := map[string]string{"DEFAULTS": "interval: 1s\nlabels: {from: index}\n"}
	for _, s := range samples() {
		listed[s.name] = "url: " + d.forge.URL(s.name) + "\n"
	}
	write := func(what string, files map[string]string) error {
		return index.Edit(func(e *upstream.Edit) { e.Replace("main", what, files) })
	}
	if err := write("begin", listed); err != nil {
		return err
	}
	c := d.client()
	defer c.Close()
	if _, err := c.AddSource(ctx, api.AddSource{Kind: "index", URL: d.forge.URL("lists"), Name: source, Namespace: source}, uuid.NewString()); err != nil {
		return fmt.Errorf("add the index: %w", err)
	}
	began := time.Now()
	src, err := d.source(ctx, c, func(s *api.Source) bool { return s.State == api.SourceListed && s.Claims == len(samples()) })
	if err != nil {
		return err
	}
	d.say("   %-34s %d listed after %s; each has another name now, %s/…", "it lists what is mirrored already", src.Claims, seconds(time.Since(began)), source)
	for _, edit := range []struct {
		what string
		do   func(map[string]string)
		is   func(*api.Source) bool
		said func(*api.Source) string
	}{
		{"a file more", func(files map[string]string) { files["extra"] = "url: " + extra.url + "\n" },
			func(s *api.Source) bool { return s.Claims == len(samples())+1 },
			func(*api.Source) string { return "it is mirrored as " + source + "/extra" }},
		{"a file in another folder", func(files map[string]string) {
			files["old/linear"] = files["linear"]
			delete(files, "linear")
		}, func(s *api.Source) bool { return s.Listing.Removed == 1 },
			func(*api.Source) string { return "what was cloned stays, as " + source + "/old/linear" }},
		{"a mistake", func(files map[string]string) { files["merges"] = "url: [" },
			func(s *api.Source) bool { return s.Listing.FlawsTotal == 1 },
			func(s *api.Source) string {
				f := s.Listing.Flaws[0]
				return fmt.Sprintf("%s:%d: %s; it is mirrored as before", f.File, f.Line, f.Why)
			}},
		{"all deleted", func(files map[string]string) {
			clear(files)
			files["README"] = "nothing"
		},
			func(s *api.Source) bool { return s.State == api.SourceHeld },
			func(s *api.Source) string {
				return fmt.Sprintf("held: %d of %d would go, and stay until a person approves", s.Hold.Lost, s.Claims)
			}},
		{"and back, without the mistake", func(files map[string]string) { files["merges"] = "url: " + d.forge.URL("merges") + "\n" },
			func(s *api.Source) bool { return s.State == api.SourceListed && s.Listing.FlawsTotal == 0 },
			func(*api.Source) string { return "nothing had to be cloned again" }},
	} {
		next := maps.Clone(listed)
		edit.do(next)
		if err := write(edit.what, next); err != nil {
			return err
		}
		if len(next) > 1 {
			listed = next
		}
		began := time.Now()
		if _, err := c.SyncSource(ctx, source, uuid.NewString()); err != nil {
			return fmt.Errorf("have the index read: %w", err)
		}
		src, err := d.source(ctx, c, edit.is)
		if err != nil {
			return err
		}
		d.say("   %-34s after %-5s %s", edit.what, seconds(time.Since(began)), edit.said(src))
	}
	extra.name = source + "/extra" // it is compared with upstream in the end, as the others are
	d.mirrors = append(d.mirrors, extra)
	if _, err := d.arrival(ctx, extra); err != nil {
		return err
	}
	if err := d.durable(ctx, c, extra); err != nil {
		return err
	}
	if n := d.clonedUpstream(); n != clones+1 {
		return fmt.Errorf("the index had %d repositories cloned from upstream, where one is new", n-clones)
	}
	return nil
}

// durable waits until what is mirrored survives the loss of any node, as one is killed next: that it is shown everywhere says no more
// than that one has it.
func (d *demo) durable(ctx context.Context, c *api.Client, m *mirrored) error {
	return await(ctx, arriveTimeout, m.name+" to be on two nodes", func(ctx context.Context) (bool, error) {
		r, err := c.Repo(ctx, m.name)
		if err != nil {
			return false, err
		}
		return r.Durable, nil
	})
}

// clonedUpstream counts how often what the index lists was cloned from upstream.
func (d *demo) clonedUpstream() (n int) {
	n = d.forge.Count("extra", upstream.KindClone)
	for _, s := range samples() {
		n += d.forge.Count(s.name, upstream.KindClone)
	}
	return n
}

// source waits until the demo's source is as it shall be.
func (d *demo) source(ctx context.Context, c *api.Client, is func(*api.Source) bool) (src *api.Source, err error) {
	err = await(ctx, arriveTimeout, "the index to be followed", func(ctx context.Context) (bool, error) {
		s, err := c.Source(ctx, source)
		if err != nil {
			return false, err
		}
		if src = s; s.Listing == nil || !is(s) {
			return false, errors.New(s.State + ": " + s.Reason)
		}
		return true, nil
	})
	return src, err
}
