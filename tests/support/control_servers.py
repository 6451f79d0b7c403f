# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of joins ask of a control server, of the lab's coordinator and of a real Headscale alike.

TAILSYNC_HEADSCALE=/path/to/headscale runs the table of joins against that program (tried with 0.29.2); no other test needs it.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import json
import os
import pathlib
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import typing as t

from tailscaled import Coordinator, loopback_address, wait_for

HEADSCALE = os.environ.get("TAILSYNC_HEADSCALE", "")
USED_TAGS = ("tag:server", "tag:other")
AN_HOUR_AGO = "2026-01-01T00:00:00Z"


def _jwt(claims: dict[str, t.Any]) -> str:
    """An OIDC token whose signature nobody checks."""
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "none"}, claims, {}))
    return ".".join(parts)


class Server:
    """A control server with the machine `nas`, and another to move from."""

    manners: str
    url: str
    other_url: str
    secrets: list[str]

    def key(self, reusable: bool = False, tags: t.Sequence[str] = (), other: bool = False) -> str:
        """Make an auth key; with `other` one of the other server."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """The names of the nodes."""
        raise NotImplementedError

    def change(self, what: str, value: str = "") -> None:
        """Change the node nas: expire it, delete it, rename it, give it other tags, or let its expiry never come."""
        raise NotImplementedError

    def away(self, how: str = "away") -> None:
        """Answer nobody: from now on, or (`middle`) from the next registration on, which is carried out."""
        raise NotImplementedError

    def back(self) -> None:
        raise NotImplementedError

    def registered(self) -> int:
        """How many registrations with an auth key were carried out."""
        raise NotImplementedError

    def api(self, kind: str) -> dict[str, t.Any]:
        """The options of tailscale_auth_key for a kind of credentials."""
        raise NotImplementedError

    def unused(self) -> list[str]:
        """The IDs of the auth keys that the administrative API made and that somebody could still use."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError


class Lab(Server):
    """The lab's coordinator with the manners of Tailscale or Headscale."""

    def __init__(self, manners: str, coordinator: t.Any = None) -> None:
        self.manners = manners
        self.coordinator = coordinator or Coordinator(manners)
        self.url, self.other_url = self.coordinator.url, self.coordinator.other_url
        self.secrets = []
        for place in ("", "other/"):
            self.coordinator.ask(f"{place}tags", " ".join(USED_TAGS))
        whose, tags = ("hskey" if manners.startswith("headscale") else "tskey"), " ".join(USED_TAGS)
        self.token = f"{whose}-api-{secrets.token_hex(6)}-{secrets.token_hex(32)}"
        self.client = f"{whose}-client-{secrets.token_hex(6)}-{secrets.token_hex(32)}"
        self.jwt = _jwt({"aud": "tailsync", "exp": int(time.time()) + 600, "sub": secrets.token_hex(16)})
        self.secrets += [self.token, self.client, self.jwt]
        self.coordinator.ask("api-token", self.token)
        self.coordinator.ask("oauth-client", f"client {self.client} {tags}")
        self.coordinator.ask("oidc", f"federated tailsync {tags}")

    def key(self, reusable: bool = False, tags: t.Sequence[str] = (), other: bool = False) -> str:
        words = ["-", *(["reusable"] if reusable else []), *([f"tags={','.join(tags)}"] if tags else [])]
        made = self.coordinator.ask("other/key" if other else "key", " ".join(words)).strip()
        self.secrets.append(made)
        return made

    def names(self) -> list[str]:
        return [node["name"].split(".")[0] for node in self.coordinator.get("nodes")]

    def change(self, what: str, value: str = "") -> None:
        name = self.names()[0]
        commands = {
            "expire": ("key-expiry", f"{AN_HOUR_AGO} {name}"),
            "keep": ("key-expiry", f"never {name}"),
            "delete": ("delete", name),
            "rename": ("rename", f"{name} {value}"),
            "tag": ("retag", f"{name} {value}"),
        }
        self.coordinator.ask(*commands[what])

    def away(self, how: str = "away") -> None:
        self.coordinator.ask(*(("stop-at", "answer") if how == "middle" else ("pause", "true")))

    def back(self) -> None:
        self.coordinator.ask("stop-at", "")
        self.coordinator.ask("pause", "false")

    def registered(self) -> int:
        return sum(one["kind"] == "key" and not one["error"] for one in self.coordinator.get("registrations"))

    def api(self, kind: str) -> dict[str, t.Any]:
        credentials: dict[str, dict[str, t.Any]] = {
            "by API key": {"api_token": self.token, **({"user": "1"} if self.manners != "tailscale" else {})},
            "by OAuth": {"oauth_client_secret": self.client},
            "by OIDC": {"oidc": {"client_id": "federated", "token": self.jwt}},
        }
        return {"api": self.manners.partition("-")[0], "base_url": self.coordinator.api_url, **credentials[kind]}

    def unused(self) -> list[str]:
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        return [
            key["id"]
            for key in self.coordinator.get("keys")
            if key["by_api"] and not key["used"] and not key["revoked"] and key["expires"] > now
        ]

    def close(self) -> None:
        self.coordinator.close()


CONFIG = """
server_url: http://{address}:8080
listen_addr: {address}:8080
metrics_listen_addr: ""
grpc_listen_addr: {address}:50443
noise: {{private_key_path: {folder}/noise.key}}
prefixes: {{v4: 100.64.0.0/10, v6: "fd7a:115c:a1e0::/48"}}
derp: {{server: {{enabled: false}}, urls: [], paths: [{folder}/derp.yaml], auto_update_enabled: false}}
disable_check_updates: true
database: {{type: sqlite, sqlite: {{path: {folder}/db.sqlite}}}}
policy: {{mode: file, path: {folder}/policy.json}}
dns: {{magic_dns: true, base_domain: {domain}, override_local_dns: false}}
unix_socket: {folder}/socket
logtail: {{enabled: false}}
log: {{level: debug}}
"""
DERP = """
regions:
  900:
    regionid: 900
    regioncode: lab
    regionname: lab
    nodes:
      - {{name: 900a, regionid: 900, hostname: {address}, ipv4: {address}, ipv6: none, derpport: 8443, insecurefortests: true}}
"""


class _Program:
    """One headscale serve with a folder and an address of its own."""

    def __init__(self, domain: str, derp: str) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="hs"))
        self.address = loopback_address()
        self.url = f"http://{self.address}:8080"
        self.process: subprocess.Popen[bytes] | None = None
        policy = {"tagOwners": {tag: ["me@"] for tag in USED_TAGS}, "acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}
        (self.folder / "policy.json").write_text(json.dumps(policy), encoding="ascii")
        (self.folder / "derp.yaml").write_text(DERP.format(address=derp), encoding="ascii")
        config = CONFIG.format(address=self.address, folder=self.folder, domain=domain)
        (self.folder / "config.yaml").write_text(config, encoding="ascii")
        self.start()
        self.ask("users", "create", "me")

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            command = [HEADSCALE, "serve", "--config", str(self.folder / "config.yaml")]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(self._answers, lambda: (self.folder / "log").read_text(encoding="utf-8")[-500:])

    def _answers(self) -> bool:
        with contextlib.suppress(subprocess.CalledProcessError):
            self.ask("users", "list")
            return True
        return False

    def ask(self, *words: str) -> t.Any:
        command = [HEADSCALE, "--config", str(self.folder / "config.yaml"), *words, "--output", "json"]
        text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout
        return json.loads(text) if text.strip().startswith(("{", "[")) else None

    def send(self, number: int) -> None:
        assert self.process
        self.process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process:
            self.send(number)
            self.process.wait(20)
            self.process = None

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


class Headscale(Server):
    """Two real Headscales; the coordinator only serves as their relay."""

    manners = "headscale"

    def __init__(self) -> None:
        self.relay = Coordinator("headscale")
        self.here = _Program("tailnet.test", self.relay.address)
        self.there = _Program("other.tailnet.test", self.relay.address)
        self.url, self.other_url = self.here.url, self.there.url
        self.secrets = []
        self.frozen = threading.Event()

    def key(self, reusable: bool = False, tags: t.Sequence[str] = (), other: bool = False) -> str:
        owner = ["--tags", ",".join(tags)] if tags else ["--user", "1"]
        program = self.there if other else self.here
        made = str(program.ask("preauthkeys", "create", *owner, *(["--reusable"] if reusable else []))["key"])
        self.secrets.append(made)
        return made

    def nodes(self) -> list[dict[str, t.Any]]:
        return list(self.here.ask("nodes", "list") or [])

    def names(self) -> list[str]:
        return [str(node["given_name"]) for node in self.nodes()]

    def change(self, what: str, value: str = "") -> None:
        node = ["--identifier", str(self.nodes()[0]["id"])]
        commands = {
            "expire": ["expire", *node],
            "keep": ["expire", *node, "--disable"],
            "delete": ["delete", *node, "--force"],
            "rename": ["rename", *node, value],
            "tag": ["tag", *node, "--tags", value],
        }
        self.here.ask("nodes", *commands[what])

    def away(self, how: str = "away") -> None:
        if how == "away":
            self.here.stop()
            return
        self.frozen.clear()
        threading.Thread(target=self._freeze, args=(self.registered(),), daemon=True).start()

    def _freeze(self, before: int) -> None:
        """Stop the program as soon as it has carried out a registration, mostly before its answer."""
        deadline = time.monotonic() + 10
        while self.registered() == before and time.monotonic() < deadline:
            time.sleep(0.001)
        self.here.send(signal.SIGSTOP)
        self.frozen.set()

    def back(self) -> None:
        if self.here.process is None:
            self.here.start()
            return
        self.frozen.wait(10)
        self.here.send(signal.SIGCONT)

    def registered(self) -> int:
        return (
            (self.here.folder / "log").read_text(encoding="utf-8", errors="replace").count("Registering node with pre-auth key")
        )

    def unused(self) -> list[str]:
        return []  # its API makes no key here

    def close(self) -> None:
        for program in (self.here, self.there):
            program.close()
        self.relay.close()
