// SPDX-FileCopyrightText: 2026 The tailsync contributors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"slices"
	"strings"
	"time"

	"tailscale.com/tailcfg"
)

// The administrative API, in the forms of facts.json.

const tokenLifetime = time.Hour

// client is an OAuth client, or with an audience a federated identity.
type client struct {
	id, secret, audience string
	tags                 []string
}

// token is an API token of a person, or one that a client got.
type token struct {
	secret  string
	client  *client
	expires time.Time
}

// apiRequest is a request to the administrative API, for tests to count.
type apiRequest struct {
	Method string `json:"method"`
	Path   string `json:"path"`
	Status int    `json:"status"`
}

// call is a request to the API while it is answered.
type call struct {
	*http.Request
	w      *remembering
	t      *tailnet
	api    recordedAPI
	client *client // whose token it shows, nil for a person's
	body   object
}

// remembering is a response that knows its status.
type remembering struct {
	http.ResponseWriter
	status int
}

func (w *remembering) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (c *call) refuse(name string)                 { c.api.refuse(c.w, name, "") }
func (c *call) refuseValue(name, value string)     { c.api.refuse(c.w, name, value) }
func (c *call) succeed(answer any)                 { succeed(c.w, answer) }
func (c *call) text(name string) string            { text, _ := c.body[name].(string); return text }
func (c *call) flag(from object, name string) bool { flag, _ := from[name].(bool); return flag }
func (c *call) v2() bool                           { return strings.HasPrefix(c.URL.Path, "/api/v2/") }
func (c *call) has(name string) bool               { _, ok := c.api.Errors[name]; return ok }

// fail answers with an error of the same form as a recorded one that facts.json has no words for.
func (c *call) fail(status int, body object) {
	c.w.Header().Set("Content-Type", c.api.ErrorContentType)
	c.w.WriteHeader(status)
	succeed(c.w, body)
}

// named is the name of a request or of an error: Headscale's of /api/v2 begin with v2.
func (c *call) named(tailscale, v2 string) string {
	if c.t.headscale() {
		return v2
	}
	return tailscale
}

func texts(value any) []string {
	list := []string{}
	items, _ := value.([]any)
	for _, item := range items {
		list = append(list, fmt.Sprint(item))
	}
	return list
}

// facts are the recorded forms of the manners.
func (t *tailnet) facts() recordedAPI {
	if t.manners == headscaleManners {
		return facts["headscale-0.28"]
	}
	return facts[t.manners]
}

// apiHandler serves the API. It has a port of its own; Headscale's is on that of the control server, too.
func (t *tailnet) apiHandler(w http.ResponseWriter, r *http.Request) {
	if t.headscale() {
		t.gate(r.Context())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &call{Request: r, w: &remembering{w, http.StatusOK}, t: t, api: t.facts()}
	defer func() {
		t.requests = append(t.requests, apiRequest{r.Method, r.URL.RequestURI(), c.w.status})
	}()
	t.answerAPI(c)
}

func (t *tailnet) answerAPI(c *call) {
	if c.URL.Path == "/api/v2/oauth/token" && t.manners != headscaleManners && t.manners != oldHeadscaleManners {
		c.oauthToken()
		return
	}
	if c.URL.Path == "/api/v2/oauth/token-exchange" && !t.headscale() {
		c.exchangeToken()
		return
	}
	routes := apiRoutes(c)
	if routes == nil {
		c.refuse("no_such_path_outside_v1")
		return
	}
	if !c.authenticated() {
		return
	}
	if c.Method == http.MethodPost && c.api.NeedsJSON && !strings.Contains(c.Header.Get("Content-Type"), "json") {
		c.refuse("no_content_type")
		return
	}
	if err := json.NewDecoder(http.MaxBytesReader(c.w, c.Body, 1<<16)).Decode(&c.body); err != nil {
		c.body = object{}
	}
	known := false
	for _, route := range routes {
		values, ok := matches(route.path, c.URL.Path)
		known = known || ok
		if ok && route.method == c.Method {
			route.do(c, values...)
			return
		}
	}
	if known && c.has("no_such_method") {
		c.refuse("no_such_method")
		return
	}
	c.refuse("no_such_path")
}

type route struct {
	method, path string
	do           func(c *call, values ...string)
}

// matches compares a path with one whose {words} stand for values.
func matches(pattern, path string) ([]string, bool) {
	wanted, given := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(wanted) != len(given) {
		return nil, false
	}
	values := []string{}
	for place, word := range wanted {
		if strings.HasPrefix(word, "{") {
			values = append(values, given[place])
		} else if word != given[place] {
			return nil, false
		}
	}
	return values, true
}

func apiRoutes(c *call) []route {
	switch {
	case !c.t.headscale():
		return tailscaleRoutes
	case c.v2() && c.t.manners == newHeadscaleManners:
		return slices.DeleteFunc(slices.Clone(tailscaleRoutes), func(one route) bool {
			return one.method == http.MethodPost && strings.Contains(one.path, "/device/")
		})
	case strings.HasPrefix(c.URL.Path, "/api/v1/") || c.t.manners == newHeadscaleManners:
		return headscaleRoutes
	}
	return nil
}

// --- credentials ---------------------------------------------------------------------------------

func (c *call) authenticated() bool {
	given, ok := strings.CutPrefix(c.Header.Get("Authorization"), "Bearer ")
	if !ok && c.v2() {
		given, _, _ = c.BasicAuth()
	}
	for _, one := range c.t.tokens {
		if one.secret == given && one.expires.After(time.Now()) && (c.v2() || one.client == nil) {
			c.client = one.client
			return true
		}
	}
	if c.v2() && c.has("v2_unauthorized") {
		c.refuse("v2_unauthorized")
	} else {
		c.refuse("unauthorized")
	}
	return false
}

func (c *call) issue(to *client, request string) {
	prefix := c.named("tskey-api-k"+randomHex(4)+"CNTRL-", "hskey-oauthtok-"+randomHex(6)+"-")
	secret := prefix + randomHex(16)
	c.t.tokens = append(c.t.tokens, token{secret, to, time.Now().Add(tokenLifetime)})
	c.succeed(filled(c.api.answer(request), object{"access_token": secret}))
}

func (c *call) oauthToken() {
	secret := c.FormValue("client_secret")
	if _, password, ok := c.BasicAuth(); ok && secret == "" {
		secret = password
	}
	for _, one := range c.t.clients {
		if secret != "" && one.secret == secret {
			c.issue(one, "oauth_token")
			return
		}
	}
	if secret == "" && c.has("missing_client") {
		c.refuse("missing_client")
		return
	}
	c.refuse("bad_client")
}

// exchangeToken takes an OIDC token that is for this client, and has not expired. Its signature is not looked at.
func (c *call) exchangeToken() {
	var claims struct {
		Audience any   `json:"aud"`
		Expires  int64 `json:"exp"`
	}
	parts := strings.Split(c.FormValue("jwt"), ".")
	if len(parts) == 3 {
		if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
			_ = json.Unmarshal(text, &claims) // without claims it is refused
		}
	}
	for _, one := range c.t.clients {
		if one.audience == "" || one.id != c.FormValue("client_id") {
			continue
		}
		meant := claims.Audience == one.audience || slices.Contains(texts(claims.Audience), one.audience)
		if meant && time.Unix(claims.Expires, 0).After(time.Now()) {
			c.issue(one, "token_exchange")
			return
		}
	}
	c.refuse("bad_jwt")
}

// --- what both kinds share -----------------------------------------------------------------------

func (t *tailnet) nodeByID(id string) *tailcfg.Node {
	for _, node := range t.control.AllNodes() {
		if id == string(node.StableID) || id == fmt.Sprint(int(node.ID)) {
			return node
		}
	}
	return nil
}

func rfc3339(when time.Time) string {
	return when.UTC().Format(time.RFC3339Nano)
}

func (t *tailnet) routesOf(node *tailcfg.Node) (approved, available []string) {
	approved, available = []string{}, []string{}
	for _, prefix := range t.about[node.ID].routes {
		approved = append(approved, prefix.String())
	}
	if node.Hostinfo.Valid() {
		for _, prefix := range node.Hostinfo.RoutableIPs().All() {
			available = append(available, prefix.String())
		}
	}
	return approved, available
}

func addressesOf(node *tailcfg.Node) []string {
	found := []string{}
	for _, prefix := range node.Addresses {
		found = append(found, prefix.Addr().String())
	}
	return found
}

// hasAPI reports whether a request to the control server is one to its API.
func (t *tailnet) hasAPI(r *http.Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.headscale() && strings.HasPrefix(r.URL.Path, "/api/")
}

func serveAPI(address string, port int, t *tailnet) {
	log.Fatal(http.ListenAndServe(listenAddress(address, port), http.HandlerFunc(t.apiHandler)))
}
