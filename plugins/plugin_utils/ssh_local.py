# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that runs Ansible: its ssh configuration, the session that its administrator uses, and what could end that.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import os
import pathlib
import pwd
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import openings, ssh_fragment
from ansible_collections.homelab.tailsync.plugins.plugin_utils.ssh_access import Answer, Node, parse_connection

SYSTEM_CONFIGURATION = "\nMatch all\nInclude /etc/ssh/ssh_config\n"
VARIABLE = b"SSH_CONNECTION="


def home() -> str:
    """The home directory that ssh uses, which is not $HOME."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return str(pathlib.Path.home())


def expanded(path: str) -> pathlib.Path:
    return pathlib.Path(f"{home()}{path[1:]}" if path == "~" or path.startswith("~/") else path)


# --- ssh's configuration ------------------------------------------------------------------------


def configuration_file(command: t.Sequence[str]) -> str | None:
    """The file that a command of ssh names with -F; None if it uses the usual ones."""
    found = None
    for word, following in zip(command, [*command[1:], ""], strict=True):
        if word.startswith("-F"):
            found = word[2:] or following
    return found


def without_fragment(given: str | None) -> str | None:
    """ssh's configuration as it would be without the file of ssh_config; None if it does not include that file."""
    try:
        config = expanded(given or "~/.ssh/config").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    if not ssh_fragment.is_included(config):
        return None
    # With a file of -F, ssh does not read that of the system.
    return ssh_fragment.without_include(config) + ("" if given else SYSTEM_CONFIGURATION)


# --- the session of the administrator -----------------------------------------------------------


def session(process: int | None = None, proc: pathlib.Path = pathlib.Path("/proc")) -> Answer | None:
    """The SSH login of whoever runs Ansible; None at the machine itself. sudo drops the variable, so parents are asked."""
    number = process or os.getpid()
    while number > 1:
        try:
            variables = (proc / str(number) / "environ").read_bytes().split(b"\0")
            parent = (proc / str(number) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1]
        except (OSError, IndexError):
            return None
        value = next((one[len(VARIABLE) :] for one in variables if one.startswith(VARIABLE)), b"")
        found = parse_connection(value.decode(errors="replace"))
        if found:
            return found
        number = int(parent)
    return None


def lock_out(login: Answer | None, nodes: tuple[Node, ...], firewall: t.Mapping[str, t.Any]) -> str | None:
    """The reason why the administrator could not log in again once the firewall allows only the tailnet; else None."""
    if login is None or login._replace(nodes=nodes).over_tailnet or _is_loopback(login.client):
        return None
    endpoint = openings.Endpoint(login.port or 22, login.server, source=login.client, on_link=True)
    if not firewall or openings.not_checked_because(firewall) or openings.declares(firewall, endpoint, {}):
        return None
    return (
        f"you are logged in to it by SSH from {login.client}, which is not in the tailnet and could not log in again: log in "
        f"over the tailnet, or add a network with {login.client} to firewall_lan_ssh_from; firewall_ssh_proof: false "
        "skips this check"
    )


def shared(name: str, others: t.Sequence[str]) -> str | None:
    """The reason why a host is not the machine that runs Ansible: another one of the play is."""
    if not others:
        return None
    return f"so is {others[0]}, and one machine cannot be both: remove ansible_connection: local from all but one host"


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")
