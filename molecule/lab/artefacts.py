# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab is made of, built once: programs, host image, package mirror.

Each artefact is a folder in the cache, named by a hash of what it is made from, and
appears there only when it is complete: a build that was killed leaves nothing half-made.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import pathlib
import platform
import shutil
import subprocess
import tarfile
import time
import typing as t

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(
    os.environ.get("TAILSYNC_CACHE") or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "tailsync"
)
SUITE = "trixie"
# A host as Debian's installer leaves one: systemd, sshd, Python with apt's bindings, an administrator with sudo.
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
# What the roles install on top of it, from the lab's mirror, and what an outsider looks at the doors with.
MIRRORED_PACKAGES = ("ufw", "iptables", "syncthing", "python3-requests", "gnupg", "curl", "nmap")
# The package managers of other families, to be tried on hosts that call themselves Fedora or Arch.
MIRRORED_MANAGERS = ("dnf", "rpm", "pacman-package-manager")
TAILSCALE = "tailscale.com"
TAILSCALE_OLDER = "1.102.4"  # the same programs under an older number, to upgrade from
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
# rpmbuild is to pack what is there, and quickly.
RPM_MACROS = {
    "debug_package": "%{nil}",
    "_build_id_links": "none",
    "__strip": "/bin/true",
    "__os_install_post": "%{nil}",
    "_binary_payload": "w1.gzdio",
    "_unitdir": "/usr/lib/systemd/system",
}
# Whose Syncthing the integration tests run: 1.19 and 1.29, the oldest and the newest that Debian ships.
SYNCTHING_SUITES = ("bookworm", "trixie")
# Whose ufw they run, and where its package lies.
UFW_SUITES = ("bookworm", "trixie")
UFW_PATHS = (
    *("etc/ufw", "etc/default/ufw", "usr/sbin/ufw", "usr/share/ufw"),
    *("usr/lib/ufw", "lib/ufw", "usr/lib/python3/dist-packages/ufw"),
)

UNITS = ("tailscaled.service", "tailscaled.defaults", "tailscale-online.target", "tailscale-wait-online.service")
# What the vendor's packages run, by the name that the package format has for it.
SCRIPTS = {
    "deb": {"postinst": "debian.postinst.sh", "prerm": "debian.prerm.sh", "postrm": "debian.postrm.sh"},
    "rpm": {"post": "rpm.postinst.sh", "preun": "rpm.prerm.sh", "postun": "rpm.postrm.sh"},
}
# The vendor's packages' layout: our file, its place, its mode.
LAYOUT = (
    ("tailscale", "usr/bin/tailscale", 0o755),
    ("tailscaled", "usr/sbin/tailscaled", 0o755),
    ("tailscaled.defaults", "etc/default/tailscaled", 0o644),
    ("tailscaled.service", "usr/lib/systemd/system/tailscaled.service", 0o644),
    ("tailscale-online.target", "usr/lib/systemd/system/tailscale-online.target", 0o644),
    ("tailscale-wait-online.service", "usr/lib/systemd/system/tailscale-wait-online.service", 0o644),
)


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
    """The artefact's folder; made now if it is not there."""
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
    """What this machine needs of its distribution's packages; nothing happens when all is there."""
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
    """tailscale, tailscaled and the coordinator, from the Go modules that go.mod pins."""
    source = HERE / "coordinator"
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}

    def make(work: pathlib.Path) -> None:
        version = output("go", "list", "-m", "-f", "{{.Version}}", TAILSCALE, cwd=source, env=environment)
        stamp = f"-X tailscale.com/version.shortStamp={version[1:]} -X tailscale.com/version.longStamp={version[1:]}-lab"
        for package in (f"{TAILSCALE}/cmd/tailscale", f"{TAILSCALE}/cmd/tailscaled", "."):
            target = work / (pathlib.Path(package).name or "coordinator")
            run(
                *("go", "build", "-trimpath", "-ldflags", f"-s -w {stamp}", "-o", target, package),
                cwd=source,
                env=environment,
            )
        module = pathlib.Path(output("go", "list", "-m", "-f", "{{.Dir}}", TAILSCALE, cwd=source, env=environment))
        for name in UNITS:
            shutil.copyfile(module / "cmd" / "tailscaled" / name, work / name)
        for family, scripts in SCRIPTS.items():
            for name in scripts.values():
                shutil.copyfile(module / "release" / family / name, work / name)
        (work / "version").write_text(version.removeprefix("v"), encoding="ascii")

    key = digest(source / "go.mod", source / "go.sum", *sorted(source.glob("*.go")), "4")
    return cached("programs", key, "building Tailscale and the coordinator (some minutes, once)", make)


def host_image() -> pathlib.Path:
    """The hosts' file system (`image.tar`) and the packages that the roles will ask for (`debs/`)."""

    def make(work: pathlib.Path) -> None:
        (work / "debs").mkdir()
        fetch = (
            'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get install --yes --download-only --no-install-recommends '
            f'{" ".join((*MIRRORED_PACKAGES, *MIRRORED_MANAGERS))} && cp "$1"/var/cache/apt/archives/*.deb {work}/debs/'
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
            f"--include={','.join(HOST_PACKAGES)}",
            f"--customize-hook={fetch}",
            f"--customize-hook={administrator}",
            SUITE,
            work / "image.tar",
        )

    key = digest(SUITE, *HOST_PACKAGES, "-", *MIRRORED_PACKAGES, *MIRRORED_MANAGERS, "4")
    return cached("image", key, f"making the hosts' image from Debian's packages ({SUITE})", make)


def syncthing(suite: str) -> pathlib.Path:
    """Syncthing's program as a release of Debian ships it, to run on this machine's loopback."""
    program = "usr/bin/syncthing"

    def make(work: pathlib.Path) -> None:
        run("mmdebstrap", "--quiet", "--variant=extract", "--include=syncthing", suite, work / "root.tar")
        run("tar", "--extract", "--file", work / "root.tar", "--directory", work, "--strip-components=3", f"./{program}")
        (work / "root.tar").unlink()

    return cached("syncthing", digest(suite, program, "1"), f"fetching Syncthing of Debian {suite}", make) / "syncthing"


def ufw(suite: str) -> pathlib.Path:
    """ufw as a release of Debian ships it, as folders to lay over /etc and /usr of a private mount namespace."""

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


def mirror() -> pathlib.Path:
    """A package mirror with the vendors' layout, each repository signed with the lab's own throw-away key."""
    built, image = programs(), host_image()

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
        repository("tailscale/stable/debian", SUITE, "main", tailscale, me)
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
            f"tailscale/stable/debian/{SUITE}.noarmor.gpg",
            f"tailscale-badly-signed/stable/debian/{SUITE}.noarmor.gpg",
            "syncthing/release-key.gpg",
            "debian/keyring.gpg",
        ):
            shutil.copyfile(keyring, work / "www" / path)
        shutil.rmtree(home)
        shutil.rmtree(debs)

    key = digest(built.name, image.name, (HERE / "artefacts.py"))
    return cached("mirror", key, "laying out the package mirror", make)


def architecture() -> str:
    return output("dpkg", "--print-architecture")


def package_up(root: pathlib.Path, control: dict[str, str], folder: pathlib.Path) -> pathlib.Path:
    (root / "DEBIAN").mkdir(exist_ok=True)
    text = "".join(f"{key}: {value}\n" for key, value in control.items())
    (root / "DEBIAN" / "control").write_text(text, encoding="utf-8")
    target = folder / f"{control['Package']}_{control['Version']}_{control['Architecture']}.deb"
    run("dpkg-deb", "--root-owner-group", "-Zgzip", "--build", root, target, stdout=subprocess.DEVNULL)
    shutil.rmtree(root)
    return target


def tailscale_package(built: pathlib.Path, folder: pathlib.Path, version: str) -> pathlib.Path:
    """Tailscale's .deb with the file layout of the vendor's own."""
    root = folder / "root"
    lay_out(built, root)
    (root / "DEBIAN").mkdir()
    for name, script in SCRIPTS["deb"].items():
        shutil.copyfile(built / script, root / "DEBIAN" / name)
        (root / "DEBIAN" / name).chmod(0o755)
    (root / "DEBIAN" / "conffiles").write_text("/etc/default/tailscaled\n", encoding="ascii")
    control = {
        "Package": "tailscale",
        "Version": version,
        "Architecture": architecture(),
        "Depends": "iptables",
        "Maintainer": "The tailsync lab <lab@example.org>",
        "Description": "Tailscale, built for the lab from its Go module",
    }
    return package_up(root, control, folder)


def lay_out(built: pathlib.Path, root: pathlib.Path) -> None:
    """Tailscale's files as its packages have them."""
    for source, target, mode in LAYOUT:
        path = root / target
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(built / source, path)
        path.chmod(mode)


def archive(built: pathlib.Path, folder: pathlib.Path, version: str) -> None:
    """The vendor's archive of programs, with the file that holds its checksum."""
    name = f"tailscale_{version}_{architecture()}"
    target = folder / f"{name}.tgz"
    with tarfile.open(target, "w:gz", compresslevel=1) as tar:
        for program in ("tailscaled", "tailscale"):
            tar.add(built / program, f"{name}/{program}", filter=owned_by_root)
        for unit in UNITS:
            tar.add(built / unit, f"{name}/systemd/{unit}", filter=owned_by_root)
    target.with_suffix(".tgz.sha256").write_text(hashlib.sha256(target.read_bytes()).hexdigest(), encoding="ascii")


def owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def dnf_repository(
    built: pathlib.Path, root: pathlib.Path, versions: t.Iterable[str], signer: str, environment: dict[str, str]
) -> None:
    """Signed packages in a signed repository, and the key beside it, as the vendor has them for dnf."""
    machine = platform.machine()
    folder = root / machine
    folder.mkdir(parents=True)
    work = root / "build"
    lay_out(built, work / "files")
    scripts = "".join(f"%{name}\n{(built / script).read_text(encoding='utf-8')}\n" for name, script in SCRIPTS["rpm"].items())
    files = "".join(f"{'%config(noreplace) ' if path.startswith('etc/') else ''}/{path}\n" for _source, path, _mode in LAYOUT)
    specs = [
        f"Name: tailscale\nVersion: {version}\nRelease: 1\nSummary: Tailscale, built for the lab\nLicense: BSD\nAutoReqProv: no\n"
        f"%description\nTailscale.\n%install\ncp -a {work}/files/. %{{buildroot}}/\n%files\n{files}{scripts}"
        for version in versions
    ]
    # What a host that only calls itself Fedora has from Debian.
    specs.append(
        "Name: what-debian-has\nVersion: 1\nRelease: 1\nSummary: A shell\nLicense: BSD\nProvides: /bin/sh\n"
        "%description\nA shell.\n%files\n"
    )
    for spec in specs:
        (work / "spec").write_text(spec, encoding="utf-8")
        run(
            *("rpmbuild", "-bb", "--quiet", "--target", machine, work / "spec"),
            *(f"--define={name} {value}" for name, value in {**RPM_MACROS, "_topdir": work, "_rpmdir": work / "out"}.items()),
            stdout=subprocess.DEVNULL,
        )
    for package in sorted((work / "out").rglob("*.rpm")):
        shutil.move(package, folder / package.name)
        run(
            *(
                "rpmsign",
                "--addsign",
                f"--define=_gpg_name {signer}",
                f"--define=__gpg {shutil.which('gpg')}",
                folder / package.name,
            ),
            env=environment,
            stdout=subprocess.DEVNULL,
        )
    shutil.rmtree(work)
    run("createrepo_c", "--quiet", folder)
    run(
        *("gpg", "--batch", "--quiet", "--local-user", signer, "--detach-sign", "--armor", folder / "repodata" / "repomd.xml"),
        env=environment,
    )
    run("gpg", "--batch", "--armor", "--output", root / "repo.gpg", "--export", signer, env=environment)


def pacman_repository(built: pathlib.Path, root: pathlib.Path, version: str) -> None:
    """Arch's repository, with Tailscale alone in it."""
    machine, full = platform.machine(), f"{version}-1"
    lay_out(built, root / "files")
    size = sum((root / "files" / path).stat().st_size for _source, path, _mode in LAYOUT)
    info = {
        "pkgname": "tailscale",
        "pkgbase": "tailscale",
        "pkgver": full,
        "pkgdesc": "Tailscale, built for the lab",
        "size": size,
    }
    text = "".join(f"{key} = {value}\n" for key, value in {**info, "arch": machine, "backup": "etc/default/tailscaled"}.items())
    package = root / f"tailscale-{full}-{machine}.pkg.tar.gz"
    (root / ".PKGINFO").write_text(text, encoding="ascii")
    with tarfile.open(package, "w:gz", compresslevel=1) as tar:
        tar.add(root / ".PKGINFO", ".PKGINFO", filter=owned_by_root)
        for _source, path, _mode in LAYOUT:
            tar.add(root / "files" / path, path, filter=owned_by_root)
    fields = {
        "FILENAME": package.name,
        "NAME": "tailscale",
        "VERSION": full,
        "DESC": "Tailscale",
        "CSIZE": package.stat().st_size,
        "ISIZE": size,
        "SHA256SUM": hashlib.sha256(package.read_bytes()).hexdigest(),
        "ARCH": machine,
    }
    (root / "desc").write_text("".join(f"%{key}%\n{value}\n\n" for key, value in fields.items()), encoding="ascii")
    with tarfile.open(root / "lab.db", "w:gz") as tar:
        tar.add(root / "desc", f"tailscale-{full}/desc", filter=owned_by_root)
    shutil.rmtree(root / "files")


def keyring_package(keyring: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    root = folder / "root"
    path = root / "usr/share/keyrings/tailscale-archive-keyring.gpg"
    path.parent.mkdir(parents=True)
    shutil.copyfile(keyring, path)
    control = {
        "Package": "tailscale-archive-keyring",
        "Version": "1.35.181",
        "Architecture": "all",
        "Maintainer": "The tailsync lab <lab@example.org>",
        "Description": "The key of the lab's Tailscale repository",
    }
    return package_up(root, control, folder)


def publish(
    root: pathlib.Path,
    suite: str,
    component: str,
    packages: t.Iterable[pathlib.Path],
    signer: str,
    environment: dict[str, str],
) -> None:
    """One signed apt repository."""
    binary = root / "dists" / suite / component / f"binary-{architecture()}"
    binary.mkdir(parents=True)
    pool = root / "pool"
    pool.mkdir()
    for package in packages:
        shutil.copyfile(package, pool / package.name)
    index = output("apt-ftparchive", "packages", "pool", cwd=root) + "\n"
    (binary / "Packages").write_text(index, encoding="utf-8")
    (binary / "Packages.gz").write_bytes(gzip.compress(index.encode(), mtime=0))
    release = output(
        "apt-ftparchive",
        *("-o", f"APT::FTPArchive::Release::Suite={suite}"),
        *("-o", f"APT::FTPArchive::Release::Codename={suite}"),
        *("-o", f"APT::FTPArchive::Release::Components={component}"),
        *("-o", f"APT::FTPArchive::Release::Architectures={architecture()}"),
        "release",
        root / "dists" / suite,
    )
    release_file = root / "dists" / suite / "Release"
    release_file.write_text(release + "\n", encoding="utf-8")
    run(
        *("gpg", "--batch", "--quiet", "--yes", "--local-user", signer, "--clearsign"),
        *("--output", release_file.with_name("InRelease"), release_file),
        env=environment,
    )
