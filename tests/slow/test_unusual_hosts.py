# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is unusual and yet common: another interpreter, su, passwords, another language, a strict umask of sudo."""

from __future__ import annotations

import pathlib
import re
import shutil
import typing as t

import pytest
from lab_fixtures import HOSTS, INVENTORY, LAB

PASSWORD = "a-password-of-the-lab"  # noqa: S105
# A Python without the bindings of apt and without requests.
INTERPRETER = "python3 -c 'import venv; venv.create(\"/opt/py\")'; apt-get -qq remove -y python3-apt 2>/dev/null; ! /opt/py/bin/python -c 'import apt'"
PASSWORDS = f"echo root:{PASSWORD} | chpasswd; echo admin:{PASSWORD} | chpasswd"
ASKS = f"{PASSWORDS}; rm -f /etc/sudoers.d/*; echo 'admin ALL=(ALL) ALL' >/etc/sudoers.d/admin"
STRICT = "echo 'Defaults umask=0077, umask_override' >/etc/sudoers.d/umask"
SSHD = "printf 'PasswordAuthentication yes\\nAcceptEnv LANG LC_*\\n' >/etc/ssh/sshd_config.d/10-lab.conf; systemctl restart ssh"
GERMAN = (
    "gzip -dc /root/UTF-8.gz >/root/UTF-8 && localedef --no-archive -i /root/de_DE -f /root/UTF-8 /usr/lib/locale/de_DE.UTF-8; "
    "echo LANG=de_DE.UTF-8 >/etc/default/locale; LC_ALL=de_DE.UTF-8 locale charmap 2>&1"
)
OF_HOST = {
    "nas": {"ansible_python_interpreter": "/opt/py/bin/python"},
    "pi": {"ansible_become_method": "su", "ansible_become_password": PASSWORD},
    "vps": {
        "ansible_become_password": PASSWORD,
        "ansible_password": PASSWORD,
        "ansible_ssh_extra_args": "-o PreferredAuthentications=password -o PubkeyAuthentication=no",
    },
}


def script(lab: t.Any, host: str, *commands: str) -> None:
    for command in commands:
        done = lab("exec", host, "--", "sh", "-c", command, check=False)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
