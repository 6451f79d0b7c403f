// SPDX-FileCopyrightText: 2026 The tailsync contributors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// authKey lets machines join the tailnet: one, or any number if it is reusable.
type authKey struct {
	ID            string    `json:"id"`
	Secret        string    `json:"key"`
	Description   string    `json:"description"`
	User          int       `json:"user"` // 0 for a key that has only tags
	Reusable      bool      `json:"reusable"`
	Ephemeral     bool      `json:"ephemeral"`
	Preauthorized bool      `json:"preauthorized"`
	Tags          []string  `json:"tags"`
	Created       time.Time `json:"created"`
	Expires       time.Time `json:"expires"` // zero is never
	Used          bool      `json:"used"`
	Revoked       bool      `json:"revoked"`
	ByAPI         bool      `json:"by_api"` // made by the administrative API
}

func (k *authKey) expired() bool {
	return !k.Expires.IsZero() && k.Expires.Before(time.Now())
}

func (k *authKey) spent() bool {
	return k.Used && !k.Reusable
}

// addKey stores a key; without a secret it gets one, in the form of the manners.
func (t *tailnet) addKey(k *authKey) *authKey {
	t.keyCount++
	k.Created = time.Now().UTC().Truncate(time.Second)
	if t.headscale() {
		k.ID = strconv.Itoa(t.keyCount)
		if k.Secret == "" {
			k.Secret = "hskey-auth-" + randomHex(6) + "-" + randomHex(32)
		}
	} else {
		k.ID = fmt.Sprintf("k%06dCNTRL", t.keyCount)
		if k.Secret == "" {
			k.Secret = "tskey-auth-" + k.ID + "-" + randomHex(16)
		}
	}
	t.keys = slices.DeleteFunc(t.keys, func(other *authKey) bool { return other.Secret == k.Secret })
	t.keys = append(t.keys, k)
	return k
}

func randomHex(length int) string {
	bytes := make([]byte, length)
	rand.Read(bytes) // never fails
	return hex.EncodeToString(bytes)
}

// key finds a key by its secret or its ID.
func (t *tailnet) key(secretOrID string) *authKey {
	for _, k := range t.keys {
		if secretOrID != "" && (k.Secret == secretOrID || k.ID == secretOrID) {
			return k
		}
	}
	return nil
}

// refusal says why a key lets nobody in, in the words of the real servers.
func (t *tailnet) refusal(secret string) (*authKey, string) {
	k := t.key(secret)
	if k != nil && k.Secret != secret {
		k = nil
	}
	switch {
	case t.headscale() && (k == nil || k.Revoked):
		// In this order, as hscontrol/db/preauth_keys.go looks at a key.
		rest, found := strings.CutPrefix(secret, "hskey-auth-")
		if found && len(rest) < 77 {
			return nil, fmt.Sprintf("handling register with auth key: failed to parse auth-key: "+
				"key too short, expected at least 77 chars after prefix, got %d", len(rest))
		}
		return nil, "invalid pre auth key"
	case t.headscale() && k.expired():
		return nil, "authkey expired"
	case t.headscale() && k.spent():
		return nil, "authkey already used"
	case t.headscale():
		return k, ""
	case k == nil && !strings.HasPrefix(secret, "tskey-"):
		return nil, "invalid key: unable to validate API key"
	case k == nil || k.Revoked:
		return nil, "invalid key: API key does not exist"
	case k.expired() || k.spent():
		return nil, fmt.Sprintf("invalid key: API key %s not valid", k.ID)
	}
	return k, ""
}

// parseKey reads a key as the admin interface takes it: its secret (- for a new one) and words.
func parseKey(body string) (*authKey, error) {
	words := strings.Fields(body)
	if len(words) == 0 {
		return nil, fmt.Errorf("a key has a secret, or - for a new one")
	}
	k := &authKey{User: 1, Tags: []string{}}
	if words[0] != "-" {
		k.Secret = words[0]
	}
	for _, word := range words[1:] {
		name, value, _ := strings.Cut(word, "=")
		var err error
		switch name {
		case "reusable":
			k.Reusable = true
		case "ephemeral":
			k.Ephemeral = true
		case "preauthorized":
			k.Preauthorized = true
		case "used":
			k.Used = true
		case "tags":
			k.Tags = strings.Split(value, ",")
		case "user":
			k.User, err = strconv.Atoi(value)
		case "expires": // seconds from now, which may be negative
			var seconds int
			seconds, err = strconv.Atoi(value)
			k.Expires = time.Now().Add(time.Duration(seconds) * time.Second)
		default:
			err = fmt.Errorf("%q is no word for a key", word)
		}
		if err != nil {
			return nil, err
		}
	}
	return k, nil
}
