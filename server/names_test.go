package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"gitmirror/internal/giturl"
)

// Whatever a mirror may be called, what git and git-lfs ask for leads to it, however its address is written.
func FuzzPathsOfGit(f *testing.F) {
	f.Fuzz(func(t *testing.T, name string) {
		if name = giturl.NormalName(name); giturl.CheckName(name) != nil {
			return
		}
		for _, path := range []string{(&url.URL{Path: "/git/" + name}).EscapedPath(), "/git/" + url.PathEscape(name), (&url.URL{Path: "/git/" + name + ".git"}).EscapedPath()} {
			for _, op := range []string{"info/refs", "git-upload-pack", "git-receive-pack"} {
				var got gitRequest
				var is, lfs bool
				mux := http.NewServeMux()
				mux.HandleFunc("/git/", func(_ http.ResponseWriter, r *http.Request) {
					got, is = parseGit(r)
					_, lfs = lfsName(r)
				})
				mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path+"/"+op+"?service=git-upload-pack", nil))
				if !is || lfs || got.name != name || got.op != op {
					t.Errorf("%s/%s is taken as %+v (%t), of LFS %t; the name is %q", path, op, got, is, lfs, name)
				}
			}
			r := httptest.NewRequest(http.MethodPost, path+"/info/lfs/objects/batch", nil)
			if got, is := lfsName(r); !is || got != name {
				t.Errorf("LFS of %s is taken as that of %q (%t)", path, got, is)
			}
		}
	})
}
