# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that are allowed for a folder, and paths that are refused."""

from __future__ import annotations

import pathlib

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _places

HOME = "/var/lib/syncthing"
SYSTEM = ["bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "libexec", "proc"]
SYSTEM += ["run", "sbin", "sys", "usr", "tmp", "var/tmp"]
REFUSED = [
    # Syncthing's own
    HOME,
    f"{HOME}/",
    f"/{HOME}",
    "/var//lib/./syncthing",
    "/srv/../var/lib/syncthing",
    f"{HOME}/config.xml",
    f"{HOME}/config.xml.v37",
    f"{HOME}/cert.pem",
    f"{HOME}/key.pem",
    f"{HOME}/https-key.pem",
    f"{HOME}/https-cert.pem",
    f"{HOME}/csrftokens.txt",
    f"{HOME}/syncthing.log",
    f"{HOME}/audit-20260101-120000.log",
    f"{HOME}/panic-20260101-120000.log",
    f"{HOME}/index-v0.14.0.db",
    f"{HOME}/index-v0.14.0.db/000001.ldb",
    f"{HOME}/index-v0.14.0.db-migrated",
    f"{HOME}/index-v2",
    f"{HOME}/index-v2/../index-v2/main.db",
    f"{HOME}/gui/default",
    "~",
    "~/",
    # directories with other contents
    *("/", "//", "/.", "/srv/..", "/home", "/srv", "/srv/", "/opt", "/mnt", "/media", "/var", "/var/lib", "/var/lib/x/.."),
    # the system
    *(f"/{name}" for name in SYSTEM),
    *(f"/{name}/sync" for name in SYSTEM),
    "/usr/local/sync",
    "/run/media",
    "/run/media/",
    "/run/mediation/x",
    "/srv/sync/../../etc/sync",
    "//etc",
]
ALLOWED = [
    "/srv/sync",
    "/srv/sync/documents",
    "/srv/sync/a..b",
    "/home/me",
    "/home/me/Documents",
    "/home/me/etc",
    "/mnt/ssd",
    "/mnt/ssd/photos",
    "/media/me/USB",
    "/run/media/me/USB/x",
    "/run/media/me",
    "/opt/data",
    "/var/www/site",
    "/var/lib/other",
    "/var/lib/syncthing2",
    f"{HOME}/data",
    f"{HOME}/Sync/photos",
    f"{HOME}/index",
    f"{HOME}/INDEX-V2",
    f"{HOME}/guitars",
    f"{HOME}/audit-files",
    f"{HOME}/data/config.xml",
    "/tank/photos",
    "/data",
    "/library/books",
    "/temporary",
    "/Users",
    "/ETC/sync",
    "/binaries",
    "/devel/x",
    "~/Sync",
    "",
]


@pytest.mark.parametrize("path", REFUSED)
def test_path_that_is_refused_for_a_folder(path: str) -> None:
    reason = _places.refusal(path, HOME)
    assert reason
    assert path in reason
    assert "of its own" in reason


@pytest.mark.parametrize("path", ALLOWED)
def test_path_that_is_allowed_for_a_folder(path: str) -> None:
    assert _places.refusal(path, HOME) is None


def test_folder_may_not_contain_the_syncthing_home() -> None:
    assert _places.refusal("/home/me", "/home/me/.local/state/syncthing/")
    assert _places.refusal("/home/me/.local/state/syncthing/key.pem", "/home/me/.local/state/syncthing/")
    assert _places.refusal("/home/me/Documents", "/home/me/.local/state/syncthing/") is None


def test_symlinks_are_followed_on_the_host(tmp_path: pathlib.Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "home")
    (tmp_path / "etc").symlink_to("/etc")
    (tmp_path / "other-home").symlink_to(tmp_path / "home")
    home = str(tmp_path / "home")
    assert "leads to" in (_places.refusal_here(str(tmp_path / "link"), home) or "")
    assert "leads to /etc/x" in (_places.refusal_here(str(tmp_path / "etc" / "x"), home) or "")
    assert _places.refusal_here(home, str(tmp_path / "other-home"))
    assert _places.refusal_here(f"{tmp_path}/link/../home/key.pem", str(tmp_path / "other-home"))
