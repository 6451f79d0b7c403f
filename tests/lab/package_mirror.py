# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's package mirror: Debian's, Tailscale's and Syncthing's repositories, each signed."""

from __future__ import annotations

import os
import pathlib
import shutil
import typing as t

from artefacts import HERE, OLDER_SUITE, SCRIPTS, SUITE, TAILSCALE_OLDER, UNITS, cached, digest, host_image, programs, run
from package_formats import archive, dnf_repository, keyring_package, pacman_repository, publish, tailscale_package


def mirror() -> pathlib.Path:
    """A package mirror with the vendors' layout, each repository signed with the lab's own throw-away key."""
    built, image, older = programs(), host_image(), host_image(OLDER_SUITE)

    def make(work: pathlib.Path) -> None:
        home = work / "gnupg"
        home.mkdir(mode=0o700)
        environment = {**os.environ, "GNUPGHOME": str(home)}
        # rpm reads the older kind of key everywhere.
        for who, kind in {"lab@example.org": "ed25519", "stranger@example.org": "ed25519", "rpm@example.org": "rsa3072"}.items():
            run(
                *("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", who, kind, "sign", "1y"),
                env=environment,
            )
        keyring = work / "keyring.gpg"
        run("gpg", "--batch", "--output", keyring, "--export", "lab@example.org", env=environment)

        def repository(path: str, suite: str, component: str, packages: t.Iterable[pathlib.Path], signer: str) -> None:
            publish(work / "www" / path, suite, component, packages, signer, environment)

        version = (built / "version").read_text(encoding="ascii")
        debs = work / "debs"
        debs.mkdir()
        tailscale = [tailscale_package(built, debs, number) for number in (TAILSCALE_OLDER, version)]
        tailscale.append(keyring_package(keyring, debs))
        from_debian = list((image / "debs").glob("*.deb"))
        syncthing = [package for package in from_debian if package.name.startswith("syncthing_")]
        me, stranger = "lab@example.org", "stranger@example.org"
        # The distribution's own Tailscale is as old as a distribution's is.
        repository("debian", SUITE, "main", [*from_debian, tailscale[0]], me)
        repository("debian", OLDER_SUITE, "main", (older / "debs").glob("*.deb"), me)
        # "noble" is of Ubuntu: other names for the same folder.
        for suite in (SUITE, OLDER_SUITE, "noble"):
            repository("tailscale/stable/debian", suite, "main", tailscale, me)
        for system in ("ubuntu", "raspbian"):
            (work / "www" / "tailscale" / "stable" / system).symlink_to("debian")
        repository("tailscale-badly-signed/stable/debian", SUITE, "main", tailscale, stranger)
        repository("syncthing", "syncthing", "stable-v2", syncthing, me)
        for number in (TAILSCALE_OLDER, version):
            archive(built, work / "www" / "tailscale" / "stable", number)
        fedora = work / "www" / "tailscale" / "stable" / "fedora"
        dnf_repository(built, fedora, (TAILSCALE_OLDER, version), "rpm@example.org", environment)
        (fedora.parent / "rhel").mkdir()
        (fedora.parent / "rhel" / "9").symlink_to(pathlib.Path("..", fedora.name))
        (work / "www" / "arch").mkdir()
        pacman_repository(built, work / "www" / "arch", version)
        for path in (
            *(f"tailscale/stable/debian/{suite}.noarmor.gpg" for suite in (SUITE, OLDER_SUITE, "noble")),
            f"tailscale-badly-signed/stable/debian/{SUITE}.noarmor.gpg",
            "syncthing/release-key.gpg",
            "debian/keyring.gpg",
        ):
            shutil.copyfile(keyring, work / "www" / path)
        shutil.rmtree(home)
        shutil.rmtree(debs)

    constants = repr((SUITE, OLDER_SUITE, TAILSCALE_OLDER, UNITS, SCRIPTS))
    key = digest(built.name, image.name, older.name, constants, HERE / "package_formats.py", HERE / "package_mirror.py")
    return cached("mirror", key, "laying out the package mirror", make)
