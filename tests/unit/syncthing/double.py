# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stateful double of Syncthing's REST API, for what the real one won't show on demand.

It normalises as the real one does (lib/config): unknown keys are ignored, a folder's unknown
devices are dropped without a word, an empty address list becomes `dynamic`. It speaks the wire
form of version 1 or 2, which differ in keys and in what answers while version 2 migrates.
"""

from __future__ import annotations

import copy
import http.server
import json
import pathlib
import threading
import typing as t

OWN = "MFZWI3D-BONSGYC-YLTMRWG-C43ENR5-QXGZDMM-FZWI3DP-BONSGYY-LTMRWAD"
API_KEY = "an-api-key-of-the-double"
Json = t.Dict[str, t.Any]  # noqa: UP006

DEVICE: Json = {
    "deviceID": "",
    "name": "",
    "addresses": ["dynamic"],
    "compression": "metadata",
    "certName": "",
    "introducer": False,
    "skipIntroductionRemovals": False,
    "introducedBy": "",
    "paused": False,
    "allowedNetworks": [],
    "autoAcceptFolders": False,
    "maxSendKbps": 0,
    "maxRecvKbps": 0,
    "ignoredFolders": [],
    "maxRequestKiB": 0,
    "untrusted": False,
    "remoteGUIPort": 0,
}
FOLDER: Json = {
    "id": "",
    "label": "",
    "filesystemType": "basic",
    "path": "~",
    "type": "sendreceive",
    "devices": [],
    "rescanIntervalS": 3600,
    "fsWatcherEnabled": True,
    "fsWatcherDelayS": 10,
    "fsWatcherTimeoutS": 0,
    "ignorePerms": False,
    "minDiskFree": {"value": 1, "unit": "%"},
    "versioning": {"type": "", "params": {}, "cleanupIntervalS": 3600, "fsPath": "", "fsType": "basic"},
    "order": "random",
    "maxConflicts": 10,
    "paused": False,
    "markerName": ".stfolder",
}
OPTIONS: Json = {
    "listenAddresses": ["default"],
    "globalAnnounceEnabled": True,
    "localAnnounceEnabled": True,
    "relaysEnabled": True,
    "natEnabled": True,
    "crashReportingEnabled": True,
    "urAccepted": 0,
    "autoUpgradeIntervalH": 12,
    "maxFolderConcurrency": 0,
    "reconnectionIntervalS": 60,
}
# What only one of the two wire forms has.
ONLY: dict[int, tuple[Json, Json, Json]] = {
    1: ({}, {"disableTempIndexes": False, "weakHashThresholdPct": 25}, {"databaseTuning": "auto"}),
    2: ({"numConnections": 0, "group": ""}, {"pullerDelayS": 1, "group": "", "blockIndexing": True}, {"auditEnabled": False}),
}
VERSIONS = {1: "v1.29.5", 2: "v2.1.3"}


class Syncthing:
    """The double's state, and how it takes a write."""

    def __init__(self, wire: int = 1) -> None:
        device, folder, options = ONLY[wire]
        self.version = VERSIONS[wire]
        self.defaults = {"device": {**DEVICE, **device}, "folder": {**FOLDER, **folder}}
        self.config: Json = {
            "version": 37 if wire == 1 else 52,
            "devices": [{**self.defaults["device"], "deviceID": OWN, "name": "own"}],
            "folders": [],
            "options": {**OPTIONS, **options},
            "gui": {"enabled": True, "apiKey": API_KEY, "address": "127.0.0.1:8384"},
            "defaults": self.defaults,
        }
        self.requests: list[tuple[str, str]] = []
        # Each is (status, headers, body) to answer with instead; used up one by one.
        self.script: list[tuple[int, dict[str, str], str]] = []
        self.refuse: str = ""  # the reason why no write is taken
        self.forget: str = ""  # a folder key whose writes are lost

    def write(self, path: str, body: t.Any) -> None:
        if path == "config/devices":
            for device in body:
                self._put("devices", "deviceID", self._device(device))
        elif path == "config/folders":
            for folder in body:
                self._put("folders", "id", self._folder(folder))
        elif path == "config/options":
            defaults = {**OPTIONS, **{key: value for key, value in self.config["options"].items() if key not in OPTIONS}}
            self.config["options"] = {key: body.get(key, default) for key, default in defaults.items()}
        else:
            raise KeyError(path)

    def _put(self, kind: str, key: str, value: Json) -> None:
        self.config[kind] = [item for item in self.config[kind] if item[key] != value[key]] + [value]
        self.config[kind].sort(key=lambda item: str(item[key]))

    def _device(self, body: Json) -> Json:
        device = {key: copy.deepcopy(body.get(key, default)) for key, default in self.defaults["device"].items()}
        device["addresses"] = device["addresses"] or ["dynamic"]
        return device

    def _folder(self, body: Json) -> Json:
        folder = {key: copy.deepcopy(body.get(key, default)) for key, default in self.defaults["folder"].items()}
        known = {device["deviceID"] for device in self.config["devices"]}
        empty = {"introducedBy": "", "encryptionPassword": ""}
        shares = {share["deviceID"]: {**empty, **share} for share in folder["devices"] if share["deviceID"] in known}
        shares.setdefault(OWN, {"deviceID": OWN, **empty})
        folder["devices"] = [shares[key] for key in sorted(shares)]
        if folder["type"] == "receiveencrypted":
            folder["ignorePerms"] = True
        if self.forget:
            folder[self.forget] = self.defaults["folder"][self.forget]
        return folder

    def serve(self, home: pathlib.Path) -> http.server.ThreadingHTTPServer:
        """Listen on a free loopback port, and leave a config.xml in home that leads there."""
        double = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, status: int, headers: dict[str, str], body: str) -> None:
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def handle_request(self) -> None:
                path = self.path.removeprefix("/rest/").split("?")[0]
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                double.requests.append((self.command, path))
                if double.script:
                    self.answer(*double.script.pop(0))
                    return
                if self.headers.get("X-API-Key") != API_KEY:
                    self.answer(403, {"Content-Type": "text/plain"}, "CSRF Error\n")
                    return
                if self.command == "PUT" and double.refuse:
                    self.answer(500, {"Content-Type": "text/plain"}, double.refuse)
                    return
                if self.command == "PUT":
                    double.write(path, body)
                    self.answer(200, {"X-Syncthing-Version": double.version}, "")
                    return
                found: t.Any = {"config": double.config, "system/status": {"myID": OWN}}[path]
                headers = {"Content-Type": "application/json; charset=utf-8", "X-Syncthing-Version": double.version}
                self.answer(200, headers, json.dumps(found))

            do_GET = do_PUT = handle_request  # noqa: N815

            def log_message(self, *_arguments: t.Any) -> None:
                """Say nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        home.mkdir(parents=True, exist_ok=True)
        (home / "config.xml").write_text(
            f"<configuration><gui><address>127.0.0.1:{server.server_port}</address><apikey>{API_KEY}</apikey></gui></configuration>",
            encoding="utf-8",
        )
        return server
