# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine that runs Ansible: its ssh configuration, the session that its administrator uses, and what could end that.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import glob
import os
import pathlib
import pwd
import socket
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils import openings, ssh_fragment
from ansible_collections.homelab.tailsync.plugins.plugin_utils.ssh_access import Answer, Node, parse_connection

SYSTEM_CONFIGURATION = "\nMatch all\nInclude /etc/ssh/ssh_config\n"
VARIABLE = b"SSH_CONNECTION="
MAX_DEPTH = 16  # of files that include files, as in ssh
ENCODING: dict[str, t.Any] = {"encoding": "utf-8", "errors": "surrogateescape"}


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


def without_fragment(given: str | None, folder: pathlib.Path) -> pathlib.Path | None:
    """A copy of ssh's configuration, in `folder`, as it would be without the file of ssh_config.

    None if it does not include that file. ssh has no option to leave one file out.
    """
    copies = _Copies(folder)
    text = copies.text_without(expanded(given or "~/.ssh/config"))
    if text is None:
        return None
    # With a file of -F, ssh does not read that of the system.
    return copies.write(text + ("" if given else SYSTEM_CONFIGURATION))


class _Copies:
    """Copies of the files of a configuration that include our file, also by way of others or by a pattern."""

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self._number = 0

    def write(self, text: str) -> pathlib.Path:
        self._number += 1
        path = self._folder / f"config-{self._number}"
        path.write_bytes(text.encode(**ENCODING))
        return path

    def text_without(self, path: pathlib.Path, depth: int = MAX_DEPTH) -> str | None:
        """The file's text without our file, or with copies of what includes that; None if nothing does."""
        try:
            text = path.read_bytes().decode(**ENCODING)
        except OSError:
            return None
        found = "".join(self._line(line, depth) for line in text.splitlines(keepends=True))
        return found if found != text else None

    def _line(self, line: str, depth: int) -> str:
        patterns = ssh_fragment.included(line)
        found = [path for pattern in patterns for path in _matching(pattern)]
        replaced: list[pathlib.Path] = []
        for path in found:
            text = self.text_without(path, depth - 1) if depth and path.name != ssh_fragment.FILE else None
            replaced += [] if path.name == ssh_fragment.FILE else [path if text is None else self.write(text)]
        if replaced == found:
            return line
        return "".join(f'Include "{path}"\n' for path in replaced)


def _matching(pattern: str) -> list[pathlib.Path]:
    """The files of an Include, whose relative paths are below ~/.ssh."""
    return sorted(map(pathlib.Path, glob.glob(str(pathlib.Path(home()) / ".ssh" / expanded(pattern)))))  # noqa: PTH207


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


def lock_out(
    login: Answer | None, nodes: tuple[Node, ...], firewall: t.Mapping[str, t.Any], any_port: bool = False
) -> str | None:
    """The reason why the administrator could not log in again once the firewall allows only the tailnet; else None.

    With `any_port` an opening of the port of SSH counts whichever that is.
    """
    if login is None or login._replace(nodes=nodes).over_tailnet or _is_loopback(login.client):
        return None
    if not firewall or openings.not_checked_because(firewall):
        return None
    ports = {login.port or 22, *([openings.ssh_port(firewall)] if any_port else [])}
    ends = [openings.Endpoint(port, login.server, source=login.client, on_link=True) for port in ports]
    if any(openings.declares(firewall, end, {}) for end in ends):
        return None
    return (
        f"you are logged in to it by SSH from {login.client}, which is not in the tailnet and could not log in again: log in "
        f"over the tailnet, or add a network with {login.client} to firewall_lan_ssh_from; firewall_ssh_proof: false "
        "skips this check"
    )


def is_own(address: str) -> bool:
    """Whether this machine has an address."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as trial:
            trial.bind((address, 0))
    except OSError:
        return False
    return True


def shared(name: str, others: t.Sequence[str]) -> str | None:
    """The reason why a host is not the machine that runs Ansible: another one of the play is."""
    if not others:
        return None
    return f"so is {others[0]}, and one machine cannot be both: remove ansible_connection: local from all but one host"


def _is_loopback(address: str) -> bool:
    return address == "::1" or address.startswith("127.")
