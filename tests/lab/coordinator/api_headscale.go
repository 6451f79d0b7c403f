// SPDX-FileCopyrightText: 2026 The tailsync contributors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tailscale.com/tailcfg"
)

// Headscale's own API.
var headscaleRoutes = []route{
	{http.MethodPost, "/api/v1/preauthkey", (*call).createKeyV1},
	{http.MethodGet, "/api/v1/preauthkey", (*call).listKeysV1},
	{http.MethodDelete, "/api/v1/preauthkey", (*call).deleteKeyV1},
	{http.MethodPost, "/api/v1/preauthkey/expire", (*call).expireKeyV1},
	{http.MethodGet, "/api/v1/user", (*call).listUsers},
	{http.MethodGet, "/api/v1/node", (*call).listNodes},
	{http.MethodGet, "/api/v1/node/{id}", (*call).getNode},
	{http.MethodDelete, "/api/v1/node/{id}", (*call).deleteNode},
	{http.MethodPost, "/api/v1/node/{id}/expire", (*call).expireNode},
	{http.MethodPost, "/api/v1/node/{id}/rename/{name}", (*call).renameNode},
	{http.MethodPost, "/api/v1/node/{id}/tags", (*call).tagNode},
	{http.MethodPost, "/api/v1/node/{id}/approve_routes", (*call).approveRoutes},
}

func (c *call) old() bool { return c.t.manners == oldHeadscaleManners }

// user is Headscale's answer for a user; 0 is none.
func (c *call) user(id int) any {
	if id == 0 {
		return nil
	}
	name := "tagged-devices"
	if id != taggedDevices {
		name = c.t.users[id-1]
	}
	return filled(c.api.element("list_users", "users"), object{"id": strconv.Itoa(id), "name": name})
}

func (c *call) createKeyV1(...string) {
	tags := texts(c.body["aclTags"])
	user, err := 0, error(nil)
	given := ""
	if value := c.body["user"]; value != nil {
		given = fmt.Sprint(value)
		user, err = strconv.Atoi(given)
	}
	expires, badTime := time.Time{}, error(nil)
	if value := c.text("expiration"); value != "" {
		expires, badTime = time.Parse(time.RFC3339, value)
	}
	switch {
	case err != nil:
		c.refuseValue("user_by_name", given)
		return
	case badTime != nil && c.has("bad_time"):
		c.refuseValue("bad_time", c.text("expiration"))
		return
	case badTime != nil:
		c.refuseValue("unprocessable", c.text("expiration"))
		return
	}
	for _, tag := range tags {
		switch {
		case !strings.HasPrefix(tag, "tag:"):
			c.refuse("bad_tag")
			return
		case strings.ToLower(tag) != tag:
			c.refuse("capital_tag")
			return
		case len(strings.Fields(tag)) > 1:
			c.refuse("blank_tag")
			return
		}
	}
	switch {
	case user == 0 && c.old():
		c.refuse("no_user")
		return
	case user < 0 || user > len(c.t.users):
		c.refuse("unknown_user")
		return
	case user == 0 && len(tags) == 0:
		c.refuse("neither_user_nor_tags")
		return
	}
	k := &authKey{
		User:      user,
		Reusable:  c.flag(c.body, "reusable"),
		Ephemeral: c.flag(c.body, "ephemeral"),
		Tags:      tags,
		Expires:   expires,
		ByAPI:     true,
	}
	if expires.IsZero() { // which is long ago for Headscale
		k.Expires = time.Time{}.Add(time.Nanosecond)
	}
	if c.old() {
		k.Secret = randomHex(24)
	}
	c.succeed(object{"preAuthKey": c.keyV1(c.t.addKey(k), k.Secret)})
}

func (c *call) keyV1(k *authKey, secret string) object {
	return filled(c.api.element("list_keys", "preAuthKeys"), object{
		"user":       c.user(k.User),
		"id":         k.ID,
		"key":        secret,
		"reusable":   k.Reusable,
		"ephemeral":  k.Ephemeral,
		"used":       k.Used,
		"expiration": rfc3339(k.Expires),
		"createdAt":  rfc3339(k.Created),
		"aclTags":    orEmpty(k.Tags),
	})
}

func (c *call) listKeysV1(...string) {
	listed := []object{}
	user, _ := strconv.Atoi(c.FormValue("user"))
	if c.old() && (user < 1 || user > len(c.t.users)) {
		c.refuse("unknown_user")
		return
	}
	for _, k := range c.t.keys {
		if c.old() && k.User != user {
			continue
		}
		shown := k.Secret
		if !c.old() {
			shown = shown[:strings.LastIndex(shown, "-")+1] + "***"
		}
		listed = append(listed, c.keyV1(k, shown))
	}
	c.succeed(object{"preAuthKeys": listed})
}

func (c *call) expireKeyV1(...string) {
	var k *authKey
	if c.old() {
		if k = c.t.key(c.text("key")); k == nil {
			c.refuse("unknown_key")
			return
		} else if fmt.Sprint(k.User) != fmt.Sprint(c.body["user"]) {
			c.refuse("other_user")
			return
		}
	} else {
		id := fmt.Sprint(c.body["id"])
		if _, err := strconv.Atoi(id); err != nil {
			c.refuseValue("bad_key_id", id)
			return
		}
		k = c.t.key(id)
	}
	if k == nil && c.has("unknown_expired_key") {
		c.refuse("unknown_expired_key")
		return
	}
	if k != nil {
		k.Expires = time.Now()
	}
	c.succeed(object{})
}

func (c *call) deleteKeyV1(...string) {
	if c.old() { // which came later
		c.refuse("no_such_method")
		return
	}
	id := c.FormValue("id")
	if _, err := strconv.Atoi(id); err != nil {
		c.refuseValue("bad_key_id", id)
		return
	}
	if c.t.key(id) == nil && c.has("unknown_key") {
		c.refuse("unknown_key")
		return
	}
	c.t.keys = slices.DeleteFunc(c.t.keys, func(k *authKey) bool { return k.ID == id })
	c.succeed(object{})
}

func (c *call) listUsers(...string) {
	listed := []any{}
	for place, name := range c.t.users {
		if wanted := c.FormValue("name"); wanted == "" || wanted == name {
			listed = append(listed, c.user(place+1))
		}
	}
	c.succeed(object{"users": listed})
}

func (c *call) node(node *tailcfg.Node) object {
	about := c.t.about[node.ID]
	approved, available := c.t.routesOf(node)
	values := object{
		"id":              strconv.Itoa(int(node.ID)),
		"machineKey":      node.Machine.String(),
		"nodeKey":         node.Key.String(),
		"discoKey":        node.DiscoKey.String(),
		"ipAddresses":     addressesOf(node),
		"name":            about.asked,
		"givenName":       shortName(node),
		"user":            c.user(1),
		"lastSeen":        rfc3339(about.lastSeen),
		"createdAt":       rfc3339(about.created),
		"online":          about.online,
		"tags":            orEmpty(node.Tags),
		"forcedTags":      orEmpty(node.Tags),
		"approvedRoutes":  approved,
		"availableRoutes": available,
		"subnetRoutes":    approved,
		"registerMethod":  "REGISTER_METHOD_CLI",
	}
	if len(node.Tags) > 0 && !c.old() {
		values["user"] = c.user(taggedDevices)
	}
	if !node.KeyExpiry.IsZero() {
		values["expiry"] = rfc3339(node.KeyExpiry)
	}
	if k := about.key; k != nil {
		values["preAuthKey"], values["registerMethod"] = c.keyV1(k, "***"), "REGISTER_METHOD_AUTH_KEY"
	}
	return filled(c.api.element("list_nodes", "nodes"), values)
}

func (c *call) listNodes(...string) {
	nodes := []object{}
	for _, node := range c.t.control.AllNodes() {
		nodes = append(nodes, c.node(node))
	}
	c.succeed(object{"nodes": nodes})
}

func (c *call) nodeOfID(id string) *tailcfg.Node {
	if _, err := strconv.Atoi(id); err != nil && c.has("bad_node_id") {
		c.refuseValue("bad_node_id", id)
		return nil
	}
	node := c.t.nodeByID(id)
	if node == nil {
		c.refuse("unknown_node")
	}
	return node
}

// failV1 answers with an error that is not recorded, in the form of those that are.
func (c *call) failV1(status, code int, message string) {
	if c.t.manners == newHeadscaleManners {
		c.fail(status, object{"title": http.StatusText(status), "status": status, "detail": message})
		return
	}
	c.fail(status, object{"code": code, "message": message, "details": []string{}})
}

// changed is the answer to a request that changed a node.
func (c *call) changed(node *tailcfg.Node) {
	c.succeed(object{"node": c.node(c.t.control.Node(node.Key))})
}

func (c *call) getNode(values ...string) {
	if node := c.nodeOfID(values[0]); node != nil {
		c.changed(node)
	}
}

func (c *call) deleteNode(values ...string) {
	if node := c.nodeOfID(values[0]); node != nil {
		c.t.remove(node)
		c.succeed(object{})
	}
}

func (c *call) expireNode(values ...string) {
	node := c.nodeOfID(values[0])
	if node == nil {
		return
	}
	when := time.Now()
	if given, err := time.Parse(time.RFC3339, c.text("expiry")); err == nil {
		when = given
	}
	if c.flag(c.body, "disableExpiry") {
		when = time.Time{}
	}
	c.t.expire(node, when)
	c.changed(node)
}

func (c *call) renameNode(values ...string) {
	node := c.nodeOfID(values[0])
	if node == nil {
		return
	}
	if err := c.t.rename(node, values[1]); err != nil {
		c.failV1(http.StatusInternalServerError, 2, "renaming node: "+err.Error())
		return
	}
	c.changed(node)
}

func (c *call) tagNode(values ...string) {
	node := c.nodeOfID(values[0])
	if node == nil {
		return
	}
	tags := texts(c.body["tags"])
	if len(tags) == 0 && c.has("no_tags") {
		c.refuse("no_tags")
		return
	}
	if err := c.t.retag(node, tags); err != nil {
		c.failV1(http.StatusBadRequest, 3, err.Error())
		return
	}
	c.changed(node)
}

func (c *call) approveRoutes(values ...string) {
	node := c.nodeOfID(values[0])
	if node == nil {
		return
	}
	if err := c.t.approve(node, texts(c.body["routes"])); err != nil {
		c.failV1(http.StatusInternalServerError, 2, "parsing route: "+err.Error())
		return
	}
	c.changed(node)
}
