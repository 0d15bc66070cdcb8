package client

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	gitlab "gitlab.com/gitlab-org/api/client-go/v2"

	"gitmirror/source/forge"
)

type gitLab struct{ all *gitlab.Client }

func newGitLab(api string, c *http.Client) (pager, error) {
	all, err := gitlab.NewClient("", gitlab.WithBaseURL(api), gitlab.WithHTTPClient(c), gitlab.WithoutRetries(), gitlab.WithURLWarningLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return nil, err
	}
	return gitLab{all}, nil
}

func (g gitLab) page(ctx context.Context, account string, of sort, n int) (page, error) {
	var list []*gitlab.Project
	var resp *gitlab.Response
	var err error
	part := gitlab.ListOptions{Page: int64(n), PerPage: perPage}
	byID, up := "id", "asc"
	if of == organisation {
		subgroups, shared := true, false
		list, resp, err = g.all.Groups.ListGroupProjects(account, &gitlab.ListGroupProjectsOptions{ListOptions: part, IncludeSubGroups: &subgroups, WithShared: &shared, OrderBy: &byID, Sort: &up}, gitlab.WithContext(ctx))
	} else {
		list, resp, err = g.all.Projects.ListUserProjects(account, &gitlab.ListProjectsOptions{ListOptions: part, OrderBy: &byID, Sort: &up}, gitlab.WithContext(ctx))
	}
	if err != nil {
		return page{}, err
	}
	p := page{next: int(resp.NextPage)}
	_, told := resp.Header["X-Next-Page"] // empty on the last page
	if !told && resp.NextLink != "" {
		p.next = n + 1
	}
	if p.untold = !told && resp.Header.Get("Link") == ""; p.untold && len(list) >= perPage {
		p.next = n + 1
	}
	for _, r := range list {
		if r == nil {
			r = new(gitlab.Project)
		}
		var at time.Time
		if r.CreatedAt != nil {
			at = *r.CreatedAt
		}
		owner := ""
		if i := strings.LastIndexByte(r.PathWithNamespace, '/'); i > 0 {
			owner = r.PathWithNamespace[:i]
		}
		p.repos = append(p.repos, forge.Repo{
			ID: r.ID, Made: made(at), Owner: owner, Name: r.Path, Clone: r.HTTPURLToRepo, Visibility: string(r.Visibility),
			Archived: r.Archived, Fork: r.ForkedFromProject != nil, Leaving: r.MarkedForDeletionOn != nil,
			Wiki:   r.WikiAccessLevel != gitlab.DisabledAccessControl,
			Topics: r.Topics,
		})
		if s := r.Statistics; s != nil {
			p.repos[len(p.repos)-1].Size = s.RepositorySize
		}
	}
	return p, nil
}
