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
THEIRS = {
    "name": "Syncthing",
    "uri": "https://apt.syncthing.net",
    "suite": "syncthing",
    "file": "/etc/apt/sources.list.d/syncthing.list",
    "keyring": "/etc/apt/keyrings/syncthing-archive-keyring.gpg",
    "instead": "syncthing_package_source: distribution",
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


def readable(_command: list[str], **_options: t.Any) -> tuple[int, str, str]:
    return 0, "", ""


def host(root: Path, files: dict[str, str]) -> dict[str, t.Any]:
    (root / "etc/apt/sources.list.d").mkdir(parents=True)
    for name, text in files.items():
        (root / "etc/apt" / name).write_text(text, encoding="utf-8")
    return {"apt": apt.gather("apt", readable, root=root)}


@pytest.mark.parametrize(
    ("name", "text", "replaced", "refused"),
    [
        ("sources.list.d/tailscale.sources", ARTIS3N, True, False),
        ("sources.list.d/ts.list", f"deb [arch=amd64 signed-by=/etc/k.gpg] {URI}/ trixie main\n", True, False),
        ("sources.list.d/ts.list", f"deb [signed-by={KEYRING}] {URI} trixie main # a comment\n", True, False),
        ("sources.list.d/mixed.sources", INLINE, False, True),
        ("sources.list.d/zz.list", f"{OTHER}deb {URI} trixie main\n", False, True),
        ("sources.list.d/mixed.list", f"{OTHER}deb [trusted=yes signed-by={KEYRING}] {URI} trixie main\n", False, True),
        ("sources.list.d/mixed.list", f"{OTHER}deb [signed-by=/k.gpg] {URI.replace('https', 'http')} trixie main\n", False, True),
        ("sources.list.d/ts.list", f"deb [signed-by=/k.gpg] {URI.replace('https', 'http')} trixie main\n", True, False),
        # A key behind a source without one is taken by apt.
        ("sources.list.d/mixed.list", f"{OTHER}deb {URI} trixie main\n", False, False),
        ("sources.list", f"deb {URI} trixie main\n", False, False),
        ("sources.list.d/mixed (1).list", f"{OTHER}deb [signed-by=/k.gpg] {URI} trixie main\n", False, False),
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
    message = apt_host.refusals(host(tmp_path, {"sources.list.d/zz.list": f"{OTHER}deb {URI} trixie main\n"}), OURS)[0]
    for part in ("zz.list:2 ", "Signed-By: none", KEYRING, "tailscale_package_source: none"):
        assert part in message


def test_inline_key_and_folded_fields_are_parsed() -> None:
    found = apt.deb822(f"{INLINE}\n{ARTIS3N}", "/x.sources")
    assert [(source["uri"], source["line"], source["signed_by"]) for source in found] == [
        (URI, 2, "a key in the file"),
        ("https://other.example/debian", 2, "a key in the file"),
        (URI, 10, "/etc/apt/keyrings/tailscale.gpg"),
    ]


CONFLICT = "E: Conflicting values set for option Signed-By regarding source {}/ {}: /k1.gpg != /k2.gpg\n{}"
UNREADABLE = "E: The list of sources could not be read."
LINE = "deb [signed-by={}] {} {} main\n"


def with_problem(root: Path, files: dict[str, str], *problems: str) -> dict[str, t.Any]:
    found = host(root, files)
    found["apt"]["problem"] = "\n".join([*problems, UNREADABLE] if problems else [])
    return found


def test_contradiction_of_others_names_both_files_and_is_told_once(tmp_path: Path) -> None:
    uri = "https://other.example/debian"
    files = {"sources.list.d/a.list": LINE.format("/k1.gpg", uri, "x"), "sources.list.d/b.list": LINE.format("/k2.gpg", uri, "x")}
    found = with_problem(tmp_path, files, CONFLICT.format(uri, "x", ""))
    message, *others = apt_host.refusals(found)
    for part in ("/a.list:1 ", "/b.list:1 ", "/k1.gpg", "/k2.gpg", f"{uri} x"):
        assert part in message
    assert others == []
    assert apt_host.refusals(found, OURS) == [message], "so that the message of several roles is the same"


def test_contradiction_that_apt_does_not_see_is_no_reason(tmp_path: Path) -> None:
    uri = "https://other.example/debian"
    files = {"sources.list.d/a.list": LINE.format("/k1.gpg", uri, "x"), "sources.list.d/b.list": LINE.format("/k2.gpg", uri, "x")}
    assert apt_host.refusals(host(tmp_path, files), OURS) == []


@pytest.mark.parametrize("gone", [(), ("/etc/apt/sources.list.d/tailscale.sources",)])
def test_contradiction_that_the_role_itself_ends_is_no_reason(gone: tuple[str, ...], tmp_path: Path) -> None:
    files = {"sources.list.d/tailscale.sources": ARTIS3N, "sources.list.d/tailscale.list": LINE.format(KEYRING, URI, "trixie")}
    found = with_problem(tmp_path, files, CONFLICT.format(URI, "trixie", ""))
    assert apt_host.refusals(found, apt_host.NONE if gone else OURS, gone) == []
    assert len(apt_host.refusals(found)) == 1, "a role that does not replace it"


@pytest.mark.parametrize(
    "problem",
    [
        "E: Malformed entry 1 in list file /etc/apt/sources.list.d/x.list (Suite)",
        "E: Syntax error /etc/apt/apt.conf.d/99x:1: Extra junk after value",
        CONFLICT.format("https://other.example", "x", "").strip(),  # such as two keys in the files themselves
    ],
)
def test_what_apt_says_is_passed_on_where_it_is_not_understood(problem: str, tmp_path: Path) -> None:
    (message,) = apt_host.refusals(with_problem(tmp_path, {"sources.list": OTHER}, problem), OURS)
    assert problem[3:] in message
    assert UNREADABLE[3:] not in message


# The files that the distributions and vendors write themselves.
DEBIAN = """Types: deb deb-src
URIs: http://deb.debian.org/debian
Suites: {0} {0}-updates
Components: main contrib non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb deb-src
URIs: http://deb.debian.org/debian-security
Suites: {0}-security
Components: main contrib non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
BOOKWORM = """#deb cdrom:[Debian GNU/Linux 12.5.0 _Bookworm_ - Official amd64 NETINST 20240210-11:27]/ bookworm contrib main

deb http://deb.debian.org/debian/ bookworm main non-free-firmware
deb-src http://deb.debian.org/debian/ bookworm main non-free-firmware
deb http://security.debian.org/debian-security bookworm-security main non-free-firmware
deb http://deb.debian.org/debian/ bookworm-updates main non-free-firmware
"""
UBUNTU = """# See http://help.ubuntu.com/community/UpgradeNotes for how to upgrade to
# newer versions of the distribution.

## Ubuntu distribution repository
##
Types: deb
URIs: http://archive.ubuntu.com/ubuntu/
Suites: noble noble-updates noble-backports
Components: main restricted universe multiverse
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg

## Ubuntu security updates.
Types: deb
URIs: http://security.ubuntu.com/ubuntu/
Suites: noble-security
Components: main restricted universe multiverse
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg
"""
PI = """Types: deb
URIs: http://archive.raspberrypi.com/debian/
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/raspberrypi-archive-keyring.pgp
"""
DOCKER = "deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://download.docker.com/linux/debian   bookworm stable\n"
SYNCTHING = "deb [signed-by=/etc/apt/keyrings/syncthing-archive-keyring.gpg] https://apt.syncthing.net/ syncthing stable-v2\n"
ORDINARY = {
    "Debian 13": {"sources.list.d/debian.sources": DEBIAN.format("trixie"), "sources.list": "# See sources.list.d\n"},
    "Debian 12, installed from a medium": {"sources.list": BOOKWORM, "sources.list.d/docker.list": DOCKER},
    "Ubuntu 24.04": {"sources.list.d/ubuntu.sources": UBUNTU, "sources.list": "# Ubuntu sources have moved to\n"},
    "Raspberry Pi OS": {"sources.list.d/debian.sources": DEBIAN.format("trixie"), "sources.list.d/raspi.sources": PI},
    "Raspberry Pi OS of Debian 12": {
        "sources.list": BOOKWORM,
        "sources.list.d/raspi.list": "deb http://archive.raspberrypi.com/debian/ bookworm main\n#deb-src http://x b main\n",
    },
    "upgraded, with both forms": {"sources.list": BOOKWORM, "sources.list.d/debian.sources": DEBIAN.format("trixie")},
    "Tailscale's install script": {
        "sources.list": BOOKWORM,
        "sources.list.d/tailscale.list": LINE.format(KEYRING, URI, "trixie"),
    },
    "Syncthing's instructions": {"sources.list": BOOKWORM, "sources.list.d/syncthing.list": SYNCTHING},
}


@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_sources_are_neither_replaced_nor_refused(name: str, tmp_path: Path) -> None:
    found = host(tmp_path, ORDINARY[name])
    assert found["apt"]["sources"]
    for role in (OURS, THEIRS):
        assert (apt_host.replaced(found, role), apt_host.refusals(found, role)) == ([], []), role["name"]


@pytest.mark.parametrize(
    ("name", "text", "replaced", "refused"),
    [
        ("sources.list.d/syncthing.list", SYNCTHING, False, False),  # the file that the role writes as well
        ("sources.list.d/st.list", SYNCTHING, True, False),
        (
            "sources.list.d/syncthing.sources",
            ARTIS3N.replace(URI, "https://apt.syncthing.net").replace("trixie", "syncthing"),
            True,
            False,
        ),
        ("sources.list.d/zz.list", f"{OTHER}deb https://apt.syncthing.net/ syncthing stable\n", False, True),
        ("sources.list", SYNCTHING, False, False),
        ("sources.list", SYNCTHING.replace("archive-keyring", "old"), False, True),
    ],
)
def test_source_of_syncthing(name: str, text: str, replaced: bool, refused: bool, tmp_path: Path) -> None:
    found = {**host(tmp_path, {name: text}), "packages": {}}
    assert apt_host.replaced(found, THEIRS) == ([f"/etc/apt/{name}"] if replaced else [])
    assert bool(apt_host.refusals(found, THEIRS)) == refused


def test_host_without_apt_or_files_has_no_sources(tmp_path: Path) -> None:
    assert (
        apt.gather("dnf", readable, root=tmp_path) == apt.gather("apt", readable, root=tmp_path) == {"sources": [], "problem": ""}
    )


@pytest.mark.parametrize(
    ("code", "error", "problem"),
    [
        (0, "W: x is configured multiple times\n", ""),
        (100, f"{UNREADABLE}\n", UNREADABLE),
        (127, "No such file or directory", ""),
    ],
)
def test_apt_is_asked_with_a_command_that_changes_nothing(code: int, error: str, problem: str, tmp_path: Path) -> None:
    asked = []

    def execute(command: list[str], environ_update: dict[str, str]) -> tuple[int, str, str]:
        asked.append((command, environ_update))
        return code, "", error

    assert apt.gather("apt", execute, root=tmp_path)["problem"] == problem
    assert asked == [(["apt-get", "indextargets"], {"LC_ALL": "C"})]
    assert apt.gather("dnf", execute, root=tmp_path)["problem"] == ""
    assert apt.gather("apt", execute, missing=False, root=tmp_path)["problem"] == "", "nothing is to be installed"
    assert len(asked) == 1
    (tmp_path / "etc/apt").mkdir(parents=True)
    sources = tmp_path / "etc/apt/sources.list"
    sources.write_text(OTHER + OTHER.replace("deb ", "deb-src "), encoding="utf-8")
    assert apt.gather("apt", execute, missing=False, root=tmp_path)["problem"] == "", "as Debian's installer writes them"
    sources.write_text(OTHER + OTHER.replace("deb https", "deb [signed-by=/k.gpg] http"), encoding="utf-8")
    assert apt.gather("apt", execute, missing=False, root=tmp_path)["problem"] == problem, "a repository is there twice"
