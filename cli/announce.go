package cli

import (
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"gitmirror/internal/network"
	"gitmirror/node"
)

// announce says where the node is, where this host writes, and how the next node joins.
func announce(s *session, cfg node.Config, info node.Info) {
	join, where, note := joinLine(cfg, info)
	if s.json {
		_ = writeJSON(s.Out, struct {
			Name      string   `json:"name"`
			ClusterID string   `json:"cluster_id"`
			HTTP      string   `json:"http"`
			Local     []string `json:"local"` // where this host writes
			Peer      string   `json:"peer"`
			Founded   bool     `json:"founded"`
			Join      string   `json:"join"`
		}{info.Name, info.ClusterID, info.HTTP, info.Local, info.Peer, info.Founded, join})
		return
	}
	founded, writes := "", strings.Join(info.Local, ", ")
	if info.Founded {
		founded = "  (a new cluster)"
	}
	if cfg.InsecureAPI {
		writes = "everybody who reaches it (--insecure-api)"
	}
	s.say(`gitmirror %s  node %s  cluster %s%s
  API                %s
  clone              git clone %s/git/NAME
  writes             %s
To add a node, run %s:
  %s%s`, readBuild().Version, info.Name, info.ClusterID, founded, info.HTTP, info.HTTP, or(writes, "nobody: there is neither a socket nor a loopback address"), where, join, note)
}

// joinLine is the command by which the next node joins, where to run it, and what else is to
// be said. A node at a loopback address has others on its own host alone.
func joinLine(cfg node.Config, info node.Info) (line, where, note string) {
	public := strings.TrimPrefix(info.HTTP, "http://")
	words := []string{"gitmirror", "start"}
	add := func(flag, value string) { words = append(words, flag, shellWord(value)) }
	if network.Loopback(info.Peer) {
		add("--name", following(info.Name))
		add("--data", following(filepath.Clean(cfg.Dir)))
		add("--http", portAfter(public))
		add("--peer", portAfter(info.Peer))
		where = "on this host"
		note = "\nOther hosts do not reach " + info.Peer + ": for several, start each node with --peer HOST:7655\n--insecure-peers --http HOST:7654, this one too, HOST being its address"
	} else {
		_, port, _ := net.SplitHostPort(info.Peer)
		add("--peer", net.JoinHostPort("HOST", port))
		words = append(words, "--insecure-peers")
		if !network.Loopback(public) {
			_, port, _ := net.SplitHostPort(public)
			add("--http", net.JoinHostPort("HOST", port))
		}
		where = "on another host, HOST being its address"
	}
	if cfg.Timing != "normal" {
		add("--raft-timing", cfg.Timing)
	}
	for _, prefix := range cfg.AllowUpstream {
		add("--allow-upstream", prefix)
	}
	add("--join", info.Peer)
	return strings.Join(words, " "), where, note
}

var number = regexp.MustCompile(`[0-9]+$`)

// following is a name for the one after: n1 is followed by n2, and what has no number by
// itself with a 2.
func following(name string) string {
	n, err := strconv.ParseUint(number.FindString(name), 10, 32)
	if err != nil {
		return name + "-2"
	}
	return number.ReplaceAllString(name, strconv.FormatUint(n+1, 10))
}

// portAfter is an address of the same host with a port some way on.
func portAfter(address string) string {
	const step = 10
	host, text, _ := net.SplitHostPort(address)
	port, _ := strconv.Atoi(text)
	if port += step; port > 65535 {
		port -= 2 * step
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,\[\]-]+$`)

// shellWord is a word as a shell takes it.
func shellWord(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
