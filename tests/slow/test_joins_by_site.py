# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cell of each row of the table of joins (tests/support/joins.py) by site.yml, on three locked-down hosts.

First they are in a tailnet with the manners of Tailscale; then they move to one with those of Headscale. The tests build on each
other. Each run is at -vvv, and no secret is in its output.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import pathlib
import re
import typing as t

import control_servers
import joins
import pytest
from door import COORDINATOR, Door
from lab_fixtures import CHECKOUT, HOSTS, Run, run_lab, run_playbook, wait_until
from testinfra.host import Host

Json = t.Dict[str, t.Any]  # noqa: UP006
MANNERS = {"": "tailscale", "other/": "headscale"}
CONTROL = {"": f"http://{COORDINATOR}:8080", "other/": f"http://{COORDINATOR}:8082"}
API_PORT = {"": 8083, "other/": 8084}
OVER_THE_TAILNET = "A new login would end the connection of this run, which is over the tailnet"
ANY_SECRET = re.compile(r"[th]skey-[a-z]+-\S*[0-9a-f]{16}")
SHORT = ("--extra-vars", '{"tailscale_timeout": 5}')
JOIN = "Join the tailnet and set the preferences"


class Tailnet:
    """One of the two tailnets of the lab's coordinator, as control_servers.Lab asks it."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.door = Door(API_PORT[place])
        self.url, self.api_url, self.other_url = CONTROL[place], self.door.url, CONTROL["other/"]
        self.ask("manners", MANNERS[place])

    def ask(self, command: str, value: str = "") -> str:
        return run_lab("coordinator", self.place + command.removeprefix("other/"), value).stdout

    def get(self, what: str) -> t.Any:
        return json.loads(self.ask(what))

    def close(self) -> None:
        self.door.close()


@dataclasses.dataclass
class Mesh:
    """The three hosts, the server that each is to be in, and the variables of each."""

    folder: pathlib.Path
    hosts: dict[str, Host]
    server: control_servers.Lab
    declared: dict[str, Json] = dataclasses.field(default_factory=dict)

    def declare(self, host: str, kind: str = "", tags: list[str] | None = None, key: str = "") -> None:
        """Declare how a host logs in; it may, by the LAN, because over the tailnet a new login is refused."""
        given: Json = {"auth_key": key} if key or not kind else self.server.api(kind)
        if "oidc" in given:
            token = self.folder / "token"
            token.write_text(given["oidc"].pop("token"), encoding="ascii")
            given["oidc"]["token_file"] = str(token)
        names = {"base_url": "api_url", "user": "api_user"}
        self.declared[host] = {
            "tailscale_auth_key": "",
            "tailscale_login_server": self.server.url,
            "firewall_lan_ssh_from": ["172.31.77.0/24"],
            "tailscale_tags": tags,
            **{f"tailscale_{names.get(name, name)}": value for name, value in given.items()},
        }

    def run(self, *options: str, **environment: t.Any) -> Run:
        """Run site.yml at -vvv."""
        path = self.folder / "declared.yml"
        path.write_text(json.dumps({"tailsync": {"hosts": self.declared}}), encoding="utf-8")
        run = run_playbook("site.yml", "-vvv", "--inventory", str(path), *options, ANSIBLE_LOG_PATH="", **environment)
        made = [key["key"] for key in self.server.coordinator.get("keys")]
        shown = [secret for secret in [*self.server.secrets, *made] if secret in run.output]
        assert not shown, "a secret was in the output"
        found = ANY_SECRET.search(run.output)
        assert not found, run.output[max(found.start() - 1500, 0) : found.end() + 200]
        print(f"{' '.join(options)}: {run.seconds:.0f} s, {run.code}, {run.changed}")
        return run

    def converges(self, *logins: int, refused: t.Mapping[str, str] | None = None) -> None:
        """One run logs hosts in, and refuses others without a change; the next changes nothing and asks no API."""
        refused = refused or {}
        before = {name: self.state(name) for name in refused}
        count = self.server.registered()
        # After a change of its address, a host's peers refuse it while their Syncthing takes the old connection for open (300 s).
        run = self.run("--skip-tags", "verify")
        assert (run.code == 0) is (not refused), run.output
        for name, words in refused.items():
            joins.assert_matches(words, self.failure(run, name))
            assert run.changed[name] == 0, run.output
            assert self.state(name) == before[name]
        assert self.server.registered() - count in logins, "more than one registration for a login, or none"
        assert self.server.unused() == []
        for name in HOSTS:
            if name not in refused:
                self.assert_joined(name)
        if not refused:
            self.changes_nothing()

    def changes_nothing(self) -> None:
        asked = [self.server.coordinator.get(what) for what in ("requests", "registrations")]
        keyless = {name: {**given, "tailscale_auth_key": ""} for name, given in self.declared.items()}
        self.declared.update(keyless)
        again = self.run("--skip-tags", "verify")
        assert (again.code, again.changed) == (0, dict.fromkeys(HOSTS, 0)), again.output
        assert [self.server.coordinator.get(what) for what in ("requests", "registrations")] == asked
        assert self.server.unused() == []

    @staticmethod
    def failure(run: Run, name: str) -> str:
        """The failed tasks of a host, with their whole results."""
        lines = re.findall(rf"^fatal: \[{name}\].*?(?=^\S)", run.output, re.MULTILINE | re.DOTALL)
        return "\n".join(lines).replace('\\"', '"')

    def state(self, name: str) -> tuple[str, Json]:
        """The preferences and the login of a host."""
        prefs = json.loads(self.hosts[name].check_output("tailscale debug prefs"))
        status = json.loads(self.hosts[name].check_output("tailscale status --json"))
        prefs.pop("Config", None)
        return status["BackendState"], prefs

    def assert_joined(self, name: str) -> None:
        status = json.loads(self.hosts[name].check_output("tailscale status --json"))
        own = status["Self"]
        assert (status["BackendState"], own["Online"], own["DNSName"].split(".")[0]) == ("Running", True, name)
        wanted = self.declared[name]["tailscale_tags"]
        assert wanted is None or own.get("Tags", []) == wanted

    def expire(self, *names: str) -> None:
        self.server.coordinator.ask("key-expiry", f"{control_servers.AN_HOUR_AGO} {' '.join(names)}")
        for name in names:
            assert wait_until(functools.partial(self.must_log_in, name), 20)

    def must_log_in(self, name: str) -> bool:
        return self.state(name)[0] == "NeedsLogin"


@pytest.fixture(scope="module")
def mesh_of(bare: None, lab_hosts: dict[str, Host], tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[t.Any]:
    folder, tailnets = tmp_path_factory.mktemp("joins"), [Tailnet(place) for place in MANNERS]
    servers = [control_servers.Lab(MANNERS[tailnet.place], tailnet) for tailnet in tailnets]
    meshes = {server.manners: Mesh(folder, lab_hosts, server) for server in servers}
    yield meshes.__getitem__
    for tailnet in tailnets:
        tailnet.close()


@pytest.fixture
def tailscale(mesh_of: t.Any) -> Mesh:
    return t.cast("Mesh", mesh_of("tailscale"))


@pytest.fixture
def headscale(mesh_of: t.Any) -> Mesh:
    return t.cast("Mesh", mesh_of("headscale"))


@pytest.fixture
def over_the_lan(lab_hosts: dict[str, Host]) -> t.Iterator[None]:
    """The administrator's own machine leaves the tailnet, so that it reaches the hosts by the LAN."""
    lab_hosts["laptop"].check_output("tailscale down")
    yield
    lab_hosts["laptop"].check_output("tailscale up")


def test_fresh_hosts_join(tailscale: Mesh) -> None:
    tailscale.declare("nas", key=tailscale.server.key())
    tailscale.declare("pi", "by OAuth", ["tag:server"])
    tailscale.declare("vps", "by OIDC", ["tag:server"])
    tailscale.converges(3)


def test_logged_out_expired_and_deleted_hosts_join_again(tailscale: Mesh, lab_hosts: dict[str, Host]) -> None:
    tailscale.server.coordinator.ask("delete", "vps")
    lab_hosts["nas"].check_output("tailscale logout")
    tailscale.declare("nas", "by API key")
    tailscale.expire("pi")
    tailscale.declare("vps", key=tailscale.server.key(tags=["tag:server"]), tags=["tag:server"])
    tailscale.converges(3)


def test_renamed_and_retagged_hosts_are_refused_and_a_lost_answer_is_told(tailscale: Mesh) -> None:
    tailscale.server.coordinator.ask("rename", "nas attic")
    tailscale.declare("pi", "by OAuth", ["tag:other"])
    before, made = {name: tailscale.state(name) for name in ("nas", "pi")}, len(tailscale.server.coordinator.get("requests"))
    run = tailscale.run("--limit", "nas,pi")
    joins.assert_matches("the tailnet calls this host attic and not nas", tailscale.failure(run, "nas"))
    joins.assert_matches(
        f"tags are to be tag:other, but this node has tag:server.*{OVER_THE_TAILNET}", tailscale.failure(run, "pi")
    )
    assert sum(run.changed.values()) == 0
    assert {name: tailscale.state(name) for name in before} == before
    assert len(tailscale.server.coordinator.get("requests")) == made, "no key is made for a login that is refused"
    tailscale.expire("vps")
    tailscale.declare("vps", "by OIDC", ["tag:server"])
    tailscale.server.away("middle")
    run = tailscale.run("--limit", "vps", *SHORT)
    tailscale.server.back()
    joins.assert_matches(joins.NO_ANSWER, tailscale.failure(run, "vps"))
    assert tailscale.server.unused() == []


def test_they_converge_over_the_lan(tailscale: Mesh, over_the_lan: None) -> None:
    tailscale.server.coordinator.ask("rename", "attic nas")
    tailscale.converges(1, 2)  # the login whose answer was lost has worked, so that host may need no other


def test_key_of_a_killed_run_is_revoked_by_the_next(tailscale: Mesh) -> None:
    tailscale.expire("nas")
    tailscale.declare("nas", "by API key")
    place = str(CHECKOUT / "molecule" / "firewall" / "callback")
    run = tailscale.run("--limit", "nas", ANSIBLE_CALLBACK_PLUGINS=place, AT_TASK=JOIN, AT_TASK_DO="kill")
    assert run.code == -9, run.output
    assert len(tailscale.server.unused()) == 1
    tailscale.converges(1)


def test_moved_hosts_join_a_headscale_that_was_away_at_the_start(headscale: Mesh, over_the_lan: None) -> None:
    headscale.declare("nas", key=headscale.server.key())
    headscale.declare("pi", "by API key")
    headscale.declare("vps", key=headscale.server.key(tags=["tag:server"]), tags=["tag:server"])
    before = {name: headscale.state(name) for name in HOSTS}
    headscale.server.away()
    run = headscale.run(*SHORT)
    for name, words in {"nas": joins.NO_ANSWER, "pi": joins.NO_KEY, "vps": joins.NO_ANSWER}.items():
        joins.assert_matches(words, headscale.failure(run, name))
    assert {name: headscale.state(name) for name in HOSTS} == before, "the earlier login is kept"
    headscale.server.back()
    headscale.converges(3)


def test_headscales_expired_and_logged_out_hosts_join_again_or_are_told_the_cure(
    headscale: Mesh, over_the_lan: None, lab_hosts: dict[str, Host]
) -> None:
    headscale.expire("nas", "vps")
    lab_hosts["pi"].check_output("tailscale logout")
    headscale.declare("nas", key=headscale.server.key(reusable=True))
    headscale.declare("vps", key=headscale.server.key(tags=["tag:server"]), tags=["tag:server"])
    headscale.converges(3, refused={"vps": joins.EXPIRE_COMMAND})
    headscale.server.coordinator.ask("key-expiry", "never vps")
    headscale.declare("vps", key=headscale.server.key(tags=["tag:server"]), tags=["tag:server"])
    headscale.converges(0, 1)


def test_headscales_deleted_and_retagged_hosts_and_a_lost_answer(
    headscale: Mesh, over_the_lan: None, lab_hosts: dict[str, Host]
) -> None:
    headscale.server.coordinator.ask("delete", "pi")
    headscale.expire("nas")
    headscale.declare("nas", "by API key")
    headscale.server.away("middle")
    run = headscale.run("--limit", "nas", *SHORT)
    headscale.server.back()
    joins.assert_matches(joins.NO_ANSWER, headscale.failure(run, "nas"))
    lab_hosts["pi"].check_output("systemctl restart tailscaled")  # Headscale has not told it
    headscale.declare("vps", tags=["tag:other"])
    headscale.converges(1, 2, refused={"vps": joins.TAG_COMMAND})
    headscale.server.coordinator.ask("retag", "vps tag:other")
    headscale.changes_nothing()
