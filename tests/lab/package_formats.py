# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tailscale in the vendors' package formats, and the repositories of apt, dnf and pacman that hold them."""

from __future__ import annotations

import gzip
import hashlib
import pathlib
import platform
import shutil
import subprocess
import tarfile
import typing as t

from artefacts import SCRIPTS, UNITS, architecture, output, run

# rpmbuild is to pack what is there, and quickly.
RPM_MACROS = {
    "debug_package": "%{nil}",
    "_build_id_links": "none",
    "__strip": "/bin/true",
    "__os_install_post": "%{nil}",
    "_binary_payload": "w1.gzdio",
    "_unitdir": "/usr/lib/systemd/system",
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
    """A signed suite of an apt repository."""
    binary = root / "dists" / suite / component / f"binary-{architecture()}"
    binary.mkdir(parents=True)
    pool = root / "pool" / suite
    pool.mkdir(parents=True)
    for package in packages:
        shutil.copyfile(package, pool / package.name)
    index = output("apt-ftparchive", "packages", f"pool/{suite}", cwd=root) + "\n"
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
