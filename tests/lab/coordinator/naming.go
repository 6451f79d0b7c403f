// SPDX-FileCopyrightText: 2026 The tailsync contributors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"strings"

	"tailscale.com/tailcfg"
	"tailscale.com/util/dnsname"
)

// Nodes get their names as from real control servers: a name that another node
// has gets a number, a node that asks for another name gets it, and a name that
// was set on the server stays. The test server would take every name as asked,
// and never look at it again.

// free is the whole name that a node gets which asks for a host name.
func (t *tailnet) free(node *tailcfg.Node, hostname string) string {
	label := dnsname.SanitizeHostname(hostname)
	if label == "" {
		label = "node"
	}
	for number := 0; ; number++ {
		name := label
		if number > 0 {
			name = fmt.Sprintf("%s-%d", label, number)
		}
		if holder := t.named(name); holder == nil || holder.Key == node.Key || holder.ID == node.ID {
			return t.whole(name)
		}
	}
}

func (t *tailnet) whole(label string) string {
	return label + "." + t.domain + "."
}

func (t *tailnet) named(label string) *tailcfg.Node {
	for _, node := range t.control.AllNodes() {
		if strings.EqualFold(node.Name, t.whole(label)) {
			return node
		}
	}
	return nil
}

func (t *tailnet) mustNamed(label string) (*tailcfg.Node, error) {
	if node := t.named(label); node != nil {
		return node, nil
	}
	return nil, fmt.Errorf("no node is named %q", label)
}

// asksForName is called with the host name that a known node sends.
func (t *tailnet) asksForName(node *tailcfg.Node, hostname string) {
	about := t.about[node.ID]
	if about == nil || about.asked == hostname {
		return
	}
	about.asked = hostname
	if !about.nameIsSet {
		name := t.free(node, hostname)
		t.control.ChangeNode(node.Key, func(live *tailcfg.Node) { live.Name = name })
	}
}

// rename sets a node's name on the server, which refuses one that is taken.
func (t *tailnet) rename(node *tailcfg.Node, wanted string) error {
	if dnsname.SanitizeHostname(wanted) != wanted || wanted == "" {
		return fmt.Errorf("%q is no name for a node", wanted)
	}
	if holder := t.named(wanted); holder != nil && holder.Key != node.Key {
		return fmt.Errorf("another node is named %q", wanted)
	}
	t.about[node.ID].nameIsSet = true
	t.control.ChangeNode(node.Key, func(live *tailcfg.Node) { live.Name = t.whole(wanted) })
	return nil
}

func shortName(node *tailcfg.Node) string {
	return strings.SplitN(node.Name, ".", 2)[0]
}
