// SPDX-FileCopyrightText: 2026 The tailsync contributors
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	_ "embed"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"strings"
)

// The forms in which the real servers' administrative APIs answer.
//
//go:embed facts.json
var recorded []byte

// object is a JSON object.
type object = map[string]any

type recordedError struct {
	Status      int               `json:"status"`
	ContentType string            `json:"content_type"`
	Headers     map[string]string `json:"headers"`
	Body        json.RawMessage   `json:"body"`
	Text        string            `json:"text"`
}

type recordedAPI struct {
	ErrorContentType string `json:"error_content_type"`
	NeedsJSON        bool   `json:"needs_json_content_type"`
	Requests         map[string]struct {
		Answer json.RawMessage `json:"answer"`
	} `json:"requests"`
	Errors map[string]recordedError `json:"errors"`
}

var facts = func() map[string]recordedAPI {
	var all struct {
		APIs map[string]recordedAPI `json:"apis"`
	}
	if err := json.Unmarshal(recorded, &all); err != nil {
		log.Fatal(err)
	}
	return all.APIs
}()

// answer is the recorded answer to a request.
func (api recordedAPI) answer(request string) object {
	answer := object{}
	if err := json.Unmarshal(api.Requests[request].Answer, &answer); err != nil {
		log.Panicf("facts.json has no answer to %s", request)
	}
	return answer
}

// element is an element of a list in the recorded answer to a request.
func (api recordedAPI) element(request, list string) object {
	return api.answer(request)[list].([]any)[0].(object)
}

// filled is a recorded object with other values. It keeps its form: a value whose name it has not is left out.
func filled(form, values object) object {
	for name := range form {
		if value, ok := values[name]; ok {
			form[name] = value
		}
	}
	return form
}

func (api recordedAPI) refuse(w http.ResponseWriter, name, value string) {
	refusal, ok := api.Errors[name]
	if !ok {
		log.Panicf("facts.json has no error %s", name)
	}
	text, kind := refusal.Text, refusal.ContentType
	if text == "" {
		text = string(refusal.Body)
	}
	if kind == "" {
		kind = api.ErrorContentType
	}
	w.Header().Set("Content-Type", kind)
	for header, content := range refusal.Headers {
		w.Header().Set(header, content)
	}
	w.WriteHeader(refusal.Status)
	quoted, _ := json.Marshal(value) // never fails
	io.WriteString(w, strings.NewReplacer("{value}", strings.Trim(string(quoted), `"`), "{tag}", value).Replace(text))
}

// succeed answers with an object, or with nothing at all.
func succeed(w http.ResponseWriter, answer any) {
	if answer == nil {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		log.Print(err)
	}
}
