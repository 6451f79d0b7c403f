// SPDX-FileCopyrightText: 2026 The tailsync contributors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"tailscale.com/tailcfg"
)

const longestExpiry = 90 * 24 * time.Hour

// Tailscale's API, and the part of it that Headscale has since 0.30.
var tailscaleRoutes = []route{
	{http.MethodPost, "/api/v2/tailnet/{tailnet}/keys", (*call).createKeyV2},
	{http.MethodGet, "/api/v2/tailnet/{tailnet}/keys", (*call).listKeysV2},
	{http.MethodGet, "/api/v2/tailnet/{tailnet}/keys/{id}", (*call).getKeyV2},
	{http.MethodDelete, "/api/v2/tailnet/{tailnet}/keys/{id}", (*call).deleteKeyV2},
	{http.MethodGet, "/api/v2/tailnet/{tailnet}/devices", (*call).listDevices},
	{http.MethodGet, "/api/v2/device/{id}", (*call).getDevice},
	{http.MethodDelete, "/api/v2/device/{id}", (*call).deleteDevice},
	{http.MethodPost, "/api/v2/device/{id}/expire", (*call).expireDevice},
	{http.MethodPost, "/api/v2/device/{id}/authorized", (*call).authorizeDevice},
	{http.MethodPost, "/api/v2/device/{id}/tags", (*call).tagDevice},
	{http.MethodPost, "/api/v2/device/{id}/name", (*call).nameDevice},
	{http.MethodPost, "/api/v2/device/{id}/key", (*call).keyOfDevice},
	{http.MethodPost, "/api/v2/device/{id}/routes", (*call).routesOfDevice},
}

func (c *call) createKeyV2(...string) {
	capabilities, _ := c.body["capabilities"].(object)
	devices, _ := capabilities["devices"].(object)
	create, _ := devices["create"].(object)
	tags := texts(create["tags"])
	if !c.mayAssign(tags) {
		return
	}
	lifetime := longestExpiry
	if seconds, ok := c.body["expirySeconds"].(float64); ok && seconds > 0 {
		lifetime = time.Duration(seconds) * time.Second
	}
	if lifetime > longestExpiry && !c.t.headscale() {
		c.refuse("bad_request")
		return
	}
	k := c.t.addKey(&authKey{
		Description:   c.text("description"),
		User:          1,
		Reusable:      c.flag(create, "reusable"),
		Ephemeral:     c.flag(create, "ephemeral"),
		Preauthorized: c.flag(create, "preauthorized"),
		Tags:          tags,
		Expires:       time.Now().Add(lifetime),
		ByAPI:         true,
	})
	c.succeed(filled(c.api.answer(c.named("create_key", "v2_create_key")), c.keyV2(k, true)))
}

// mayAssign refuses tags that the token's owner may not put into a key.
func (c *call) mayAssign(tags []string) bool {
	if len(tags) == 0 {
		switch {
		case c.client != nil:
			c.refuse(c.named("untagged_oauth_key", "v2_untagged_oauth_key"))
			return false
		case c.t.headscale():
			c.refuse("v2_untagged_key")
			return false
		}
	}
	for _, tag := range tags {
		switch {
		case !c.t.headscale() && c.client != nil && slices.Contains(c.client.tags, tag):
		case !c.t.headscale() && (c.client != nil || !slices.Contains(c.t.tagOwners, tag)):
			c.refuseValue("bad_tags", strings.Join(tags, " "))
			return false
		case c.t.headscale() && !slices.Contains(c.t.tagOwners, tag):
			c.refuseValue("v2_undefined_tag", tag)
			return false
		case c.client != nil && !slices.Contains(c.client.tags, tag):
			c.refuseValue("v2_forbidden_tag", tag)
			return false
		}
	}
	return true
}

func (c *call) keyV2(k *authKey, created bool) object {
	create := object{"reusable": k.Reusable, "ephemeral": k.Ephemeral, "preauthorized": k.Preauthorized, "tags": k.Tags}
	shown := object{
		"id":            k.ID,
		"created":       rfc3339(k.Created),
		"expires":       rfc3339(k.Expires),
		"expirySeconds": int(k.Expires.Sub(k.Created).Round(time.Second).Seconds()),
		"description":   k.Description,
		"capabilities":  object{"devices": object{"create": create}},
		"tags":          k.Tags,
		"invalid":       k.Revoked || k.expired() || k.spent(),
	}
	if created {
		shown["key"] = k.Secret
	}
	return shown
}

func (c *call) listKeysV2(...string) {
	listed := []object{}
	request := c.named("list_keys", "v2_list_keys")
	for _, k := range c.t.keys {
		shown := c.keyV2(k, false)
		if c.t.headscale() || shown["invalid"] == false {
			listed = append(listed, filled(c.api.element(request, "keys"), shown))
		}
	}
	c.succeed(object{"keys": listed})
}

func (c *call) keyOfID(id string) *authKey {
	if k := c.t.key(id); k != nil && k.ID == id {
		return k
	}
	c.refuse(c.named("unknown_key", "v2_unknown_key"))
	return nil
}

func (c *call) getKeyV2(values ...string) {
	k := c.keyOfID(values[1])
	if k == nil {
		return
	}
	if c.t.headscale() {
		c.succeed(filled(c.api.element("v2_list_keys", "keys"), c.keyV2(k, false)))
		return
	}
	shown := c.keyV2(k, false)
	answer := filled(c.api.answer("get_key"), shown)
	if shown["invalid"] == true {
		answer["invalid"] = true
	}
	c.succeed(answer)
}

func (c *call) deleteKeyV2(values ...string) {
	if k := c.keyOfID(values[1]); k != nil {
		k.Revoked = true
		c.done()
	}
}

// done is the answer to a request that has none: Headscale's is an empty object.
func (c *call) done() {
	if c.t.headscale() {
		c.succeed(object{})
	}
}

func (c *call) device(node *tailcfg.Node) object {
	about := c.t.about[node.ID]
	approved, available := c.t.routesOf(node)
	user := "alice@example.com"
	if len(node.Tags) > 0 {
		user = "tagged-devices"
	}
	values := object{
		"addresses":          addressesOf(node),
		"id":                 strconv.Itoa(int(node.ID)),
		"nodeId":             string(node.StableID),
		"user":               user,
		"name":               strings.TrimSuffix(node.Name, "."),
		"hostname":           about.asked,
		"clientVersion":      node.Hostinfo.IPNVersion(),
		"created":            rfc3339(about.created),
		"connectedToControl": about.online,
		"lastSeen":           rfc3339(about.lastSeen),
		"keyExpiryDisabled":  node.KeyExpiry.IsZero(),
		"expires":            rfc3339(node.KeyExpiry),
		"authorized":         node.MachineAuthorized,
		"isEphemeral":        about.key != nil && about.key.Ephemeral,
		"machineKey":         node.Machine.String(),
		"nodeKey":            node.Key.String(),
		"tags":               orEmpty(node.Tags),
		"enabledRoutes":      approved,
		"advertisedRoutes":   available,
	}
	if c.t.headscale() {
		values["name"] = shortName(node)
	}
	shown := filled(c.api.element(c.named("list_devices", "v2_list_devices"), "devices"), values)
	if about.online {
		delete(shown, "lastSeen")
	}
	return shown
}

func (c *call) listDevices(...string) {
	devices := []object{}
	for _, node := range c.t.control.AllNodes() {
		devices = append(devices, c.device(node))
	}
	c.succeed(object{"devices": devices})
}

func (c *call) deviceOfID(id string) *tailcfg.Node {
	node := c.t.nodeByID(id)
	if node == nil {
		c.refuse(c.named("unknown_device", "v2_unknown_device"))
	}
	return node
}

func (c *call) getDevice(values ...string) {
	if node := c.deviceOfID(values[0]); node != nil {
		c.succeed(c.device(node))
	}
}

func (c *call) deleteDevice(values ...string) {
	if node := c.deviceOfID(values[0]); node != nil {
		c.t.remove(node)
		c.done()
	}
}

func (c *call) expireDevice(values ...string) {
	if node := c.deviceOfID(values[0]); node != nil {
		c.t.expire(node, time.Now())
	}
}

func (c *call) authorizeDevice(values ...string) {
	if node := c.deviceOfID(values[0]); node != nil {
		authorized := c.flag(c.body, "authorized")
		c.t.control.ChangeNode(node.Key, func(live *tailcfg.Node) { live.MachineAuthorized = authorized })
		c.succeed(object{})
	}
}

func (c *call) tagDevice(values ...string) {
	node := c.deviceOfID(values[0])
	if node == nil {
		return
	}
	tags := texts(c.body["tags"])
	if c.t.retag(node, tags) != nil {
		c.refuseValue("bad_tags", strings.Join(tags, " "))
		return
	}
	c.succeed(object{})
}

func (c *call) nameDevice(values ...string) {
	if node := c.deviceOfID(values[0]); node != nil {
		name, _, _ := strings.Cut(c.text("name"), ".")
		if err := c.t.rename(node, name); err != nil {
			c.fail(http.StatusBadRequest, object{"message": err.Error()})
			return
		}
		c.succeed(object{})
	}
}

func (c *call) keyOfDevice(values ...string) {
	if node := c.deviceOfID(values[0]); node != nil {
		expiry := time.Now().Add(keyLifetime)
		if c.flag(c.body, "keyExpiryDisabled") {
			expiry = time.Time{}
		}
		c.t.expire(node, expiry)
		c.succeed(object{})
	}
}

func (c *call) routesOfDevice(values ...string) {
	node := c.deviceOfID(values[0])
	if node == nil {
		return
	}
	routes := texts(c.body["routes"])
	for _, route := range routes {
		if _, err := netip.ParsePrefix(route); err != nil {
			c.refuse("bad_request")
			return
		}
	}
	c.t.approve(node, routes)
	approved, available := c.t.routesOf(c.t.nodeByID(values[0]))
	c.succeed(object{"enabledRoutes": approved, "advertisedRoutes": available})
}
