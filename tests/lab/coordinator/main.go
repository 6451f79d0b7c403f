// SPDX-FileCopyrightText: 2026 The tailsync contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// Coordinator is the test network's stand-in for Tailscale's hosted services:
// the control server that Tailscale tests its own client with, a DERP relay and
// a STUN server. Names that are taken get a number, see naming.go. All state is in memory; a restarted coordinator has forgotten everybody.
//
// An admin interface on its own port changes what it demands of nodes:
//
//	POST /require-key      body: the auth key that registrations must show, empty for none
//	POST /require-approval body: true or false
//	POST /approve          approve every node that waits for it
//	POST /key-expiry       body: when keys expire (RFC 3339, or `never`) and of which nodes, all if none is named; a new login renews one
//	POST /jail             body: a node's name; no other node lets it in (what an access policy without a grant does), empty for none
//	POST /tags             body: tags that nodes may join with and change to, separated by spaces; empty: none gets any
//	POST /routes           body: a node's name and the routes of its that are approved, which may make it an exit node
//	POST /ssh              body: true or false; whether the tailnet has Tailscale SSH
//	POST /rename           body: a node's name and the one that it gets; it keeps that, whatever it asks for
//	POST /delete           body: the name of a node that is no more
//	POST /pause            body: true, false or other; while paused neither control server, or not the other one, answers anything
//	GET  /nodes            the nodes it knows
//
// A second control server, on the port after the admin interface's, is another tailnet to move to. It demands the same key.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"tailscale.com/derp/derpserver"
	"tailscale.com/net/stunserver"
	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/types/dnstype"
	"tailscale.com/types/key"
)

const (
	controlPort = 8080
	adminPort   = 8081
	otherPort   = 8082
	derpPort    = 8443
	stunPort    = 3478
)

func main() {
	address := flag.String("address", "127.0.0.1", "IPv4 address to listen on")
	domain := flag.String("domain", "tailnet.test", "MagicDNS domain")
	authKey := flag.String("auth-key", "", "auth key that registrations must show")
	flag.Parse()

	go serveDERP(*address)
	go serveSTUN(*address)

	var paused, otherPaused atomic.Bool
	control, names := newControl(*address, controlPort, *domain, *authKey)
	other, _ := newControl(*address, otherPort, "other."+*domain, *authKey)
	go serveAdmin(*address, control, other, names, &paused, &otherPaused)
	go serveControl(*address, otherPort, other, &otherPaused)
	serveControl(*address, controlPort, control, &paused)
}

func newControl(address string, port int, domain, authKey string) (*testcontrol.Server, *naming) {
	control := &testcontrol.Server{
		DERPMap:         derpMap(address),
		ExplicitBaseURL: fmt.Sprintf("http://%s:%d", address, port),
		RequireAuthKey:  authKey,
		MagicDNSDomain:  domain,
		DNSConfig: &tailcfg.DNSConfig{
			Proxied: true,
			Domains: []string{domain},
			// Without a resolver for the rest, a look-up of a foreign name would
			// wait for a server that is not there; an empty route refuses at once.
			Routes: map[string][]*dnstype.Resolver{".": nil},
		},
		AllNodesSameUser: true,
		AllOnline:        true,
	}
	names := newNaming(control)
	control.HoldMapRequest = func(request *tailcfg.MapRequest) func() {
		names.seen(request)
		return nil
	}
	return control, names
}

func serveControl(address string, port int, control *testcontrol.Server, paused *atomic.Bool) {
	log.Fatal(http.ListenAndServe(listenAddress(address, port), http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			if paused.Load() {
				panic(http.ErrAbortHandler)
			}
			control.ServeHTTP(w, r)
		})))
}

func private[T any](control *testcontrol.Server, field string) *T {
	return (*T)(reflect.ValueOf(control).Elem().FieldByName(field).Addr().UnsafePointer())
}

func listenAddress(address string, port int) string {
	return net.JoinHostPort(address, fmt.Sprint(port))
}

func derpMap(address string) *tailcfg.DERPMap {
	return &tailcfg.DERPMap{
		OmitDefaultRegions: true,
		Regions: map[int]*tailcfg.DERPRegion{
			1: {
				RegionID:   1,
				RegionCode: "lab",
				Nodes: []*tailcfg.DERPNode{{
					Name:             "1a",
					RegionID:         1,
					HostName:         address,
					IPv4:             address,
					IPv6:             "none",
					DERPPort:         derpPort,
					STUNPort:         stunPort,
					InsecureForTests: true,
				}},
			},
		},
	}
}

func serveDERP(address string) {
	server := derpserver.New(key.NewNode(), func(string, ...any) {})
	https := &http.Server{
		Addr:      listenAddress(address, derpPort),
		Handler:   derpserver.Handler(server),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{selfSigned(address)}},
		// DERP upgrades the connection, which HTTP/2 cannot.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		ErrorLog:     log.New(io.Discard, "", 0),
	}
	log.Fatal(https.ListenAndServeTLS("", ""))
}

func serveSTUN(address string) {
	server := stunserver.New(context.Background())
	log.Fatal(server.ListenAndServe(listenAddress(address, stunPort)))
}

func selfSigned(address string) tls.Certificate {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: address},
		IPAddresses:  []net.IP{net.ParseIP(address)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(30 * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		log.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
}

func shortName(node *tailcfg.Node) string {
	return strings.SplitN(node.Name, ".", 2)[0]
}

func serveAdmin(address string, control, other *testcontrol.Server, names *naming, paused, otherPaused *atomic.Bool) {
	mux := http.NewServeMux()
	post := func(path string, do func(body string)) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(io.LimitReader(r.Body, 4096))
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			do(strings.TrimSpace(string(body)))
		})
	}
	post("/require-key", func(body string) { control.RequireAuthKey, other.RequireAuthKey = body, body })
	post("/require-approval", func(body string) { control.RequireMachineAuth = body == "true" })
	post("/key-expiry", func(body string) {
		words := strings.Fields(body)
		if len(words) == 0 {
			return
		}
		var expiry time.Time // zero is never
		if words[0] != "never" {
			var err error
			if expiry, err = time.Parse(time.RFC3339, words[0]); err != nil {
				log.Print(err)
				return
			}
		}
		for _, node := range control.AllNodes() {
			if len(words) == 1 || slices.Contains(words[1:], shortName(node)) {
				node.KeyExpiry = expiry
				control.UpdateNode(node)
			}
		}
	})
	post("/jail", func(body string) {
		nodes := control.AllNodes()
		for _, jailed := range nodes {
			for _, node := range nodes {
				control.SetJailed(node.Key, jailed.Key, shortName(jailed) == body)
			}
		}
	})
	post("/tags", func(body string) {
		control.TagOwners = nil
		if tags := strings.Fields(body); len(tags) > 0 {
			control.TagOwners = map[string][]string{}
			for _, tag := range tags {
				control.TagOwners[tag] = tags
			}
		}
	})
	post("/routes", func(body string) {
		name, routes, _ := strings.Cut(body, " ")
		approved := []netip.Prefix{}
		for _, route := range strings.Fields(routes) {
			prefix, err := netip.ParsePrefix(route)
			if err != nil {
				log.Print(err)
				return
			}
			approved = append(approved, prefix)
		}
		for _, node := range control.AllNodes() {
			if shortName(node) == name {
				control.SetSubnetRoutes(node.Key, approved)
			}
		}
	})
	post("/ssh", func(body string) {
		var policy *tailcfg.SSHPolicy
		if body == "true" {
			policy = &tailcfg.SSHPolicy{}
		}
		control.SetSSHPolicy(policy)
		for _, node := range control.AllNodes() {
			control.UpdateNode(node) // tells all
		}
	})
	post("/pause", func(body string) {
		paused.Store(body == "true")
		otherPaused.Store(body == "true" || body == "other")
	})
	refusable := func(path string, do func(body string) error) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(io.LimitReader(r.Body, 4096))
			if err == nil {
				err = do(strings.TrimSpace(string(body)))
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		})
	}
	refusable("/rename", func(body string) error {
		name, wanted, _ := strings.Cut(body, " ")
		return names.rename(name, wanted)
	})
	refusable("/delete", names.remove)
	post("/approve", func(string) {
		for _, node := range control.AllNodes() {
			if !node.MachineAuthorized {
				node.MachineAuthorized = true
				control.UpdateNode(node)
			}
		}
	})
	mux.HandleFunc("GET /nodes", func(w http.ResponseWriter, _ *http.Request) {
		type shown struct {
			Name      string   `json:"name"`
			Addresses []string `json:"addresses"`
			Approved  bool     `json:"approved"`
			Tags      []string `json:"tags"`
		}
		nodes := []shown{}
		for _, node := range control.AllNodes() {
			one := shown{Name: node.Name, Approved: node.MachineAuthorized, Tags: node.Tags}
			for _, prefix := range node.Addresses {
				one.Addresses = append(one.Addresses, prefix.Addr().String())
			}
			nodes = append(nodes, one)
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(nodes); err != nil {
			log.Print(err)
		}
	})
	log.Fatal(http.ListenAndServe(listenAddress(address, adminPort), mux))
}
