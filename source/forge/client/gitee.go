package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"gitmirror/source/forge"
)

// gitee is a client of what is asked of Gitee here: https://gitee.com/api/v5/swagger.
type gitee struct {
	api  string
	http *http.Client
}

func newGitee(api string, c *http.Client) (pager, error) { return gitee{api, c}, nil }

type giteeRepo struct {
	ID        int64  `json:"id"`
	Made      string `json:"created_at"`
	Path      string `json:"path"` // its name in addresses; name is for people
	Namespace struct {
		Path string `json:"path"`
	} `json:"namespace"`
	HTMLURL  string `json:"html_url"` // to be cloned from, with .git
	Public   bool   `json:"public"`
	Private  bool   `json:"private"`
	Internal bool   `json:"internal"`
	Fork     bool   `json:"fork"`
	HasWiki  bool   `json:"has_wiki"`
	Labels   []struct {
		Name string `json:"name"`
	} `json:"project_labels"`
	Status string `json:"status"` // begins with 关闭 where it is closed, which is what others call archived
}

const giteeClosed = "关闭"

func (g gitee) page(ctx context.Context, account string, of sort, n int) (page, error) {
	where, kind := "/orgs/", "all"
	if of == user {
		where, kind = "/users/", "owner"
	}
	query := url.Values{"type": {kind}, "sort": {"full_name"}, "page": {strconv.Itoa(n)}, "per_page": {strconv.Itoa(perPage)}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, g.api+where+url.PathEscape(account)+"/repos?"+query.Encode(), nil)
	if err != nil {
		return page{}, err
	}
	resp, err := g.http.Do(r)
	if err != nil {
		return page{}, err
	}
	defer resp.Body.Close()
	var list []giteeRepo
	if resp.StatusCode != http.StatusOK {
		return page{}, nil // the exchange says what it was
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		return page{}, err
	}
	var p page
	pages, err := strconv.Atoi(resp.Header.Get("total_page"))
	if p.untold = err != nil; n < pages || p.untold && len(list) >= perPage {
		p.next = n + 1
	}
	for _, r := range list {
		at, _ := time.Parse(time.RFC3339, r.Made) // the zero time where it is none
		visible := forge.Public
		switch {
		case r.Private:
			visible = forge.Private
		case r.Internal:
			visible = forge.Internal
		}
		repo := forge.Repo{ID: r.ID, Made: made(at), Owner: r.Namespace.Path, Name: r.Path, Clone: r.HTMLURL, Visibility: visible, Fork: r.Fork, Wiki: r.HasWiki, Archived: r.Status == giteeClosed}
		for _, l := range r.Labels {
			repo.Topics = append(repo.Topics, l.Name)
		}
		p.repos = append(p.repos, repo)
	}
	return p, nil
}
