# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try a host's addresses over its own SSH settings and say which one answers.

A plain TCP connect from the controller would not do: users reach their hosts
through ProxyCommand, jump hosts and `~/.ssh/config`, and a port that answers
is not yet a login. So the host's own connection plugin makes the attempt.
"""

from __future__ import annotations

import pathlib
import shlex
import subprocess
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible_collections.homelab.tailsync.plugins.module_utils._way_in import (
    Destination,
    alias_arguments,
    is_tailnet_address,
    parse_ssh_connection,
    parse_ssh_settings,
    shorten_ssh_error,
    without_alias,
)

MARKER = "tailsync-way-in"
ADVICE = (
    "Is this machine in the same tailnet (`tailscale status`), does the tailnet's access policy let it reach the host's SSH port "
    "(a grant or ACL), is shields_up off on the host, and does its sshd listen on the tailnet address?"
)


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _spec, arguments = self.validate_argument_spec(
            argument_spec={
                "addresses": {"type": "list", "elements": "str", "required": True},
                "timeout": {"type": "int", "default": 5},
                "require_tailnet": {"type": "bool", "default": False},
                "fresh": {"type": "bool", "default": True},
            },
        )
        if self._connection.transport != "ssh":
            raise AnsibleActionFail(
                f"the host is managed over the connection plugin {self._connection.transport!r}, "
                "and a way in can only be proven over ssh"
            )
        result.update(self._try_all(arguments, (task_vars or {}).get("ansible_port")))
        return result

    def _try_all(self, arguments: dict[str, t.Any], port: int | None) -> dict[str, t.Any]:
        own_arguments = without_alias(self._connection.get_option("ssh_common_args") or "")
        destination = self._destination(own_arguments, port)
        tried: list[dict[str, str]] = []
        for address in dict.fromkeys(arguments["addresses"]):
            common_arguments = self._common_arguments(own_arguments, address, destination)
            answer = self._try(address, common_arguments, arguments["timeout"], arguments["fresh"])
            if isinstance(answer, str):
                tried.append({"address": address, "error": answer})
                continue
            client, server = answer
            tailnet = is_tailnet_address(server)
            if arguments["require_tailnet"] and not tailnet:
                tried.append({"address": address, "error": f"answered, but at {server}, which is not a tailnet address"})
                continue
            return {
                "changed": False,
                "address": address,
                "tailnet": tailnet,
                "ssh_client": client,
                "ssh_server": server,
                "ssh_common_args": common_arguments,
                "tried": tried,
            }
        attempts = "; ".join(f"{attempt['address']}: {attempt['error']}" for attempt in tried)
        where = "over the tailnet" if arguments["require_tailnet"] else "at any of its addresses"
        return {
            "changed": False,
            "failed": True,
            "address": None,
            "tailnet": False,
            "ssh_client": None,
            "ssh_server": None,
            "ssh_common_args": own_arguments,
            "tried": tried,
            "msg": f"no SSH login {where} within {arguments['timeout']} s each. {attempts}"
            + (f". {ADVICE}" if arguments["require_tailnet"] else ""),
        }

    def _destination(self, own_arguments: str, port: int | None) -> Destination:
        """Where ssh itself would go, its configuration files included."""
        host = self._connection.get_option("host")
        command = [self._connection.get_option("ssh_executable")]
        for arguments in (
            self._connection.get_option("ssh_args"),
            own_arguments,
            self._connection.get_option("ssh_extra_args"),
        ):
            command += shlex.split(arguments or "")
        if port is not None:
            command += ["-o", f"Port={port}"]
        answer = subprocess.run([*command, "-G", host], capture_output=True, text=True, check=False, timeout=10)
        return parse_ssh_settings(answer.stdout, host)

    def _common_arguments(self, own_arguments: str, address: str, destination: Destination) -> str:
        if address in (destination.hostname, destination.given):
            return own_arguments
        control_path = ""
        if "ControlPersist" in (self._connection.get_option("ssh_args") or ""):
            # ansible-core derives its own control path from the unchanged host name, so a master
            # that was opened to the old address would silently carry the new one's traffic.
            folder = pathlib.Path(self._connection.get_option("control_path_dir")).expanduser()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            control_path = f"{folder}/%C"
        return f"{own_arguments} {shlex.join(alias_arguments(address, destination, control_path))}".strip()

    def _try(self, address: str, common_arguments: str, timeout: int, fresh: bool) -> tuple[str, str] | str:
        """The two ends of the connection, or why there is none."""
        connection = self._connection
        # What ssh reads first wins, so what must hold for this attempt goes in front of ssh_args.
        first = ["-o", "ControlMaster=no", "-o", "ControlPath=none"] if fresh else []
        saved = {option: connection.get_option(option) for option in ("ssh_args", "ssh_common_args", "timeout")}
        retries = connection.get_option("reconnection_retries")
        try:
            connection.set_option("ssh_args", f"{shlex.join(first)} {saved['ssh_args'] or ''}".strip())
            connection.set_option("ssh_common_args", common_arguments)
            connection.set_option("timeout", timeout)
            connection.set_option("reconnection_retries", 0)
            code, output, error = connection.exec_command(f'echo {MARKER} "$SSH_CONNECTION"', sudoable=False)
        except AnsibleConnectionFailure as failure:
            return shorten_ssh_error(str(failure))
        finally:
            for option, value in saved.items():
                connection.set_option(option, value)
            connection.set_option("reconnection_retries", retries)
        text = output.decode(errors="replace")
        if code != 0 or MARKER not in text:
            return shorten_ssh_error(error.decode(errors="replace") or text)
        return parse_ssh_connection(text.split(MARKER, 1)[1]) or "the host's sshd does not set SSH_CONNECTION"
