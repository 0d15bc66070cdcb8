package forgereplay

import (
	"cmp"
	"strings"
	"time"
)

type object = map[string]any

// forms are how the kinds tell of a repository: what is read of it, and some of what is not.
var forms = map[string]func(Repo) any{
	"github": func(r Repo) any {
		return object{
			"id": r.ID, "node_id": "R_kgDO", "name": r.Name, "full_name": r.Owner + "/" + r.Name, "private": r.visibility() == "private",
			"owner":    object{"login": r.Owner, "id": 1, "type": "Organization", "site_admin": false},
			"html_url": strings.TrimSuffix(r.Clone, ".git"), "description": nil, "fork": r.Fork, "clone_url": r.Clone, "ssh_url": "git@h:" + r.Owner + "/" + r.Name + ".git",
			"size": r.KiB, "archived": r.Archived, "disabled": false, "has_wiki": r.Wiki, "has_issues": true, "topics": r.topics(),
			"visibility": r.visibility(), "default_branch": "main", "pushed_at": "2026-01-26T19:06:43Z", "created_at": r.made(),
		}
	},
	"gitlab": func(r Repo) any {
		o := object{
			"id": r.ID, "name": "The " + r.Name, "path": r.Name, "path_with_namespace": r.Owner + "/" + r.Name, "description": "",
			"http_url_to_repo": r.Clone, "web_url": strings.TrimSuffix(r.Clone, ".git"), "visibility": r.visibility(), "archived": r.Archived,
			"topics": r.topics(), "wiki_enabled": r.Wiki, "wiki_access_level": map[bool]string{true: "enabled", false: "disabled"}[r.Wiki],
			"namespace": object{"id": 9, "path": r.Owner, "full_path": r.Owner, "kind": "group"}, "empty_repo": false,
			"created_at": r.made(), "default_branch": "main",
		}
		if r.Fork {
			o["forked_from_project"] = object{"id": 1, "path_with_namespace": "other/" + r.Name}
		}
		return o
	},
	"gitea": func(r Repo) any {
		return object{
			"id": r.ID, "owner": object{"id": 1, "login": r.Owner, "username": r.Owner}, "name": r.Name, "full_name": r.Owner + "/" + r.Name,
			"empty": false, "private": r.visibility() == "private", "internal": r.visibility() == "internal", "fork": r.Fork, "mirror": false, "size": r.KiB,
			"html_url": strings.TrimSuffix(r.Clone, ".git"), "clone_url": r.Clone, "archived": r.Archived, "has_wiki": r.Wiki, "topics": r.topics(),
			"created_at": r.made(), "updated_at": "2023-01-01T10:00:00Z", "default_branch": "main",
		}
	},
	"gitee": func(r Repo) any {
		labels := []object{}
		for _, t := range r.Topics {
			labels = append(labels, object{"id": 1, "name": t, "ident": t})
		}
		return object{
			"id": r.ID, "full_name": r.Owner + "/" + r.Name, "human_name": "某/" + r.Name, "namespace": object{"id": 3, "type": "group", "path": r.Owner, "name": "某"},
			"path": r.Name, "name": "某 " + r.Name, "public": r.visibility() == "public", "private": r.visibility() == "private", "internal": r.visibility() == "internal",
			"fork": r.Fork, "html_url": r.Clone, "has_wiki": r.Wiki, "project_labels": labels, "status": map[bool]string{true: "关闭", false: "开始"}[r.Archived],
			"default_branch": "master", "created_at": r.made(),
		}
	},
}

// made is when it was made, in another zone than that of whoever reads it.
func (r Repo) made() string {
	at := r.Made
	if at.IsZero() {
		at = SetUp
	}
	return at.In(time.FixedZone("", 8*60*60)).Format(time.RFC3339)
}

// SetUp is when repositories were made of which nothing else is said.
var SetUp = time.Date(2023, 1, 1, 10, 0, 0, 0, time.UTC)

func (r Repo) visibility() string { return cmp.Or(r.Visibility, "public") }

func (r Repo) topics() []string { return append([]string{}, r.Topics...) }
