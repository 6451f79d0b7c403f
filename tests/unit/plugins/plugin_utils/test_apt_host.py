# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other apt sources of Tailscale's repository: parsed, replaced, refused, or none of the role's business."""

from __future__ import annotations

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
# The file that the collection artis3n.tailscale writes.
ARTIS3N = f"""\
X-Repolib-Name: tailscale
Types: deb
URIs: {URI}/
Suites: trixie
Components: main
Signed-By: /etc/apt/keyrings/tailscale.gpg
"""
INLINE = f"""\
# a comment
Types: deb
URIs: {URI} https://other.example/debian
Suites: trixie
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF
"""
OTHER = "deb https://other.example/debian trixie main\n"


def host(root: Path, files: dict[str, str]) -> dict[str, t.Any]:
    (root / "etc/apt/sources.list.d").mkdir(parents=True)
    for name, text in files.items():
        (root / "etc/apt" / name).write_text(text, encoding="utf-8")
    return {"apt": apt.gather("apt", root)}


@pytest.mark.parametrize(
    ("name", "text", "replaced", "refused"),
    [
        ("sources.list.d/tailscale.sources", ARTIS3N, True, False),
        ("sources.list.d/ts.list", f"deb [arch=amd64 signed-by=/etc/k.gpg] {URI}/ trixie main\n", True, False),
        ("sources.list.d/ts.list", f"deb [signed-by={KEYRING}] {URI} trixie main # a comment\n", True, False),
        ("sources.list.d/mixed.sources", INLINE, False, True),
        ("sources.list.d/mixed.list", f"{OTHER}deb {URI} trixie main\n", False, True),
        ("sources.list", f"deb [signed-by=/etc/k.gpg] {URI} trixie main\n", False, True),
        ("sources.list.d/mixed.list", f"{OTHER}deb [signed-by={KEYRING}] {URI} trixie main\n", False, False),
        ("sources.list.d/tailscale.list", f"deb [signed-by=/etc/k.gpg] {URI} trixie main\n", False, False),
        ("sources.list.d/tailscale.sources", f"Enabled: no\n{ARTIS3N}", False, False),
        ("sources.list.d/ts.list", f"# deb {URI} trixie main\n", False, False),
        ("sources.list.d/ts.list", f"deb {URI} bookworm main\n", False, False),
        ("sources.list.d/tailscale.sources.disabled", ARTIS3N, False, False),
        ("sources.list", OTHER, False, False),
    ],
)
def test_source_of_others(name: str, text: str, replaced: bool, refused: bool, tmp_path: Path) -> None:
    found = host(tmp_path, {name: text})
    assert apt_host.replaced(found, OURS) == ([f"/etc/apt/{name}"] if replaced else [])
    assert bool(apt_host.refusals(found, OURS)) == refused


def test_refusal_names_file_line_keys_and_the_fix(tmp_path: Path) -> None:
    message = apt_host.refusals(host(tmp_path, {"sources.list.d/mixed.list": f"{OTHER}deb {URI} trixie main\n"}), OURS)[0]
    for part in ("mixed.list:2 ", "Signed-By: none", KEYRING, "tailscale_package_source: none"):
        assert part in message


def test_inline_key_and_folded_fields_are_parsed() -> None:
    found = apt.deb822(f"{INLINE}\n{ARTIS3N}", "/x.sources")
    assert [(source["uri"], source["line"], source["signed_by"]) for source in found] == [
        (URI, 2, "a key in the file"),
        ("https://other.example/debian", 2, "a key in the file"),
        (URI, 10, "/etc/apt/keyrings/tailscale.gpg"),
    ]


def test_host_without_apt_or_files_has_no_sources(tmp_path: Path) -> None:
    assert apt.gather("dnf", tmp_path) == apt.gather("apt", tmp_path) == {"sources": []}
