# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is unusual and yet common: another interpreter, su, passwords, another language, and a strict umask of sudo."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import typing as t

import pytest
import yaml
from lab_fixtures import CHECKOUT, HOSTS, INVENTORY, LAB

PASSWORD = "a-password-of-the-lab"
LOCALES = pathlib.Path("/usr/share/i18n")  # of Debian's package locales
GERMAN = (
    "localedef --no-archive -i de_DE -f UTF-8 de_DE.UTF-8 && echo LANG=de_DE.UTF-8 >/etc/default/locale "
    "&& LC_ALL=de_DE.UTF-8 locale decimal_point | grep -qx ,"
)
INTERPRETER = "python3 -c 'import venv; venv.create(\"/opt/py\")' && ! /opt/py/bin/python -c 'import apt' 2>/dev/null"
PASSWORDS = f"echo root:{PASSWORD} | chpasswd && echo admin:{PASSWORD} | chpasswd"
# sudo that asks for a password, and gives root the umask 0077 whatever the user's is
SUDO = "printf 'admin ALL=(ALL) ALL\\nDefaults umask=0077, umask_override\\n' >/etc/sudoers.d/admin"
SSHD = "echo 'PasswordAuthentication yes' >/etc/ssh/sshd_config.d/10-lab.conf && systemctl restart ssh"
BINDINGS = "/usr/lib/python3/dist-packages/apt_pkg*.so"
PREPARED: dict[str, tuple[str, ...]] = {
    "nas": (
        INTERPRETER,
        f"{SUDO} && sed -i s/ALL$/NOPASSWD:ALL/ /etc/sudoers.d/admin && chmod 440 /etc/sudoers.d/admin && visudo -c",
    ),
    "pi": (PASSWORDS, "rm /etc/sudoers.d/admin"),
    "vps": (PASSWORDS, SUDO, SSHD, f"mv {BINDINGS} /root"),
}
VARIABLES: dict[str, dict[str, str]] = {
    "nas": {"ansible_python_interpreter": "/opt/py/bin/python"},
    "pi": {"ansible_become_method": "su", "ansible_become_password": PASSWORD},
    "vps": {
        "ansible_become_password": PASSWORD,
        "ansible_password": PASSWORD,
        "ansible_ssh_extra_args": "-o PreferredAuthentications=password -o PubkeyAuthentication=no",
    },
}


@pytest.fixture
def inventory(tmp_path: pathlib.Path) -> pathlib.Path:
    """The lab's, with the hosts' own variables; it looks for the lab's programs in tests next to it."""
    place = tmp_path / "inventories" / "unusual"
    shutil.copytree(INVENTORY, place)
    (tmp_path / "tests").symlink_to(CHECKOUT / "tests")
    hosts = yaml.safe_load((place / "hosts.yml").read_text(encoding="utf-8"))
    for name, own in VARIABLES.items():
        hosts["tailsync"]["hosts"][name] |= own
    (place / "hosts.yml").write_text(yaml.safe_dump(hosts), encoding="utf-8")
    return place


def prepare(lab: t.Any) -> None:
    archive = subprocess.run(["tar", "--create", "--directory=/", str(LOCALES)[1:]], capture_output=True, check=True).stdout
    for host in HOSTS:
        subprocess.run([*LAB, "exec", host, "--", "tar", "--extract", "--directory=/"], input=archive, check=True)
        for command in (GERMAN, *PREPARED[host]):
            done = lab("exec", host, "--", "sh", "-c", command, check=False)
            assert done.returncode == 0, (host, command, done.stdout, done.stderr)


@pytest.mark.usefixtures("bare")
def test_unusual_hosts_are_configured_and_the_second_run_changes_nothing(
    inventory: pathlib.Path, play: t.Any, lab: t.Any
) -> None:
    prepare(lab)
    checked = play("site.yml", "--check", "--diff", inventory=inventory)
    assert checked.code == 0, checked.output
    assert "Traceback" not in checked.output
    assert f"{len(HOSTS)} of {len(HOSTS)} hosts would be complete" in checked.output
    lab("exec", "vps", "--", "sh", "-c", "mv /root/apt_pkg*.so /usr/lib/python3/dist-packages")
    first = play("site.yml", inventory=inventory)
    assert first.code == 0, first.output
    assert PASSWORD not in first.output
    second = play("site.yml", inventory=inventory)
    assert second.code == 0, second.output
    assert second.changed == dict.fromkeys(HOSTS, 0), second.output
