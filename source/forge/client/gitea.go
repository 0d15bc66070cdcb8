package client

import (
	"context"
	"net/http"
	"strings"

	"code.gitea.io/sdk/gitea"

	"gitmirror/source/forge"
)

type giteaForge struct{ all *gitea.Client }

func newGitea(api string, c *http.Client) (pager, error) {
	// Without a version the library does not ask for one first.
	all, err := gitea.NewClient(strings.TrimSuffix(api, "/api/v1"), gitea.SetHTTPClient(c), gitea.SetGiteaVersion(""))
	if err != nil {
		return nil, err
	}
	return giteaForge{all}, nil
}

func (g giteaForge) page(ctx context.Context, account string, of sort, n int) (page, error) {
	g.all.SetContext(ctx)
	var list []*gitea.Repository
	var resp *gitea.Response
	var err error
	part := gitea.ListOptions{Page: n, PageSize: perPage}
	if of == organisation {
		list, resp, err = g.all.ListOrgRepos(account, gitea.ListOrgReposOptions{ListOptions: part})
	} else {
		list, resp, err = g.all.ListUserRepos(account, gitea.ListReposOptions{ListOptions: part})
	}
	if err != nil {
		return page{}, err
	}
	p := page{next: resp.NextPage, untold: resp.Header.Get("Link") == ""}
	if p.untold && resp.Header.Get("X-Total-Count") == "" && len(list) > 0 {
		p.next = n + 1 // how much is on a full page is for each server to say
	}
	for _, r := range list {
		if r == nil {
			r = new(gitea.Repository)
		}
		visible := forge.Public
		switch {
		case r.Private:
			visible = forge.Private
		case r.Internal:
			visible = forge.Internal
		}
		owner := ""
		if r.Owner != nil {
			owner = r.Owner.UserName
		}
		p.repos = append(p.repos, forge.Repo{
			ID: r.ID, Made: made(r.Created), Owner: owner, Name: r.Name, Clone: r.CloneURL, Size: int64(r.Size) << 10, Visibility: visible,
			Archived: r.Archived, Fork: r.Fork, Wiki: r.HasWiki && r.ExternalWiki == nil, Topics: r.Topics,
		})
	}
	return p, nil
}
