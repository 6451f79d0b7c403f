# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's artefacts, built once: programs, host image, package mirror.

Each artefact is a folder in the cache, named by a hash of what it is made from, and
appears there only when it is complete: a build that was killed leaves nothing half-made.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import time
import typing as t

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(
    os.environ.get("TAILSYNC_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tailsync"
)
SUITE = "trixie"
OLDER_SUITE = "bookworm"  # hosts of it are named with their suite, as in `lab.py up nas attic=bookworm`
# A host as Debian's installer leaves it: systemd, sshd, Python with apt's bindings, an administrator with sudo.
HOST_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "python3",
    "python3-apt",
    "sudo",
    "openssh-server",
    "iproute2",
    "iputils-ping",
    "netcat-openbsd",
    "ca-certificates",
    "gpgv",
)
# Packages that the roles install from the lab's mirror, and the tools with which the outsider scans ports.
MIRRORED_PACKAGES = ("ufw", "iptables", "syncthing", "python3-requests", "gnupg", "curl", "nmap")
# The package managers of other families, for hosts that pretend to be Fedora or Arch.
MIRRORED_MANAGERS = ("dnf", "rpm", "pacman-package-manager")
# A host of the older suite has a German locale.
OLDER_PACKAGES = ("locales",)
TAILSCALE = "tailscale.com"
TAILSCALE_OLDER = "1.102.4"  # the same programs with an older version number, to upgrade from
MACHINE_PACKAGES = {
    "podman": "podman",
    "crun": "crun",
    "/usr/lib/podman/netavark": "netavark",
    "mmdebstrap": "mmdebstrap",
    "apt-ftparchive": "apt-utils",
    "dpkg-deb": "dpkg",
    "rpmbuild": "rpm",
    "createrepo_c": "createrepo-c",
    "gpg": "gnupg",
    "tcpdump": "tcpdump",
    "ssh": "openssh-client",
    "nft": "nftables",
    "iptables": "iptables",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
# The integration tests run the Syncthing of these suites: 1.19 and 1.29, the oldest and the newest that Debian ships.
SYNCTHING_SUITES = ("bookworm", "trixie")
# The integration tests run the ufw of these suites; UFW_PATHS are the files of its package.
UFW_SUITES = ("bookworm", "trixie")
UFW_PATHS = (
    *("etc/ufw", "etc/default/ufw", "usr/sbin/ufw", "usr/share/ufw"),
    *("usr/lib/ufw", "lib/ufw", "usr/lib/python3/dist-packages/ufw"),
)

GO_MODULE = HERE / "coordinator"
GO_ENVIRONMENT = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
UNITS = ("tailscaled.service", "tailscaled.defaults", "tailscale-online.target", "tailscale-wait-online.service")
# The maintainer scripts of the vendor's packages, by the name that the package format uses.
SCRIPTS = {
    "deb": {"postinst": "debian.postinst.sh", "prerm": "debian.prerm.sh", "postrm": "debian.postrm.sh"},
    "rpm": {"post": "rpm.postinst.sh", "preun": "rpm.prerm.sh", "postun": "rpm.postrm.sh"},
}


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


def run(*command: str | os.PathLike[str], **options: t.Any) -> None:
    subprocess.run(command, check=True, **options)


def output(*command: str | os.PathLike[str], **options: t.Any) -> str:
    return str(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, **options).stdout).strip()


def digest(*inputs: str | pathlib.Path) -> str:
    """A short hash of texts and of files' contents."""
    total = hashlib.sha256()
    for item in inputs:
        data = item.read_bytes() if isinstance(item, pathlib.Path) else item.encode()
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()[:12]


def cached(name: str, key: str, what: str, make: t.Callable[[pathlib.Path], None]) -> pathlib.Path:
    """Return the artefact's folder, and build it if it does not exist."""
    folder = CACHE / f"{name}-{key}"
    if folder.exists():
        return folder
    say(what)
    started = time.monotonic()
    work = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        make(work)
        if not folder.exists():  # another lab may have been faster
            work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    say(f"    done in {time.monotonic() - started:.0f} s")
    return folder


def install_machine_packages() -> None:
    """Install the packages of the distribution that this machine lacks."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"

    def there(tool: str) -> bool:
        return pathlib.Path(tool).exists() if tool.startswith("/") else shutil.which(tool, path=path) is not None

    missing = sorted({package for tool, package in MACHINE_PACKAGES.items() if not there(tool)})
    if not missing:
        return
    say(f"installing {', '.join(missing)}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", "-qq", env=environment, stdout=subprocess.DEVNULL)
    run(
        "apt-get",
        "install",
        "--yes",
        "-qq",
        "--no-install-recommends",
        *missing,
        env=environment,
        stdout=subprocess.DEVNULL,
    )


def programs() -> pathlib.Path:
    """Build tailscale and tailscaled from the Go module that go.mod pins."""
    source, environment = GO_MODULE, GO_ENVIRONMENT

    def make(work: pathlib.Path) -> None:
        version = output("go", "list", "-m", "-f", "{{.Version}}", TAILSCALE, cwd=source, env=environment)
        stamp = f"-X tailscale.com/version.shortStamp={version[1:]} -X tailscale.com/version.longStamp={version[1:]}-lab"
        for program in ("tailscale", "tailscaled"):
            build = ("go", "build", "-trimpath", "-ldflags", f"-s -w {stamp}", "-o", work / program, f"{TAILSCALE}/cmd/{program}")
            run(*build, cwd=source, env=environment)
        module = pathlib.Path(output("go", "list", "-m", "-f", "{{.Dir}}", TAILSCALE, cwd=source, env=environment))
        for name in UNITS:
            shutil.copyfile(module / "cmd" / "tailscaled" / name, work / name)
        for family, scripts in SCRIPTS.items():
            for name in scripts.values():
                shutil.copyfile(module / "release" / family / name, work / name)
        (work / "version").write_text(version.removeprefix("v"), encoding="ascii")

    key = digest(source / "go.mod", source / "go.sum", "5")
    return cached("programs", key, "building Tailscale (some minutes, once)", make)


def coordinator() -> pathlib.Path:
    """Build the coordinator."""

    def make(work: pathlib.Path) -> None:
        build = ("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", work / "coordinator", ".")
        run(*build, cwd=GO_MODULE, env=GO_ENVIRONMENT)

    sources = sorted(path for path in GO_MODULE.rglob("*") if path.suffix in {".go", ".json"} and not path.match("*_test.go"))
    key = digest(GO_MODULE / "go.mod", GO_MODULE / "go.sum", *sources)
    return cached("coordinator", key, "building the coordinator", make) / "coordinator"


def host_image(suite: str = SUITE) -> pathlib.Path:
    """Build the hosts' file system (`image.tar`) and fetch the packages that the roles install (`debs/`)."""
    included = HOST_PACKAGES if suite == SUITE else (*HOST_PACKAGES, *OLDER_PACKAGES)
    mirrored = (*MIRRORED_PACKAGES, *MIRRORED_MANAGERS) if suite == SUITE else MIRRORED_PACKAGES

    def make(work: pathlib.Path) -> None:
        (work / "debs").mkdir()
        fetch = (
            'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get install --yes --download-only --no-install-recommends '
            f'{" ".join(mirrored)} && cp "$1"/var/cache/apt/archives/*.deb {work}/debs/'
        )
        administrator = (
            'chroot "$1" useradd --create-home --shell /bin/bash admin '
            '&& echo "admin ALL=(ALL) NOPASSWD: ALL" > "$1"/etc/sudoers.d/admin '
            '&& rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/machine-id && touch "$1"/etc/machine-id'
        )
        run(
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--include={','.join(included)}",
            f"--customize-hook={fetch}",
            f"--customize-hook={administrator}",
            suite,
            work / "image.tar",
        )

    key = digest(suite, *included, "-", *mirrored, "4")
    return cached("image", key, f"making the hosts' image from Debian's packages ({suite})", make)


def syncthing(suite: str) -> pathlib.Path:
    """Fetch Syncthing as a release of Debian ships it, to run on this machine's loopback interface."""
    program = "usr/bin/syncthing"

    def make(work: pathlib.Path) -> None:
        run("mmdebstrap", "--quiet", "--variant=extract", "--include=syncthing", suite, work / "root.tar")
        run("tar", "--extract", "--file", work / "root.tar", "--directory", work, "--strip-components=3", f"./{program}")
        (work / "root.tar").unlink()

    return cached("syncthing", digest(suite, program, "1"), f"fetching Syncthing of Debian {suite}", make) / "syncthing"


def ufw(suite: str) -> pathlib.Path:
    """Fetch ufw as a release of Debian ships it, as folders to mount over /etc and /usr in a private mount namespace."""

    def make(work: pathlib.Path) -> None:
        run("mmdebstrap", "--quiet", "--variant=extract", "--include=ufw", suite, work / "root.tar")
        there = output("tar", "--list", "--file", work / "root.tar").splitlines()
        paths = [path for path in (f"./{path}" for path in UFW_PATHS) if path in there or f"{path}/" in there]
        run("tar", "--extract", "--file", work / "root.tar", "--directory", work, *paths)
        (work / "root.tar").unlink()
        if (work / "lib").exists():  # where /lib is a link to usr/lib
            shutil.copytree(work / "lib", work / "usr/lib", dirs_exist_ok=True)
            shutil.rmtree(work / "lib")

    return cached("ufw", digest(suite, *UFW_PATHS, "1"), f"fetching ufw of Debian {suite}", make)


def architecture() -> str:
    return output("dpkg", "--print-architecture")
