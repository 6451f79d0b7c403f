// SPDX-FileCopyrightText: 2026 The tailsync contributors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
)

// How long the key of a node without tags is valid with Tailscale. With Headscale it does not expire unless configured.
const keyLifetime = 180 * 24 * time.Hour

// waitingLogin is a machine that registered without a key, and waits for somebody to log in.
type waitingLogin struct {
	hostname string
	done     chan struct{}
}

// register decides a registration as the real servers do. Headscale's way is
// that of hscontrol/auth.go and hscontrol/state/state.go of 0.29.2.
func (t *tailnet) register(ctx context.Context, request *tailcfg.RegisterRequest, machine key.MachinePublic) *tailcfg.RegisterResponse {
	logout := !request.Expiry.IsZero() && request.Expiry.Before(time.Now())
	if !logout && t.stops("registration") {
		panic(http.ErrAbortHandler)
	}
	t.gate(ctx)
	if request.Hostinfo == nil {
		request.Hostinfo = &tailcfg.Hostinfo{}
	}
	if request.Followup != "" {
		t.awaitLogin(ctx, request.Followup)
	}
	t.mu.Lock()
	answer, kind := t.decide(request, machine, logout)
	entry := registration{
		Hostname: request.Hostinfo.Hostname,
		Kind:     kind,
		Tags:     slices.Clone(request.Hostinfo.RequestTags),
		Error:    answer.Error,
	}
	if request.Auth != nil {
		if k := t.key(request.Auth.AuthKey); k != nil {
			entry.Key = k.ID
		}
	}
	t.logins = append(t.logins, entry)
	t.mu.Unlock()
	if !logout && t.stops("answer") {
		panic(http.ErrAbortHandler)
	}
	return answer
}

func (t *tailnet) decide(request *tailcfg.RegisterRequest, machine key.MachinePublic, logout bool) (*tailcfg.RegisterResponse, string) {
	node := t.control.Node(request.NodeKey)
	if node != nil && node.Machine != machine {
		return &tailcfg.RegisterResponse{Error: "node exists with a different machine key"}, "known"
	}
	if logout {
		return t.logout(node), "logout"
	}
	if request.Auth != nil && request.Auth.AuthKey != "" {
		return t.withKey(request, machine), "key"
	}
	if node != nil {
		// A node that comes back, after a restart for example.
		return t.answer(node), "known"
	}
	if request.Followup != "" {
		path := pathOf(request.Followup)
		if login := t.waiting[path]; login != nil {
			delete(t.waiting, path)
			return t.admit(request, machine, nil, request.Hostinfo.RequestTags), "interactive"
		}
	}
	return t.interactive(request), "interactive"
}

// answer is the response to a node that is known. One whose key has expired must log in again.
func (t *tailnet) answer(node *tailcfg.Node) *tailcfg.RegisterResponse {
	return &tailcfg.RegisterResponse{NodeKeyExpired: expired(node), MachineAuthorized: node.MachineAuthorized}
}

func expired(node *tailcfg.Node) bool {
	return !node.KeyExpiry.IsZero() && node.KeyExpiry.Before(time.Now())
}

func (t *tailnet) logout(node *tailcfg.Node) *tailcfg.RegisterResponse {
	if node != nil {
		if about := t.about[node.ID]; about.key != nil && about.key.Ephemeral {
			t.control.RemoveNode(node.Key, nil)
			delete(t.about, node.ID)
		} else if !expired(node) {
			t.expire(node, time.Now())
		}
	}
	return &tailcfg.RegisterResponse{NodeKeyExpired: true}
}

// withKey registers a machine that shows an auth key.
func (t *tailnet) withKey(request *tailcfg.RegisterRequest, machine key.MachinePublic) *tailcfg.RegisterResponse {
	refused := func(reason string) *tailcfg.RegisterResponse { return &tailcfg.RegisterResponse{Error: reason} }
	existing := t.ofMachine(machine)
	wanted := request.Hostinfo.RequestTags
	k, reason := t.refusal(request.Auth.AuthKey)
	if existing != nil && existing.Key == request.NodeKey && !expired(existing) {
		// It needs no key, unless it is to become another's.
		known := t.key(request.Auth.AuthKey)
		if t.headscale() && known == nil {
			return refused(reason)
		}
		if t.headscale() && (len(known.Tags) == 0 || len(existing.Tags) > 0) {
			known.Used = true // not looked at, and spent nevertheless
			return t.admit(request, machine, known, existing.Tags)
		}
		if !t.headscale() && (len(wanted) == 0 || sameTags(wanted, existing.Tags)) {
			return t.answer(existing)
		}
	}
	if reason != "" {
		return refused(reason)
	}
	tags, reason := t.tagsAtLogin(existing, k, wanted)
	if reason != "" {
		return refused(reason)
	}
	k.Used = true
	return t.admit(request, machine, k, tags)
}

// tagsAtLogin says which tags a machine gets. Headscale gives a new node those of its key and refuses it if it asks
// for some, and leaves an existing node its own; but a node that has none gets those of a tagged key. With Tailscale a
// machine may ask for what the policy lets the key's owner, or its tags, assign; if it asks for nothing it gets the key's.
func (t *tailnet) tagsAtLogin(existing *tailcfg.Node, k *authKey, wanted []string) (tags []string, refusal string) {
	if t.headscale() {
		switch {
		case existing == nil && len(wanted) > 0:
			return nil, fmt.Sprintf("handling register with auth key: creating new node: "+
				"requested tags %v are invalid or not permitted", wanted)
		case existing == nil || len(existing.Tags) == 0:
			return k.Tags, ""
		}
		return existing.Tags, ""
	}
	for _, tag := range wanted {
		if !slices.Contains(t.tagOwners, tag) && !slices.Contains(k.Tags, tag) {
			return nil, fmt.Sprintf("requested tags [%s] are invalid or not permitted", strings.Join(wanted, " "))
		}
	}
	if len(wanted) == 0 {
		return k.Tags, ""
	}
	return wanted, ""
}

func sameTags(left, right []string) bool {
	left, right = slices.Sorted(slices.Values(left)), slices.Sorted(slices.Values(right))
	return slices.Equal(left, right)
}

func (t *tailnet) ofMachine(machine key.MachinePublic) *tailcfg.Node {
	for _, node := range t.control.AllNodes() {
		if node.Machine == machine {
			return node
		}
	}
	return nil
}

// admit makes a machine a node, or lets it stay the one that it was, under the node key that it shows now. The auth
// key is nil if somebody logged in.
func (t *tailnet) admit(request *tailcfg.RegisterRequest, machine key.MachinePublic, k *authKey, tags []string) *tailcfg.RegisterResponse {
	hostname := request.Hostinfo.Hostname
	node := t.ofMachine(machine)
	var before key.NodePublic
	if node == nil {
		node = &tailcfg.Node{Machine: machine, User: 123, MachineAuthorized: t.authorizes(k)}
		t.number(node)
		t.about[node.ID] = &about{created: time.Now(), asked: hostname}
		node.Name = t.free(node, hostname)
		node.KeyExpiry = t.expiry(tags)
	} else {
		before = node.Key
		about := t.about[node.ID]
		if about.asked != hostname && !about.nameIsSet {
			node.Name = t.free(node, hostname)
		}
		about.asked = hostname
		node.MachineAuthorized = node.MachineAuthorized || t.authorizes(k)
		// Headscale leaves a tagged node the expiry that it has, that of its logout, too.
		if !t.headscale() || len(node.Tags) == 0 {
			node.KeyExpiry = t.expiry(tags)
		}
	}
	about := t.about[node.ID]
	about.key, about.lastSeen = k, time.Now()
	node.Key = request.NodeKey
	node.Tags = slices.Sorted(slices.Values(tags))
	node.Hostinfo = request.Hostinfo.View()
	node.Cap = request.Version
	if node.CapMap == nil {
		node.CapMap = tailcfg.NodeCapMap{tailcfg.CapabilityHTTPS: nil, tailcfg.CapabilityFileSharing: nil}
	}
	t.control.PutNode(node, before)
	if len(about.routes) > 0 {
		t.control.SetSubnetRoutes(node.Key, about.routes)
	}
	return t.answer(node)
}

// authorizes reports whether a new machine need not wait for approval, which Headscale does not know.
func (t *tailnet) authorizes(k *authKey) bool {
	return t.headscale() || !t.approveMachine || k != nil && k.Preauthorized
}

func (t *tailnet) expiry(tags []string) time.Time {
	if t.headscale() || len(tags) > 0 {
		return time.Time{}
	}
	return time.Now().Add(keyLifetime)
}

// interactive gives a machine the address at which somebody is to log in.
func (t *tailnet) interactive(request *tailcfg.RegisterRequest) *tailcfg.RegisterResponse {
	path := "/a/" + randomHex(6)
	if t.headscale() {
		path = "/register/hskey-authreq-" + randomHex(12)
	}
	t.waiting[path] = &waitingLogin{request.Hostinfo.Hostname, make(chan struct{})}
	return &tailcfg.RegisterResponse{AuthURL: t.baseURL + path}
}

func pathOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return parsed.Path
}

// awaitLogin waits until somebody has logged in at the address.
func (t *tailnet) awaitLogin(ctx context.Context, address string) {
	t.mu.Lock()
	login := t.waiting[pathOf(address)]
	t.mu.Unlock()
	if login == nil {
		return
	}
	select {
	case <-login.done:
	case <-ctx.Done():
		panic(http.ErrAbortHandler)
	}
}

// logIn is what a person does who opens the address that a machine shows.
func (t *tailnet) logIn(hostname string) error {
	for _, login := range t.waiting {
		if login.hostname == hostname {
			select {
			case <-login.done:
			default:
				close(login.done)
			}
			return nil
		}
	}
	return fmt.Errorf("no machine with the host name %q waits for a login", hostname)
}
