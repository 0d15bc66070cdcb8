package cli

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gitmirror/api"
)

// unpacked are the files of an archive.
func unpacked(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(zip); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(h.Name, "gitmirror-debug/")] = string(data)
	}
}

// The archive has what the cluster says, without secrets; without names where that is wanted;
// what could not be had is named.
func TestDebugBundle(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte("token: abc123\nhttp: 1.2.3.4:5\nnote: https://me:hunter2@git.secret.example/x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var f *fake
	f = fakeNode(t, func(_ int, r request) any {
		switch {
		case strings.HasPrefix(r.line, "GET /api/v1/status"):
			return api.Status{ClusterID: "c", Verdict: api.Healthy, Nodes: []api.Node{{Name: "n1", HTTP: f.URL, Peer: "127.0.0.1:1"}, {Name: "n2", HTTP: "http://127.0.0.1:1"}}}
		case strings.HasPrefix(r.line, "GET /api/v1/repos"):
			return api.RepoList{Repos: []api.Repo{{Name: "git.secret.example/acme/big", URLs: []string{"https://git.secret.example/acme/big"}, Moved: &api.Moved{From: "https://git.secret.example/acme/big", To: "https://moved.secret.example/acme/there"},
				Error: &api.RepoError{Class: "network", Message: "lookup git.secret.example: no such host"}}}}
		}
		if strings.HasPrefix(r.line, "GET /api/v1/events") {
			return api.EventList{Events: []api.Event{{Seq: 7, Type: "failing", Repo: "git.secret.example/acme/big"},
				{Type: "repo_removed", Repo: "git.gone.example/acme/big-one"}, {Type: "repo_renamed", Repo: "now", Detail: "was acme/big-before"},
				{Type: "redirected", Repo: "now", Detail: "https://gone.secret.example/acme/left to https://new.secret.example/acme/right"},
				{Type: "upstream_moved", Repo: "now", Detail: "https://git.secret.example/acme/big-elsewhere"}}}
		}
		return "fine"
	})
	for _, anonymous := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "b.tar.gz")
		args := []string{"debug", "bundle", path, "--addr", f.URL, "--data", dir}
		if anonymous {
			args = append(args, "--anonymous")
		}
		r := run(t, args...).want(t, exitOK)
		contains(t, "stdout", r.out, path)
		contains(t, "stderr", r.err, "Not in it: nodes/n2/livez.txt")
		files := unpacked(t, path)
		all := ""
		for name, want := range map[string]string{"MANIFEST.txt": "not in it: nodes/n2/metrics.txt", "status.json": `"cluster_id": "c"`, "repos.json": "no such host", "events.json": `"seq": 7`, "version.json": "go1", "doctor.json": `"checks"`,
			"nodes/n1/livez.txt": "fine", "nodes/n1/readyz.txt": "200 OK", "nodes/n1/metrics.txt": "fine", "here/config.yaml": "http: 1.2.3.4:5"} {
			if !strings.Contains(files[name], want) {
				t.Errorf("%s: %q, want %q", name, files[name], want)
			}
		}
		for _, data := range files {
			all += data
		}
		for _, no := range []string{"abc123", "hunter2"} {
			if strings.Contains(all, no) {
				t.Errorf("%s is in it", no)
			}
		}
		if strings.Contains(all, "acme/big") == anonymous || strings.Contains(all, "git.secret.example") == anonymous || anonymous && (strings.Contains(all, "acme") || strings.Contains(all, "secret.example")) {
			t.Errorf("anonymous %v: %s", anonymous, all)
		}
		if run(t, args...).want(t, exitFailed).err == "" {
			t.Error("a file that is there is written over")
		}
	}
}

// A node that is frozen takes calls and says nothing: the archive is of what else there is.
func TestDebugBundleOfAFrozenNode(t *testing.T) {
	frozen, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes what nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Close()
	path := filepath.Join(t.TempDir(), "b.tar.gz")
	r := run(t, "debug", "bundle", path, "--addr", "http://"+frozen.Addr().String(), "--timeout", "200ms").want(t, exitOK)
	contains(t, "stderr", r.err, "Not in it: status.json", "Not in it: repos.json", "Not in it: events.json")
	if files := unpacked(t, path); files["version.json"] == "" || files["doctor.json"] == "" {
		t.Errorf("%d files", len(files))
	}
}
