# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stateful double of Syncthing's REST API, for behaviour that the real one does not show on demand.

It normalises as the real one does (lib/config): unknown keys are ignored, a folder's unknown
devices are dropped without a word, an empty address list becomes `dynamic`. It decodes as Go does:
over the defaults, keys in any case and in the order of the text, maps and elements of lists into the
old ones. It speaks the wire form of version 1 or 2, which differ in keys and in what answers while
version 2 migrates.
"""

from __future__ import annotations

import copy
import hashlib
import http.server
import json
import pathlib
import shutil
import socket
import ssl
import threading
import typing as t
from urllib.parse import parse_qsl, unquote

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
    "hashers": 0,
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
    "maxSendKbps": 0,
    "maxRecvKbps": 0,
    "limitBandwidthInLan": False,
    "alwaysLocalNets": [],
    "announceLANAddresses": True,
    "globalAnnounceServers": ["default"],
    "stunKeepaliveStartS": 180,
    "reconnectionIntervalS": 60,
    "keepTemporariesH": 24,
}
GUI: Json = {
    "enabled": True,
    "address": "127.0.0.1:8384",
    "unixSocketPermissions": "",
    "user": "",
    "password": "",
    "authMode": "static",
    "useTLS": False,
    "apiKey": API_KEY,
    "insecureAdminAccess": False,
    "theme": "default",
    "debugging": False,
    "insecureSkipHostcheck": False,
}
# Keys that only one of the two wire forms has.
ONLY: dict[int, tuple[Json, Json, Json]] = {
    1: ({}, {"disableTempIndexes": False, "weakHashThresholdPct": 25}, {"databaseTuning": "auto"}),
    2: ({"numConnections": 0, "group": ""}, {"pullerDelayS": 1, "group": "", "blockIndexing": True}, {"auditEnabled": False}),
}
VERSIONS = {1: "v1.29.5", 2: "v2.1.3"}


def decoded(old: t.Any, new: t.Any, key: str = "") -> t.Any:
    """Decode a value into an existing one as Go does."""
    if new is None:
        return {"dict": {} if key == "params" else old, "list": []}.get(type(old).__name__, old)
    if isinstance(old, list) and isinstance(new, list):
        empty = {"deviceID": "", "introducedBy": "", "encryptionPassword": ""}
        return [
            decoded(old[at] if at < len(old) else dict(empty), one) if isinstance(one, dict) else one
            for at, one in enumerate(new)
        ]
    if isinstance(old, dict) and isinstance(new, dict):
        if key == "params":
            return {**old, **new}
        # versioning resets omitted keys, but not its parameters (lib/config/versioningconfiguration.go).
        found = {**FOLDER["versioning"], "params": old["params"]} if key == "versioning" else copy.deepcopy(old)
        names = {name.casefold(): name for name in found}
        for spelling, value in new.items():
            name = names.get(spelling.casefold())
            if name is not None:
                found[name] = decoded(found[name], value, name)
        return found
    return copy.deepcopy(new)


def hashed(password: str) -> str:
    """Not bcrypt, but of the same form, and different for different passwords."""
    return "$2a$10$" + hashlib.sha256(password.encode()).hexdigest()[:53]


class Refused(Exception):
    """Syncthing's answer to a request that it refuses."""


class Syncthing:
    """The state of the double, and how it applies a write."""

    def __init__(self, wire: int = 1) -> None:
        device, folder, options = ONLY[wire]
        self.version = VERSIONS[wire]
        self.defaults = {"device": {**DEVICE, **device}, "folder": {**FOLDER, **folder}}
        self.config: Json = {
            "version": 37 if wire == 1 else 52,
            "devices": [{**self.defaults["device"], "deviceID": OWN, "name": "own"}],
            "folders": [],
            "options": {**OPTIONS, **options},
            "gui": copy.deepcopy(GUI),
            "defaults": {**copy.deepcopy(self.defaults), "ignores": {"lines": []}},
        }
        self.requests: list[tuple[str, str]] = []
        # Answers to give instead, one after the other: (status, headers, body).
        self.script: list[tuple[int, dict[str, str], str]] = []
        self.refuse: str = ""  # the reason with which all writes are refused
        self.refused_write: int | None = None  # the number of the one write that is refused, from 0
        self.lost_answer = False  # whether that write is done, and only its answer is lost
        self.meanwhile: t.Callable[[], None] = lambda: None  # what somebody else does before each write
        self.writes = 0
        self.tls = False
        self.converting = 0  # how many connections are answered in plain HTTP, as during a conversion of the database
        self.conversion_answer = (200, {"Content-Type": "text/plain"}, "*** Database migration in progress ***\n")
        self.plain: list[t.Mapping[str, str]] = []  # the headers of requests in plain HTTP to a port with TLS
        self.forget: str = ""  # a folder key whose writes are lost
        self.forget_theme = False  # whether writes of the web interface's theme are lost
        self.root: pathlib.Path | None = None  # the double creates folders only below this path, the real one everywhere

    def write(self, method: str, path: str, body: t.Any = None) -> None:
        """Apply one write as Syncthing does. Raises KeyError for an unknown path."""
        place, _slash, name = path.partition("?")[0].removeprefix("config/").partition("/")
        if method == "DELETE":
            self._delete(place, unquote(name))
        elif path.startswith("db/ignores?folder="):
            self._write_ignores(unquote(path.partition("=")[2]), body["ignore"])
        elif place == "devices":
            for device in body:
                self._put("devices", "deviceID", self._device(device))
        elif place == "folders":
            for folder in body:
                self._put("folders", "id", self._folder(folder))
        elif place == "options":
            defaults = {**OPTIONS, **{key: value for key, value in self.config["options"].items() if key not in OPTIONS}}
            self.config["options"] = {key: body.get(key, default) for key, default in defaults.items()}
        elif place == "gui":
            self._write_gui({**self.config["gui"], **body} if method == "PATCH" else body)
        elif place == "defaults":
            self.config["defaults"][name] = body
        else:
            raise KeyError(path)

    def _write_gui(self, body: Json) -> None:
        password = body.get("password", "")
        if password and password != self.config["gui"]["password"] and not password.startswith("$2"):
            body = {**body, "password": hashed(password)}
        if self.forget_theme:
            body = {**body, "theme": self.config["gui"]["theme"]}
        # An omitted API key is generated again.
        self.config["gui"] = {key: body.get(key, "generated" if key == "apiKey" else default) for key, default in GUI.items()}

    def _ignore_file(self, folder_id: str) -> pathlib.Path:
        folder = next(folder for folder in self.config["folders"] if folder["id"] == folder_id)
        return pathlib.Path(folder["path"]) / ".stignore"

    def _write_ignores(self, folder_id: str, lines: list[str]) -> None:
        self._ignore_file(folder_id).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def _read_ignores(self, folder_id: str) -> list[str] | None:
        path = self._ignore_file(folder_id)
        return (path.read_text(encoding="utf-8").splitlines() or None) if path.exists() else None

    def _delete(self, place: str, name: str) -> None:
        key = "deviceID" if place == "devices" else "id"
        for folder in self.config["folders"] if place == "folders" else ():
            if folder["id"] == name and self._is_ours(folder):
                shutil.rmtree(pathlib.Path(folder["path"]) / ".stfolder", ignore_errors=True)
        self.config[place] = [item for item in self.config[place] if item[key] != name]
        if place == "devices":
            for folder in self.config["folders"]:
                folder["devices"] = [share for share in folder["devices"] if share["deviceID"] != name]

    def _put(self, kind: str, key: str, value: Json) -> None:
        self.config[kind] = [item for item in self.config[kind] if item[key] != value[key]] + [value]
        self.config[kind].sort(key=lambda item: str(item[key]))

    def _device(self, body: Json) -> Json:
        device: Json = decoded(self.config["defaults"]["device"], body)
        device["addresses"] = device["addresses"] or ["dynamic"]
        return device

    def _folder(self, body: Json) -> Json:
        folder: Json = decoded(self.config["defaults"]["folder"], body)
        known = {device["deviceID"] for device in self.config["devices"]}
        empty = {"introducedBy": "", "encryptionPassword": ""}
        shares = {share["deviceID"]: {**empty, **share} for share in folder["devices"] if share["deviceID"] in known}
        shares.setdefault(OWN, {"deviceID": OWN, **empty})
        folder["devices"] = [shares[key] for key in sorted(shares)]
        if folder["type"] == "receiveencrypted":
            folder["ignorePerms"] = True
        # Missing roots are created before the answer (lib/model/model.go).
        if self._is_ours(folder):
            (pathlib.Path(folder["path"]) / ".stfolder").mkdir(parents=True, exist_ok=True)
        if self.forget:
            folder[self.forget] = self.defaults["folder"][self.forget]
        return folder

    def _is_ours(self, folder: Json) -> bool:
        return self.root is not None and pathlib.Path(folder["path"]).is_relative_to(self.root)

    def serve(
        self, home: pathlib.Path, certificate: tuple[str, str] | None = None, port: int = 0
    ) -> http.server.ThreadingHTTPServer:
        """Listen on a loopback port, by default a free one, and write a config.xml with that address to home.

        With a `certificate`, the paths of it and of its key, the port has TLS.
        """
        double = self
        self.root = home.parent

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
                body: t.Any = json.loads(self.rfile.read(length)) if length else None
                double.requests.append((self.command, path))
                if double.tls and not isinstance(self.connection, ssl.SSLSocket):
                    double.plain.append(dict(self.headers))
                    self.answer(*double.conversion_answer)
                    return
                if double.script:
                    self.answer(*double.script.pop(0))
                    return
                if path == "noauth/auth/password":
                    fits = double.config["gui"]["password"] == hashed(body["Password"])
                    self.answer(204 if fits and body["Username"] == double.config["gui"]["user"] else 403, {}, "")
                    return
                if self.headers.get("X-API-Key") != double.config["gui"]["apiKey"]:
                    self.answer(403, {"Content-Type": "text/plain"}, "CSRF Error\n")
                    return
                if self.command != "GET":
                    self.handle_write(body)
                    return
                try:
                    found: t.Any = double.read(self.path.removeprefix("/rest/"))
                except Refused as refused:
                    self.answer(500, {"Content-Type": "text/plain"}, f"{refused}\n")
                    return
                headers = {"Content-Type": "application/json; charset=utf-8", "X-Syncthing-Version": double.version}
                self.answer(200, headers, json.dumps(found))

            def handle_write(self, body: t.Any) -> None:
                number, double.writes = double.writes, double.writes + 1
                double.meanwhile()
                fails = number == double.refused_write
                if double.refuse or (fails and not double.lost_answer):
                    self.answer(500, {"Content-Type": "text/plain"}, double.refuse or "refused")
                    return
                double.write(self.command, self.path.removeprefix("/rest/"), body)
                double.leave_key(home)
                if fails:
                    self.close_connection = True
                else:
                    self.answer(200, {"X-Syncthing-Version": double.version}, "")

            do_GET = do_PUT = do_PATCH = do_POST = do_DELETE = handle_request  # noqa: N815

            def log_message(self, *_arguments: t.Any) -> None:
                """Log nothing."""

        self.tls = certificate is not None
        server = Server(("127.0.0.1", port), Handler)
        server.double, server.certificate = self, certificate
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        self.port = server.server_port
        self.config["gui"].update(address=f"127.0.0.1:{self.port}", useTLS=self.tls)
        home.mkdir(parents=True, exist_ok=True)
        self.leave_key(home)
        return server

    def leave_key(self, home: pathlib.Path) -> None:
        """The part of config.xml that the modules read."""
        gui = f"<address>127.0.0.1:{self.port}</address><apikey>{self.config['gui']['apiKey']}</apikey>"
        tls = "true" if self.tls else "false"
        (home / "config.xml").write_text(f'<configuration><gui tls="{tls}">{gui}</gui></configuration>', encoding="utf-8")

    def read(self, path: str) -> t.Any:
        if path.startswith("db/ignores?folder="):
            return {"ignore": self._read_ignores(unquote(path.partition("=")[2])), "expanded": None, "error": None}
        place, _mark, query = path.partition("?")
        if place in ("db/status", "db/completion"):
            return self._read_folder(place, dict(parse_qsl(query))["folder"])
        return {
            "config": self.config,
            "config/restart-required": {"requiresRestart": False},
            "cluster/pending/devices": {},
            "cluster/pending/folders": {},
            "stats/device": {},
            "system/connections": {"connections": {}},
            "system/error": {"errors": None},
            "system/status": {"myID": OWN, "uptime": 1},
        }[path]

    def _read_folder(self, place: str, folder_id: str) -> Json:
        """An idle folder; a paused one has an empty status and no completion (lib/model, ErrFolderPaused)."""
        paused = next(folder["paused"] for folder in self.config["folders"] if folder["id"] == folder_id)
        if place == "db/status":
            return {"state": "" if paused else "idle", "needFiles": 0, "needBytes": 0, "globalBytes": 0}
        if paused:
            raise Refused("folder is paused")
        return {"completion": 100, "needBytes": 0, "remoteState": "unknown"}


class Server(http.server.ThreadingHTTPServer):
    double: Syncthing
    certificate: tuple[str, str] | None

    def get_request(self) -> tuple[socket.socket, t.Any]:
        connection, address = super().get_request()
        if self.double.converting:
            self.double.converting -= 1
        elif self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: t.Any, client_address: t.Any) -> None:
        """Print nothing, such as about a handshake that fails."""
