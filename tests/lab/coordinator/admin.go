// SPDX-FileCopyrightText: 2026 The tailsync contributors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tailscale.com/tailcfg"
)

// The commands of the admin interface, which main.go lists. Each is called with the tailnet's mutex held.
var commands = map[string]func(t *tailnet, body string) (string, error){
	"manners": func(t *tailnet, body string) (string, error) { return "", t.setManners(body) },
	"key": func(t *tailnet, body string) (string, error) {
		k, err := parseKey(body)
		if err != nil {
			return "", err
		}
		return t.addKey(k).Secret, nil
	},
	"revoke": func(t *tailnet, body string) (string, error) {
		k := t.key(body)
		if k == nil {
			return "", fmt.Errorf("there is no such key")
		}
		k.Revoked = true
		return "", nil
	},
	"login":            func(t *tailnet, body string) (string, error) { return "", t.logIn(body) },
	"require-approval": func(t *tailnet, body string) (string, error) { t.approveMachine = body == "true"; return "", nil },
	"approve": func(t *tailnet, _ string) (string, error) {
		for _, node := range t.control.AllNodes() {
			t.control.ChangeNode(node.Key, func(live *tailcfg.Node) { live.MachineAuthorized = true })
		}
		return "", nil
	},
	"key-expiry": func(t *tailnet, body string) (string, error) { return "", t.keyExpiry(strings.Fields(body)) },
	"jail":       func(t *tailnet, body string) (string, error) { t.jailed = body; t.control.Notify(); return "", nil },
	"policy":     func(t *tailnet, body string) (string, error) { return "", t.setPolicy(body) },
	"tags":       func(t *tailnet, body string) (string, error) { t.setTagOwners(strings.Fields(body)); return "", nil },
	"retag": func(t *tailnet, body string) (string, error) {
		name, tags, _ := strings.Cut(body, " ")
		node, err := t.mustNamed(name)
		if err != nil {
			return "", err
		}
		return "", t.retag(node, strings.Fields(tags))
	},
	"routes": func(t *tailnet, body string) (string, error) {
		name, routes, _ := strings.Cut(body, " ")
		node, err := t.mustNamed(name)
		if err != nil {
			return "", err
		}
		return "", t.approve(node, strings.Fields(routes))
	},
	"ssh": func(t *tailnet, body string) (string, error) {
		var policy *tailcfg.SSHPolicy
		if body == "true" {
			policy = &tailcfg.SSHPolicy{}
		}
		t.control.SetSSHPolicy(policy)
		return "", nil
	},
	"rename": func(t *tailnet, body string) (string, error) {
		name, wanted, _ := strings.Cut(body, " ")
		node, err := t.mustNamed(name)
		if err != nil {
			return "", err
		}
		return "", t.rename(node, wanted)
	},
	"delete": func(t *tailnet, body string) (string, error) {
		node, err := t.mustNamed(body)
		if err != nil {
			return "", err
		}
		t.remove(node)
		return "", nil
	},
	"api-token": func(t *tailnet, body string) (string, error) {
		t.tokens = append(t.tokens, token{secret: body, expires: time.Now().AddDate(1, 0, 0)})
		return "", nil
	},
	"oauth-client": func(t *tailnet, body string) (string, error) {
		words := strings.Fields(body)
		if len(words) < 2 {
			return "", fmt.Errorf("an OAuth client has an ID and a secret")
		}
		t.clients = append(t.clients, &client{id: words[0], secret: words[1], tags: words[2:]})
		return "", nil
	},
	"oidc": func(t *tailnet, body string) (string, error) {
		words := strings.Fields(body)
		if len(words) < 2 {
			return "", fmt.Errorf("a federated identity has an ID and an audience")
		}
		t.clients = append(t.clients, &client{id: words[0], audience: words[1], tags: words[2:]})
		return "", nil
	},
	"stop-at": func(t *tailnet, body string) (string, error) {
		at, after, _ := strings.Cut(body, " ")
		if !slices.Contains([]string{"", "registration", "answer"}, at) {
			return "", fmt.Errorf("stop-at takes registration or answer, or nothing")
		}
		number, err := strconv.Atoi("0" + after)
		t.stopAt, t.stopAfter = at, number
		return "", err
	},
}

func (t *tailnet) keyExpiry(words []string) error {
	if len(words) == 0 {
		return fmt.Errorf("key-expiry takes a time or never, and names of nodes")
	}
	var expiry time.Time // zero is never
	if words[0] != "never" {
		var err error
		if expiry, err = time.Parse(time.RFC3339, words[0]); err != nil {
			return err
		}
	}
	for _, node := range t.control.AllNodes() {
		if len(words) == 1 || slices.Contains(words[1:], shortName(node)) {
			t.expire(node, expiry)
		}
	}
	return nil
}

// shown is a node as the admin interface shows it.
type shown struct {
	Name      string    `json:"name"`
	ID        string    `json:"id"`
	Addresses []string  `json:"addresses"`
	Approved  bool      `json:"approved"`
	Online    bool      `json:"online"`
	Tags      []string  `json:"tags"`
	Expires   time.Time `json:"expires"`
	Key       string    `json:"key"` // the ID of the auth key that it joined with
}

func (t *tailnet) nodes() any {
	nodes := []shown{}
	for _, node := range t.control.AllNodes() {
		about := t.about[node.ID]
		one := shown{
			Name:     node.Name,
			ID:       string(node.StableID),
			Approved: node.MachineAuthorized,
			Online:   about.online,
			Tags:     orEmpty(node.Tags),
			Expires:  node.KeyExpiry,
		}
		if about.key != nil {
			one.Key = about.key.ID
		}
		for _, prefix := range node.Addresses {
			one.Addresses = append(one.Addresses, prefix.Addr().String())
		}
		nodes = append(nodes, one)
	}
	return nodes
}

func adminHandler(tailnets map[string]*tailnet) http.Handler {
	mux := http.NewServeMux()
	handle := func(method, path string, do func(t *tailnet, body string) (string, error)) {
		for prefix, t := range tailnets {
			mux.HandleFunc(method+" "+prefix+path, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
				answer := ""
				if err == nil {
					answer, err = do(t, strings.TrimSpace(string(body)))
				}
				if err != nil {
					http.Error(w, err.Error(), http.StatusBadRequest)
					return
				}
				io.WriteString(w, answer)
			})
		}
	}
	locked := func(do func(t *tailnet, body string) (string, error)) func(*tailnet, string) (string, error) {
		return func(t *tailnet, body string) (string, error) {
			t.mu.Lock()
			defer t.mu.Unlock()
			return do(t, body)
		}
	}
	for name, do := range commands {
		handle("POST", "/"+name, locked(do))
	}
	handle("POST", "/pause", func(t *tailnet, body string) (string, error) { return "", t.setPause(body) })
	for name, get := range map[string]func(*tailnet) any{
		"nodes":         (*tailnet).nodes,
		"keys":          func(t *tailnet) any { return orEmpty(t.keys) },
		"registrations": func(t *tailnet) any { return orEmpty(t.logins) },
		"requests":      func(t *tailnet) any { return orEmpty(t.requests) },
	} {
		handle("GET", "/"+name, locked(func(t *tailnet, _ string) (string, error) {
			text, err := json.Marshal(get(t))
			return string(text), err
		}))
	}
	return mux
}

func orEmpty[T any](list []T) []T {
	return append([]T{}, list...)
}

func serveAdmin(address string, tailnets map[string]*tailnet) {
	log.Fatal(http.ListenAndServe(listenAddress(address, adminPort), adminHandler(tailnets)))
}
