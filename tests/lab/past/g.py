# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts with a past, as the scenario dirty has them."""

from __future__ import annotations

from situations import script


def os_release(host: str, *fields: str) -> None:
    """The host calls itself another system: `ID=ubuntu VERSION_CODENAME=noble`."""
    script(host, 'rm /etc/os-release; printf "%s\\n" "$@" >/etc/os-release', *fields)


def another_interpreter(host: str) -> None:
    """Ansible is to use a Python of the user's own, and nothing on the host has apt's bindings."""
    script(
        host,
        "python3 -m venv --without-pip /opt/py; DEBIAN_FRONTEND=noninteractive apt-get purge -y -qq python3-apt >/dev/null 2>&1; "
        "! python3 -c 'import apt' 2>/dev/null",
    )


def slow_sessions(host: str, seconds: str = "0.2") -> None:
    """Every new session of SSH begins late."""
    script(host, 'echo "sleep $1" >/etc/ssh/sshrc', seconds)


def sudo_password(host: str, password: str) -> None:
    """The administrator's sudo asks for a password."""
    script(
        host,
        'echo "admin:$1" | chpasswd; echo "admin ALL=(ALL) ALL" >/etc/sudoers.d/admin',
        password,
    )


def password_logins(host: str, password: str, root: str) -> None:
    """The administrator logs in with a password, has no sudo, and becomes root by su."""
    script(
        host,
        'printf "admin:%s\\nroot:%s\\n" "$1" "$2" | chpasswd; rm /home/admin/.ssh/authorized_keys /etc/sudoers.d/admin; '
        "printf 'PasswordAuthentication yes\\n' >/etc/ssh/sshd_config.d/lab.conf; systemctl restart ssh",
        password,
        root,
    )


def ssh_port(host: str, port: str = "2222") -> None:
    """sshd listens at another port only."""
    script(host, 'printf "Port %s\\n" "$1" >/etc/ssh/sshd_config.d/port.conf; systemctl restart ssh', port)


def german(host: str) -> None:
    """The locale of the system and of each login is German."""
    script(
        host,
        "localedef -i de_DE -f UTF-8 de_DE.UTF-8; echo LANG=de_DE.UTF-8 >/etc/default/locale; "
        "echo LANG=de_DE.UTF-8 >>/etc/environment",
    )
