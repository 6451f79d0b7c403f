# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other families of distributions, on a Debian host that pretends to be one of them.

Fedora and Arch use the real dnf and pacman, which Debian packages, with signed and unsigned repositories that have the real
programs. Alpine uses doubles of apk and OpenRC, which keep the file `world` as apk does and record the calls.
"""

from __future__ import annotations

import typing as t

import pytest
from artefacts import TAILSCALE_OLDER as OLDER
from artefacts import architecture
from testinfra.host import Host

MIRROR = "http://172.31.77.3"
REPOSITORY = "/etc/yum.repos.d/tailscale.repo"
SYSTEMS = {
    "fedora": ("Fedora Linux", "42", "Fedora release 42 (Adams)"),
    "rhel": ("Red Hat Enterprise Linux", "9.4", "Red Hat Enterprise Linux release 9.4 (Plow)"),
    "arch": ("Arch Linux", "", ""),
    "alpine": ("Alpine Linux", "3.22.1", ""),
    "void": ("Void", "", ""),
}
APK = """\
#!/bin/sh
# Keeps the file world and the installed packages as apk does; ignores its other arguments.
echo "apk $*" >> /var/log/calls
case "$1" in
  info) [ -e /etc/apk/installed ] ;;
  del) rm -f /etc/apk/installed; : > /etc/apk/world ;;
  add)
    for last; do :; done
    case "$last" in *9.9*) echo "unable to select packages: $last" >&2; exit 1 ;; esac
    case "$*" in *--simulate*) echo "(1/1) Installing tailscale (1.88.4-r0)"; exit 0 ;; esac
    [ -e /etc/apk/installed ] || echo "(1/1) Installing tailscale (1.88.4-r0)"
    touch /etc/apk/installed
    echo "$last" > /etc/apk/world
    mkdir -p /etc/conf.d && touch /etc/conf.d/tailscale
    ;;
esac
"""
RC = """\
#!/bin/sh
echo "$(basename "$0") $*" >> /var/log/calls
case "$0 $*" in
  *"rc-service tailscale start" | *"rc-service tailscale restart") /srv/systemctl restart lab-tailscaled ;;
  *"rc-service tailscale stop") /srv/systemctl stop lab-tailscaled ;;
  *"rc-service tailscale status") /srv/systemctl is-active --quiet lab-tailscaled && echo " * status: started" ;;
  *"rc-update"*add*) touch /etc/in-runlevel; echo " * service tailscale added to runlevel default" ;;
  *"rc-update"*del*) rm -f /etc/in-runlevel; echo " * service tailscale removed from runlevel default" ;;
  *"rc-update"*) [ -e /etc/in-runlevel ] && echo " tailscale | default" || true ;;
esac
"""
# Refuses long options, as the grep of BusyBox, which Alpine has, does.
GREP = """\
#!/bin/sh
for word; do case "$word" in --*) echo "grep: unrecognized option: $word" >&2; exit 2 ;; esac; done
exec /usr/bin/grep "$@"
"""


@pytest.fixture
def nas(lab_hosts: dict[str, Host]) -> Host:
    return lab_hosts["nas"]


def set_distribution(host: Host, system: str) -> None:
    """Write the files that Ansible's facts are read from."""
    name, version, release = SYSTEMS[system]
    text = f'NAME="{name}"\nID={system}\nVERSION_ID={version}\nPRETTY_NAME="{name} {version}"\n'
    host.check_output(f"rm -f /etc/os-release /etc/*-release /etc/debian_version; printf %s '{text}' > /etc/os-release")
    if release:
        host.check_output(f"echo '{release}' > /etc/redhat-release")
    if system in ("arch", "alpine"):
        host.check_output(f"echo '{version}' > /etc/{system}-release")


def write_executable(host: Host, path: str, text: str) -> None:
    host.check_output("mkdir -p $(dirname %s) && printf %%s %s > %s && chmod 755 %s", path, text, path, path)


def calls_since_last_time(host: Host) -> list[str]:
    """The calls since the last time."""
    return str(host.check_output("cat /var/log/calls 2>/dev/null; rm -f /var/log/calls")).splitlines()


def test_fedora_installs_holds_and_upgrades_with_dnf(role: t.Any, settle: t.Any, nas: Host) -> None:
    nas.check_output("apt-get install -y -qq --no-install-recommends dnf rpm pacman-package-manager >/dev/null 2>&1")
    nas.check_output("mkdir -p /etc/yum.repos.d /etc/dnf/vars && echo 42 > /etc/dnf/vars/releasever")
    set_distribution(nas, "fedora")
    another_key = role("nas", tailscale_repository_key_url=f"{MIRROR}/debian/keyring.gpg")
    assert another_key.code != 0
    assert nas.run("rpm -q tailscale").failed
    settle("nas", tailscale_version=OLDER, tailscale_hold=True)
    text = nas.file(REPOSITORY).content_string
    assert f"\nbaseurl={MIRROR}/tailscale/stable/fedora/$basearch\n" in text
    assert "\ngpgcheck=1\n" in text
    assert nas.check_output("rpm -q tailscale").startswith(f"tailscale-{OLDER}-1")
    assert nas.service("tailscaled").is_enabled
    assert nas.run("tailscale ip -4").succeeded
    # An upgrade by a user respects the hold; one by the role lifts it.
    nas.check_output("dnf upgrade --assumeyes")
    assert nas.check_output("rpm -q tailscale").startswith(f"tailscale-{OLDER}-1")
    latest = role("nas", tailscale_version="latest", tailscale_hold=True)
    assert (latest.code, OLDER in nas.check_output("rpm -q tailscale")) == (0, False), latest.output
    down = role("nas", tailscale_version=OLDER)
    assert (down.code, OLDER in nas.check_output("rpm -q tailscale")) == (0, True), down.output
    assert "excludepkgs" not in nas.file(REPOSITORY).content_string


def test_red_hat_gets_its_own_repository(role: t.Any, nas: Host) -> None:
    set_distribution(nas, "rhel")
    check = role("nas", "--check", "--diff")
    assert f"\n+baseurl={MIRROR}/tailscale/stable/rhel/9/$basearch\n" in check.output
    assert f"\n+gpgkey={MIRROR}/tailscale/stable/rhel/9/repo.gpg\n" in check.output


def test_uninstalling_with_dnf_removes_package_and_repository(settle: t.Any, nas: Host) -> None:
    settle("nas", tailscale_state="absent", tailscale_purge_state=True)
    assert nas.run("rpm -q tailscale").failed
    for path in (REPOSITORY, "/var/lib/tailscale", "/usr/bin/tailscale"):
        assert not nas.file(path).exists
    assert nas.run("pgrep tailscaled").failed


def test_arch_installs_and_removes_with_pacman_and_refuses_a_version(role: t.Any, settle: t.Any, nas: Host) -> None:
    set_distribution(nas, "arch")
    configuration = f"[options]\nArchitecture = auto\nSigLevel = Never\n[lab]\nServer = {MIRROR}/arch\n"
    nas.check_output("mkdir -p /var/lib/pacman/local /var/cache/pacman/pkg && printf %s > /etc/pacman.conf", configuration)
    pinned = role("nas", tailscale_version=OLDER)
    assert pinned.code != 0
    assert "tailscale_version" in pinned.output
    stale = role("nas")
    assert stale.code != 0
    assert "pacman -Syu" in stale.output
    nas.check_output("pacman -Sy")
    settle("nas")
    assert nas.check_output("pacman -Q tailscale").startswith("tailscale 1.")
    assert nas.service("tailscaled").is_enabled
    assert nas.run("tailscale ip -4").succeeded
    settle("nas", tailscale_state="absent", tailscale_purge_state=True)
    assert nas.run("pacman -Q tailscale").failed
    assert nas.run("pgrep tailscaled").failed


def test_alpine_installs_and_removes_with_apk_and_openrc(role: t.Any, settle: t.Any, nas: Host) -> None:
    set_distribution(nas, "alpine")
    write_executable(nas, "/sbin/apk", APK)
    for tool in ("rc-service", "rc-update", "rc-status"):
        write_executable(nas, f"/sbin/{tool}", RC)
    write_executable(nas, "/usr/local/bin/grep", GREP)
    unit = (
        "[Service]\nEnvironmentFile=/etc/conf.d/tailscale\nRuntimeDirectory=tailscale\nStateDirectory=tailscale\nType=notify\n"
        "Environment=TS_NO_LOGS_NO_SUPPORT=true\n"
        "ExecStart=/usr/sbin/tailscaled --state=/var/lib/tailscale/tailscaled.state --port=${TAILSCALED_PORT} $TAILSCALED_OPTS\n"
    )
    write_executable(nas, "/etc/systemd/system/lab-tailscaled.service", unit)
    nas.check_output("python3 -c %s", PROGRAM)
    nas.check_output("mkdir -p /etc/apk && : > /etc/apk/world && systemctl daemon-reload")
    write_executable(nas, "/srv/systemctl", SYSTEMCTL)
    nas.check_output("mv /usr/bin/systemctl /srv/real && mv /run/systemd/system /run/systemd/away")
    alpine: dict[str, t.Any] = {"openrc": True, "tailscale_port": 41888}
    held = role("nas", **alpine, tailscale_hold=True)
    assert held.code != 0
    assert "tailscale_version" in held.output
    missing = role("nas", **alpine, tailscale_version="9.9")
    assert missing.code != 0
    assert "community" in missing.output
    calls_since_last_time(nas)
    settle("nas", **alpine, tailscale_version="1.88.4", tailscale_hold=True)
    assert [call for call in calls_since_last_time(nas) if call.startswith("apk")] == [
        "apk add --no-progress --update-cache --simulate tailscale~1.88.4",
        "apk add --no-progress --update-cache tailscale~1.88.4",
    ]
    assert nas.file("/etc/apk/world").content_string == "tailscale~1.88.4\n"
    assert 'TAILSCALED_PORT="41888"\nTAILSCALED_OPTS=""' in nas.file("/etc/conf.d/tailscale").content_string
    assert nas.file("/etc/in-runlevel").exists
    # As if the archive had been installed before.
    nas.check_output("mkdir -p /opt/tailscale && ln -s none-yet /opt/tailscale/current && touch /etc/init.d/tailscaled")
    package = role("nas", **alpine, tailscale_version="1.88.4", tailscale_hold=True)
    assert (package.code, package.changed["nas"] > 0) == (0, True), package.output
    called = [
        call
        for call in calls_since_last_time(nas)
        if call.startswith("rc-service") and call.split()[-1] in ("stop", "start", "restart")
    ]
    assert called == ["rc-service --ifexists tailscaled stop", "rc-service tailscale start", "rc-service tailscale restart"]
    assert not nas.file("/etc/init.d/tailscaled").exists
    settle("nas", openrc=True, tailscale_state="absent", tailscale_purge_state=True)
    assert "apk del --no-progress tailscale" in calls_since_last_time(nas)
    assert not nas.file("/etc/in-runlevel").exists


def test_unsupported_package_manager_is_refused_with_the_fix(role: t.Any, nas: Host) -> None:
    nas.check_output("rm /sbin/apk /usr/local/bin/grep; mv /usr/bin/pacman /usr/bin/pacman.away; touch /usr/bin/xbps-install")
    set_distribution(nas, "void")
    refused = role("nas")
    assert refused.code != 0
    assert "does not install packages with xbps: set tailscale_package_source to static" in " ".join(refused.output.split())


# All programs, systemctl too, tell by this directory whether systemd runs.
SYSTEMCTL = """#!/bin/sh
mv /run/systemd/away /run/systemd/system
/srv/real "$@"
code=$?
mv /run/systemd/system /run/systemd/away
exit $code
"""
# The program from the archive, at the path of Alpine's package.
PROGRAM = f"""
import io, tarfile, urllib.request
archive = urllib.request.urlopen("{MIRROR}/tailscale/stable/tailscale_{OLDER}_{architecture()}.tgz").read()
with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
    for entry in tar:
        if entry.name.endswith("/tailscaled"):
            entry.name = "tailscaled"
            tar.extract(entry, "/usr/sbin", filter="data")
"""
