// SPDX-FileCopyrightText: 2026 The tailsync contributors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
)

// A server that does not answer, or stops in the middle of a registration.

// setPause makes the server answer nothing: `true` ends each connection, `hang` leaves each request open until `false`.
func (t *tailnet) setPause(how string) error {
	if !slices.Contains([]string{"true", "hang", "false"}, how) {
		return fmt.Errorf("pause is true, hang or false")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if how == "false" {
		t.pause = ""
		close(t.resumed)
		t.resumed = make(chan struct{})
		return nil
	}
	t.pause = how
	if how == "true" {
		t.cut()
	}
	return nil
}

// gate ends the request, or holds it back, while the server answers nothing.
func (t *tailnet) gate(ctx context.Context) {
	t.mu.Lock()
	how, resumed := t.pause, t.resumed
	t.mu.Unlock()
	switch how {
	case "true":
		panic(http.ErrAbortHandler)
	case "hang":
		select {
		case <-resumed:
		case <-ctx.Done():
			panic(http.ErrAbortHandler)
		}
	}
}

// stops reports whether the server is to stop at this point of this registration.
func (t *tailnet) stops(at string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopAt != at {
		return false
	}
	if t.stopAfter > 0 {
		t.stopAfter--
		return false
	}
	t.stopAt, t.pause = "", "true"
	t.cut()
	return true
}

// cut ends all connections.
func (t *tailnet) cut() {
	for connection := range t.connections {
		connection.Close()
	}
	clear(t.connections)
}

// Listener lets the tailnet end its connections, which net/http no longer knows once they speak Noise.
type listener struct {
	net.Listener
	t *tailnet
}

func (l listener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	known := &connection{accepted, l.t}
	l.t.mu.Lock()
	l.t.connections[known] = true
	l.t.mu.Unlock()
	return known, nil
}

type connection struct {
	net.Conn
	t *tailnet
}

func (c *connection) Close() error {
	go func() { // cut holds the mutex
		c.t.mu.Lock()
		delete(c.t.connections, c)
		c.t.mu.Unlock()
	}()
	return c.Conn.Close()
}
