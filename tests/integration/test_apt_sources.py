# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our judgement of apt sources against that of the real apt: a role's source next to another one."""

from __future__ import annotations

import os
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._host import apt
from ansible_collections.homelab.tailsync.plugins.plugin_utils import apt_host

URI = "https://pkgs.tailscale.com/stable/debian"
KEYRING = "/usr/share/keyrings/tailscale-archive-keyring.gpg"
OURS = {
    "name": "Tailscale",
    "uri": URI,
    "suite": "trixie",
    "file": "/etc/apt/sources.list.d/tailscale.list",
    "keyring": KEYRING,
    "instead": "tailscale_package_source: none",
}
OTHER = "deb http://other.example/debian x main\n"  # so that a file is not the role's to replace
STANZA = "Types: deb\nURIs: {} http://other.example/debian\nSuites: trixie x\nComponents: main\n{}"
SAME, NONE, FOREIGN = f"[signed-by={KEYRING}]", "", "[signed-by=/k.gpg]"


def line(options: str, uri: str = URI, suite: str = "trixie") -> str:
    return f"{OTHER}deb {options} {uri} {suite} main\n"


CASES = {
    "same key": ("a.list", line(SAME)),
    "same key behind": ("z.list", line(SAME)),
    "other key": ("a.list", line(FOREIGN)),
    "other key behind": ("z.list", line(FOREIGN)),
    "no key before": ("a.list", line(NONE)),
    "no key behind": ("z.list", line(NONE)),
    "no key in sources.list": ("../sources.list", line(NONE)),
    "other key in sources.list": ("../sources.list", line(FOREIGN)),
    "other scheme": ("z.list", line(FOREIGN, URI.replace("https", "http"))),
    "other host in capitals": ("z.list", line(FOREIGN, URI.replace("pkgs", "PKGS"))),
    "with a user": ("z.list", line(FOREIGN, URI.replace("//", "//me:secret@"))),
    "with a port": ("z.list", line(FOREIGN, URI.replace(".com", ".com:443"))),
    "slash at the end": ("z.list", line(FOREIGN, f"{URI}/")),
    "other suite": ("z.list", line(FOREIGN, suite="bookworm")),
    "trusted": ("z.list", line(f"[trusted=yes signed-by={KEYRING}]")),
    "not checked for its age": ("a.list", line(f"[check-valid-until=no signed-by={KEYRING}]")),
    "not checked for a date in the future": ("z.list", line(f"[check-date=no signed-by={KEYRING}]")),
    "another path of its index": ("z.list", line(f"[inrelease-path=x signed-by={KEYRING}]")),
    "key in quotation marks": ("z.list", line(f'[arch=amd64 signed-by="{KEYRING}"]')),
    "comma behind the key": ("z.list", line(f"[signed-by={KEYRING},]")),
    "architecture": ("z.list", line(f"[arch=amd64 signed-by={KEYRING}]")),
    "file name that apt ignores": ("z (1).list", line(FOREIGN)),
    "disabled by its name": ("z.list.disabled", line(FOREIGN)),
    "deb822 with the key": ("z.sources", STANZA.format(URI, f"Signed-By: {KEYRING}\n")),
    "deb822 with a folded key": ("z.sources", STANZA.format(URI, f"Signed-By:\n {KEYRING}\n")),
    "deb822 without a key": ("tailscale.sources", STANZA.format(URI, "")),
    "deb822 with another key": ("a.sources", STANZA.format(URI, "Signed-By: /k.gpg\n")),
    "deb822 disabled": ("z.sources", STANZA.format(URI, "Enabled: no\nSigned-By: /k.gpg\n")),
    "deb822 disabled by a number": ("z.sources", STANZA.format(URI, "Enabled: 0\nSigned-By: /k.gpg\n")),
    "deb822 with two keys": ("z.sources", STANZA.format(URI, f"Signed-By: {KEYRING} /k.gpg\n")),
    "deb822 with a key in it": (
        "z.sources",
        STANZA.format(URI, "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n aaaa\n -----END PGP PUBLIC KEY BLOCK-----\n"),
    ),
}


def asked(root: Path) -> t.Callable[..., tuple[int, str, str]]:
    """Run apt with the sources of this folder."""

    def execute(command: list[str], environ_update: dict[str, str]) -> tuple[int, str, str]:
        options = [f"-oDir::Etc::{key}={root}/etc/apt/{name}" for key, name in PLACES.items()]
        done = subprocess.run(
            [*command, *options], capture_output=True, text=True, check=False, env={**os.environ, **environ_update}
        )
        return done.returncode, done.stdout, done.stderr

    return execute


PLACES = {"sourcelist": "sources.list", "sourceparts": "sources.list.d"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/apt/sources.list.d").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("name", CASES)
def test_source_is_refused_exactly_if_apt_refuses_it_with_ours(name: str, root: Path) -> None:
    file, text = CASES[name]
    folder = root / "etc/apt/sources.list.d"
    (folder / file).write_text(text, encoding="utf-8")
    before = apt.gather("apt", asked(root), root=root)
    assert before["problem"] == ""
    assert apt_host.replaced({"apt": before}, OURS) == []
    (folder / "tailscale.list").write_text(f"# ours\ndeb {SAME} {URI} trixie main\n", encoding="utf-8")
    together = apt.gather("apt", asked(root), root=root)["problem"]
    assert bool(apt_host.refusals({"apt": before}, OURS)) == bool(together), together


def test_two_contradictions_and_a_line_without_sense_are_all_named(root: Path) -> None:
    folder = root / "etc/apt/sources.list.d"
    for name in ("a", "b"):
        for number in (1, 2):
            text = f"deb [signed-by=/k{number}.gpg] http://{name}.example/ x main\n"
            (folder / f"{name}{number}.list").write_text(text, encoding="utf-8")
    (folder / "c.list").write_text("deb nonsense\n", encoding="utf-8")
    messages = apt_host.refusals({"apt": apt.gather("apt", asked(root), root=root)}, OURS)
    assert [message.partition(" have ")[0].replace("/etc/apt/sources.list.d/", "") for message in messages[:2]] == [
        "a1.list:1 and a2.list:1",
        "b1.list:1 and b2.list:1",
    ]
    assert "Malformed entry 1 in list file" in messages[2]
    assert "c.list" in messages[2]
    assert len(messages) == 3
