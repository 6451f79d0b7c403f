// SPDX-FileCopyrightText: 2026 The tailsync contributors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"tailscale.com/net/netaddr"
	"tailscale.com/net/tsaddr"
	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/types/key"
	"tailscale.com/util/dnsname"
)

// naming gives nodes their names as real control servers do: a name that
// another node has gets a number, a node that asks for another name gets it, and
// a name that was set on the server stays. The test server would take every
// name as asked, and never look at it again.
//
// What real servers also do at a login, and the test server does not: a machine
// that logs in again stays the node that it was.
type naming struct {
	control *testcontrol.Server
	mu      sync.Mutex
	known   map[key.NodePublic]bool
	asked   map[key.MachinePublic]string // the host name that each machine asked for last
	set     map[key.MachinePublic]bool   // whose name was set on the server
	lastID  tailcfg.NodeID
}

func newNaming(control *testcontrol.Server) *naming {
	return &naming{
		control: control,
		known:   map[key.NodePublic]bool{},
		asked:   map[key.MachinePublic]string{},
		set:     map[key.MachinePublic]bool{},
	}
}

// seen is called with each request of a node, before it is answered.
func (n *naming) seen(request *tailcfg.MapRequest) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.known[request.NodeKey] {
		n.known[request.NodeKey] = n.loggedIn(request)
		return
	}
	if request.Hostinfo == nil || request.ReadOnly || request.Stream {
		return
	}
	node := n.control.Node(request.NodeKey)
	if node == nil || n.asked[node.Machine] == request.Hostinfo.Hostname {
		return
	}
	n.asked[node.Machine] = request.Hostinfo.Hostname
	if !n.set[node.Machine] {
		node.Name = n.free(node, request.Hostinfo.Hostname)
		n.control.UpdateNode(node)
	}
}

// loggedIn makes a login what it is with a real control server: a machine that
// logs in again stays the node that it was, under a new key that has the tags
// now asked for and has not expired. The test server would keep both keys as
// nodes, of which peers then see two with one address, and has no way to take
// one away but by what is private to it.
func (n *naming) loggedIn(request *tailcfg.MapRequest) bool {
	node := n.control.Node(request.NodeKey)
	if node == nil {
		return false
	}
	hostname := node.Hostinfo.Hostname()
	if request.Hostinfo != nil && request.Hostinfo.Hostname != "" {
		hostname = request.Hostinfo.Hostname
	}
	if old := n.takePlaceOf(node); old == nil {
		n.number(node)
		node.Name = n.free(node, hostname)
	} else if node.Name = old.Name; n.asked[node.Machine] != hostname && !n.set[node.Machine] {
		node.Name = n.free(node, hostname)
	}
	n.asked[node.Machine] = hostname
	node.KeyExpiry = time.Time{}
	if request.Hostinfo != nil {
		node.Tags = nil
		for _, tag := range request.Hostinfo.RequestTags {
			if n.control.TagOwners[tag] != nil {
				node.Tags = append(node.Tags, tag)
			}
		}
		node.Hostinfo = request.Hostinfo.View() // what it asks for is no change that it asks for
	}
	n.control.UpdateNode(node)
	return true
}

// takePlaceOf gives a node the number and the addresses of the one that its
// machine was before, which goes.
func (n *naming) takePlaceOf(node *tailcfg.Node) *tailcfg.Node {
	mu, nodes := n.nodes()
	mu.Lock()
	defer mu.Unlock()
	for before, old := range nodes {
		if before != node.Key && old.Machine == node.Machine {
			node.ID, node.StableID, node.Addresses, node.AllowedIPs = old.ID, old.StableID, old.Addresses, old.AllowedIPs
			delete(nodes, before)
			return old
		}
	}
	return nil
}

// number gives a new node a number that none has had, and the addresses that
// the test server derives from it. That counts the nodes which are there: after
// one was removed it would give another's number and addresses again.
func (n *naming) number(node *tailcfg.Node) {
	n.lastID++
	node.ID = n.lastID
	node.StableID = tailcfg.StableNodeID(fmt.Sprintf("TESTCTRL%08x", int(node.ID)))
	ipv4 := netip.PrefixFrom(netaddr.IPv4(100, 64, uint8(node.ID>>8), uint8(node.ID)), 32)
	node.Addresses = []netip.Prefix{ipv4, netip.PrefixFrom(tsaddr.Tailscale4To6(ipv4.Addr()), 128)}
	node.AllowedIPs = node.Addresses
}

// free is the whole name that a node gets which asks for a host name.
func (n *naming) free(node *tailcfg.Node, hostname string) string {
	label := dnsname.SanitizeHostname(hostname)
	if label == "" {
		label = "node"
	}
	for number := 0; ; number++ {
		name := label
		if number > 0 {
			name = fmt.Sprintf("%s-%d", label, number)
		}
		if holder := n.named(name); holder == nil || holder.Key == node.Key {
			return n.whole(name)
		}
	}
}

func (n *naming) whole(label string) string {
	return label + "." + n.control.MagicDNSDomain + "."
}

func (n *naming) named(label string) *tailcfg.Node {
	for _, node := range n.control.AllNodes() {
		if strings.EqualFold(node.Name, n.whole(label)) {
			return node
		}
	}
	return nil
}

// rename sets a node's name on the server, which refuses one that is taken.
func (n *naming) rename(label, wanted string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	node := n.named(label)
	if node == nil {
		return fmt.Errorf("no node is named %q", label)
	}
	if dnsname.SanitizeHostname(wanted) != wanted || wanted == "" {
		return fmt.Errorf("%q is no name for a node", wanted)
	}
	if holder := n.named(wanted); holder != nil && holder.Key != node.Key {
		return fmt.Errorf("another node is named %q", wanted)
	}
	node.Name = n.whole(wanted)
	n.set[node.Machine] = true
	n.control.UpdateNode(node)
	return nil
}

// remove deletes a node: its peers forget it, and only a new login, with what
// that asks for, makes its machine a node again.
func (n *naming) remove(label string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	node := n.named(label)
	if node == nil {
		return fmt.Errorf("no node is named %q", label)
	}
	mu, nodes := n.nodes()
	mu.Lock()
	delete(nodes, node.Key)
	mu.Unlock()
	delete(n.known, node.Key)
	delete(n.asked, node.Machine)
	delete(n.set, node.Machine)
	for _, other := range n.control.AllNodes() {
		n.control.UpdateNode(other) // tells all
		break
	}
	return nil
}

func (n *naming) nodes() (*sync.Mutex, map[key.NodePublic]*tailcfg.Node) {
	return private[sync.Mutex](n.control, "mu"), *private[map[key.NodePublic]*tailcfg.Node](n.control, "nodes")
}
