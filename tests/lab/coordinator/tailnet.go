// SPDX-FileCopyrightText: 2026 The tailsync contributors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"homelab.example/tailsync/coordinator/testcontrol"
	"tailscale.com/net/netaddr"
	"tailscale.com/net/tsaddr"
	"tailscale.com/tailcfg"
	"tailscale.com/types/dnstype"
)

// The manners of a control server.
const (
	tailscaleManners    = "tailscale"
	headscaleManners    = "headscale"      // 0.28 and 0.29
	oldHeadscaleManners = "headscale-0.26" // the same, with the API of 0.26 and 0.27
	newHeadscaleManners = "headscale-0.30" // the same, with the API of 0.30
)

var allManners = []string{tailscaleManners, headscaleManners, oldHeadscaleManners, newHeadscaleManners}

// The user that nodes with tags belong to.
const taggedDevices = 2147455555

// A node whose map stream has ended is offline after this time.
const offlineAfter = 2 * time.Second

// tailnet is a control server, and what it knows besides the test server's nodes.
type tailnet struct {
	control *testcontrol.Server
	domain  string
	baseURL string

	mu       sync.Mutex
	manners  string
	keys     []*authKey
	keyCount int
	lastID   tailcfg.NodeID
	about    map[tailcfg.NodeID]*about
	waiting  map[string]*waitingLogin // by the path of its URL

	tagOwners      []string // the tags that the policy knows
	denied         []denial
	denyAll        bool
	jailed         string // a node that no other lets in
	approveMachine bool   // new machines wait for approval

	logins []registration

	users    []string // of Headscale: the first has ID 1
	tokens   []token
	clients  []*client
	requests []apiRequest

	pause       string // why nothing is answered: empty, true or hang
	resumed     chan struct{}
	stopAt      string // registration or answer
	stopAfter   int    // how many registrations are answered before that
	connections map[net.Conn]bool
}

// about is what is known of a node besides tailcfg.Node.
type about struct {
	asked     string // the host name that it asked for last
	nameIsSet bool   // on the server
	key       *authKey
	created   time.Time
	lastSeen  time.Time
	streams   int
	online    bool
	routes    []netip.Prefix // approved
}

// denial is a port of a node that nobody may reach.
type denial struct {
	node string
	port uint16
}

// registration is one request to register, for tests to count.
type registration struct {
	Hostname string   `json:"hostname"`
	Kind     string   `json:"kind"` // key, interactive, known or logout
	Key      string   `json:"key"`  // the ID of the auth key
	Tags     []string `json:"tags"`
	Error    string   `json:"error"`
}

func newTailnet(address string, port int, domain, manners string) *tailnet {
	t := &tailnet{
		domain:      domain,
		baseURL:     fmt.Sprintf("http://%s:%d", address, port),
		manners:     manners,
		about:       map[tailcfg.NodeID]*about{},
		waiting:     map[string]*waitingLogin{},
		connections: map[net.Conn]bool{},
		resumed:     make(chan struct{}),
		users:       []string{"alice", "bob"},
	}
	t.control = &testcontrol.Server{
		DERPMap:         derpMap(address),
		ExplicitBaseURL: t.baseURL,
		MagicDNSDomain:  domain,
		DNSConfig: &tailcfg.DNSConfig{
			Proxied: true,
			Domains: []string{domain},
			// Without a resolver for the rest, a look-up of a foreign name would
			// wait for a server that is not there; an empty route refuses at once.
			Routes: map[string][]*dnstype.Resolver{".": nil},
		},
		AllNodesSameUser:  true,
		Register:          t.register,
		HoldMapRequest:    t.mapRequest,
		ModifyMapResponse: t.modify,
	}
	t.setTagOwners(nil)
	return t
}

func (t *tailnet) headscale() bool {
	return t.manners != tailscaleManners
}

func (t *tailnet) setManners(manners string) error {
	if !slices.Contains(allManners, manners) {
		return fmt.Errorf("the manners are one of %s", strings.Join(allManners, ", "))
	}
	t.manners = manners
	t.setTagOwners(t.tagOwners)
	return nil
}

// setTagOwners sets the tags that the policy knows. The user owns each of them,
// and each of them owns all.
func (t *tailnet) setTagOwners(tags []string) {
	t.tagOwners = tags
	if t.headscale() { // which ignores the tags of a node that does not log in
		t.control.SetTagOwners(nil)
		return
	}
	owners := map[string][]string{}
	for _, tag := range tags {
		owners[tag] = tags
	}
	t.control.SetTagOwners(owners)
}

// mapRequest is called with each request of a node, before it is answered.
func (t *tailnet) mapRequest(request *tailcfg.MapRequest) func() {
	t.gate(context.Background())
	t.mu.Lock()
	defer t.mu.Unlock()
	node := t.control.Node(request.NodeKey)
	if node == nil {
		return nil
	}
	if request.Hostinfo != nil && !request.ReadOnly && !request.Stream {
		t.asksForName(node, request.Hostinfo.Hostname)
	}
	if !request.Stream || request.ReadOnly {
		return nil
	}
	t.streamStarts(node.ID)
	return func() { t.streamEnds(node.ID) }
}

func (t *tailnet) streamStarts(id tailcfg.NodeID) {
	about := t.about[id]
	if about == nil {
		return
	}
	about.streams++
	if !about.online {
		about.online = true
		t.control.Notify()
	}
}

func (t *tailnet) streamEnds(id tailcfg.NodeID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	about := t.about[id]
	if about == nil {
		return
	}
	about.streams--
	about.lastSeen = time.Now()
	time.AfterFunc(offlineAfter, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if about.online && about.streams == 0 {
			about.online = false
			t.control.Notify()
		}
	})
}

// modify changes a map response to what a real server would send: who is online, what the policy allows, and the time.
func (t *tailnet) modify(response *tailcfg.MapResponse, _ *tailcfg.MapRequest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	peers := []*tailcfg.Node{}
	for _, peer := range response.Peers {
		if t.denyAll || !peer.MachineAuthorized || !response.Node.MachineAuthorized {
			continue
		}
		if about := t.about[peer.ID]; about != nil {
			peer.Online = new(about.online)
			peer.IsJailed = t.jailed != "" && shortName(peer) == t.jailed
			if !about.online {
				peer.LastSeen = new(about.lastSeen)
			}
		}
		peers = append(peers, peer)
	}
	response.Peers = peers
	if len(peers) == 0 { // an empty list is not sent, and the node would keep the peers that it had
		for id := tailcfg.NodeID(1); id <= t.lastID; id++ {
			response.PeersRemoved = append(response.PeersRemoved, id)
		}
	}
	response.ControlTime = new(time.Now()) // by which nodes find out that a peer's key has expired
	for _, node := range append(peers, response.Node) {
		if len(node.Tags) > 0 {
			node.User = taggedDevices
		}
	}
	profile := tailcfg.UserProfile{ID: taggedDevices, LoginName: "tagged-devices", DisplayName: "Tagged Devices"}
	response.UserProfiles = append(response.UserProfiles, profile)
	response.PacketFilter = t.filter(response.Node, response.PacketFilter)
}

// filter is the packet filter of a node, without the ports that are denied. The first of the test server's rules is
// the one that allows everything.
func (t *tailnet) filter(node *tailcfg.Node, rules []tailcfg.FilterRule) []tailcfg.FilterRule {
	if t.denyAll {
		return rules[1:]
	}
	denied := []uint16{}
	for _, one := range t.denied {
		if one.node == shortName(node) {
			denied = append(denied, one.port)
		}
	}
	if len(denied) == 0 {
		return rules
	}
	slices.Sort(denied)
	ranges := []tailcfg.NetPortRange{}
	first := uint16(0)
	for _, port := range denied {
		if port > first {
			ranges = append(ranges, tailcfg.NetPortRange{IP: "*", Ports: tailcfg.PortRange{First: first, Last: port - 1}})
		}
		first = port + 1
	}
	ranges = append(ranges, tailcfg.NetPortRange{IP: "*", Ports: tailcfg.PortRange{First: first, Last: 65535}})
	return append([]tailcfg.FilterRule{{SrcIPs: rules[0].SrcIPs, DstPorts: ranges}}, rules[1:]...)
}

// setPolicy sets what nodes may reach: `allow` everything, nothing (`none`), or everything but ports, `deny NODE PORT…`.
func (t *tailnet) setPolicy(body string) error {
	words := strings.Fields(body)
	switch {
	case len(words) == 1 && words[0] == "allow":
		t.denied, t.denyAll = nil, false
	case len(words) == 1 && words[0] == "none":
		t.denyAll = true
	case len(words) > 2 && words[0] == "deny":
		for _, word := range words[2:] {
			port, err := strconv.ParseUint(word, 10, 16)
			if err != nil || port == 0 || port == 65535 {
				return fmt.Errorf("%q is no port to deny", word)
			}
			t.denied = append(t.denied, denial{words[1], uint16(port)})
		}
	default:
		return fmt.Errorf("a policy is `allow`, `none` or `deny NODE PORT…`")
	}
	t.control.Notify()
	return nil
}

// number gives a new node a number that none has had, and the addresses that
// the test server derives from it.
func (t *tailnet) number(node *tailcfg.Node) {
	t.lastID++
	node.ID = t.lastID
	node.StableID = tailcfg.StableNodeID(fmt.Sprintf("n%08xCNTRL", int(node.ID)))
	if t.headscale() {
		node.StableID = tailcfg.StableNodeID(strconv.Itoa(int(node.ID)))
	}
	ipv4 := netip.PrefixFrom(netaddr.IPv4(100, 64, uint8(node.ID>>8), uint8(node.ID)), 32)
	node.Addresses = []netip.Prefix{ipv4, netip.PrefixFrom(tsaddr.Tailscale4To6(ipv4.Addr()), 128)}
	node.AllowedIPs = node.Addresses
}

// remove deletes a node: its peers forget it, and only a new login makes its
// machine a node again. Tailscale tells the node that its key is void,
// Headscale tells it nothing, so that it thinks that all is well.
func (t *tailnet) remove(node *tailcfg.Node) {
	var last *tailcfg.MapResponse
	if !t.headscale() {
		void := node.Clone()
		void.KeyExpiry = time.Now().Add(-time.Minute)
		last = &tailcfg.MapResponse{Node: void}
	}
	t.control.RemoveNode(node.Key, last)
	delete(t.about, node.ID)
}

// expire sets when a node's key expires; the zero time is never.
func (t *tailnet) expire(node *tailcfg.Node, when time.Time) {
	t.control.ChangeNode(node.Key, func(live *tailcfg.Node) { live.KeyExpiry = when })
}

// retag sets a node's tags. A tagged node belongs to no user, and its key does not expire by itself.
func (t *tailnet) retag(node *tailcfg.Node, tags []string) error {
	for _, tag := range tags {
		if !slices.Contains(t.tagOwners, tag) {
			return fmt.Errorf("requested tags [%s] are invalid or not permitted", tag)
		}
	}
	if len(tags) == 0 && t.headscale() {
		return fmt.Errorf("cannot remove all tags from a node - tagged nodes must have at least one tag")
	}
	t.control.ChangeNode(node.Key, func(live *tailcfg.Node) { live.Tags = tags })
	return nil
}

// approve sets the routes of a node that are approved.
func (t *tailnet) approve(node *tailcfg.Node, routes []string) error {
	approved := []netip.Prefix{}
	for _, route := range routes {
		prefix, err := netip.ParsePrefix(route)
		if err != nil {
			return err
		}
		approved = append(approved, prefix)
	}
	t.about[node.ID].routes = approved
	t.control.SetSubnetRoutes(node.Key, approved)
	return nil
}
