// SPDX-FileCopyrightText: 2026 The tailsync contributors
// SPDX-License-Identifier: GPL-3.0-or-later

// Coordinator is the test network's stand-in for Tailscale's hosted services,
// or for a Headscale: the control server that Tailscale tests its own client
// with (testcontrol, a changed copy), a DERP relay and a STUN server. What it
// does at a registration, with names, keys and tags, is what Tailscale or
// Headscale does: its manners. All state is in memory; a restarted coordinator has forgotten everybody.
//
// An admin interface on its own port changes it while it runs:
//
//	POST /manners          body: tailscale, headscale (0.28 and 0.29), headscale-0.26 or headscale-0.30
//	POST /key              body: an auth key, or - for a new one, and any of: reusable ephemeral preauthorized used
//	                       tags=tag:a,tag:b user=ID expires=SECONDS (negative: expired). The answer is the key
//	POST /revoke           body: a key, or its ID
//	POST /login            body: the host name of a machine that waits for somebody to log in, who does
//	POST /require-approval body: true or false; whether new machines wait for approval (Tailscale only)
//	POST /approve          approve every node that waits for it
//	POST /key-expiry       body: when keys expire (RFC 3339, or `never`) and of which nodes, all if none is named
//	POST /jail             body: a node's name; no other node lets it in, empty for none
//	POST /policy           body: allow (everything), none (nothing: nodes do not see each other), or deny NODE PORT...
//	POST /tags             body: the tags that the policy knows, separated by spaces
//	POST /retag            body: a node's name and its tags from now on
//	POST /routes           body: a node's name and the routes of its that are approved, which may make it an exit node
//	POST /ssh              body: true or false; whether the tailnet has Tailscale SSH
//	POST /rename           body: a node's name and the one that it gets; it keeps that, whatever it asks for
//	POST /delete           body: the name of a node that is no more
//	POST /pause            body: true (connections end without an answer), hang (requests wait), or false
//	POST /stop-at          body: registration (the server pauses when the next one comes in) or answer (it is carried out,
//	                       and never answered); a number after it: so many registrations are answered before
//	POST /api-token        body: a token of a person for the administrative API (of Headscale: an API key)
//	POST /oauth-client     body: ID, secret and tags of an OAuth client
//	POST /oidc             body: ID, audience and tags of a federated identity, which exchanges OIDC tokens
//	GET  /nodes            the nodes it knows
//	GET  /keys             the auth keys it knows
//	GET  /registrations    all registrations, in order
//	GET  /requests         all requests to the administrative API, in order
//
// The administrative API answers in the forms of facts.json, on a port of its own. A second control server, on the port after the admin interface's, is another tailnet to move to, with keys of its
// own. The admin interface has the same for it under /other/.
package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"flag"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"strings"
	"time"

	"tailscale.com/derp/derpserver"
	"tailscale.com/net/stunserver"
	"tailscale.com/tailcfg"
	"tailscale.com/types/key"
)

const (
	controlPort = 8080
	adminPort   = 8081
	otherPort   = 8082
	apiPort     = 8083 // Headscale's is on the control server's port, too
	otherAPI    = 8084
	derpPort    = 8443
	stunPort    = 3478
)

func main() {
	address := flag.String("address", "127.0.0.1", "IPv4 address to listen on")
	domain := flag.String("domain", "tailnet.test", "MagicDNS domain")
	manners := flag.String("manners", tailscaleManners, "of which control server: "+strings.Join(allManners, ", "))
	flag.Parse()

	control := newTailnet(*address, controlPort, *domain, *manners)
	other := newTailnet(*address, otherPort, "other."+*domain, *manners)
	if err := control.setManners(*manners); err != nil {
		log.Fatal(err)
	}
	go serveDERP(*address)
	go serveSTUN(*address)
	go serveAdmin(*address, map[string]*tailnet{"": control, "/other": other})
	go serveAPI(*address, apiPort, control)
	go serveAPI(*address, otherAPI, other)
	go serveControl(*address, otherPort, other)
	serveControl(*address, controlPort, control)
}

func serveControl(address string, port int, t *tailnet) {
	inner, err := net.Listen("tcp", listenAddress(address, port))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener{inner, t}, http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			t.gate(r.Context())
			if t.hasAPI(r) {
				t.apiHandler(w, r)
				return
			}
			t.control.ServeHTTP(w, r)
		})))
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
