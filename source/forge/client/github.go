package client

import (
	"cmp"
	"context"
	"net/http"

	"github.com/google/go-github/v92/github"

	"gitmirror/source/forge"
)

type gitHub struct{ repos *github.RepositoriesService }

func newGitHub(api string, c *http.Client) (pager, error) {
	api += "/"
	// That it is asked too often is seen of what it answers, as with all forges.
	all, err := github.NewClient(github.WithHTTPClient(c), github.WithURLs(&api, &api), github.WithDisableRateLimitCheck())
	if err != nil {
		return nil, err
	}
	return gitHub{all.Repositories}, nil
}

func (g gitHub) page(ctx context.Context, account string, of sort, n int) (page, error) {
	var list []*github.Repository
	var resp *github.Response
	var err error
	part := github.ListOptions{Page: n, PerPage: perPage}
	if of == organisation {
		list, resp, err = g.repos.ListByOrg(ctx, account, &github.RepositoryListByOrgOptions{Sort: "full_name", ListOptions: part})
	} else {
		list, resp, err = g.repos.ListByUser(ctx, account, &github.RepositoryListByUserOptions{Type: "owner", Sort: "full_name", ListOptions: part})
	}
	if err != nil {
		return page{}, err
	}
	p := page{next: resp.NextPage, untold: resp.Header.Get("Link") == ""}
	if p.untold && len(list) >= perPage {
		p.next = n + 1
	}
	for _, r := range list {
		if r == nil {
			r = new(github.Repository)
		}
		visible := forge.Public
		if r.GetPrivate() {
			visible = forge.Private
		}
		p.repos = append(p.repos, forge.Repo{
			ID: r.GetID(), Made: made(r.GetCreatedAt().Time), Owner: r.GetOwner().GetLogin(), Name: r.GetName(), Clone: r.GetCloneURL(), Size: int64(r.GetSize()) << 10,
			Visibility: cmp.Or(r.GetVisibility(), visible), Archived: r.GetArchived(), Fork: r.GetFork(), Wiki: r.GetHasWiki(), Topics: r.Topics,
		})
	}
	return p, nil
}
