# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Try a host's addresses with its own SSH settings, and return the first that accepts a login.

A plain TCP connection from the controller is not enough: users reach their hosts
through ProxyCommand, jump hosts and `~/.ssh/config`, and an open port is not yet
a login. So the host's own connection plugin makes the attempt. Answers are
evaluated in plugin_utils/ssh_access.py.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import shlex
import signal
import subprocess
import tempfile
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars
from ansible_collections.homelab.tailsync.plugins.module_utils._common.tailnet import label_of
from ansible_collections.homelab.tailsync.plugins.plugin_utils import ssh_access, ssh_advice, ssh_local
from ansible_collections.homelab.tailsync.plugins.plugin_utils.ssh_access import CONTROLLER, HOST, INVENTORY, NAME

ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "tailnet_name": {"type": "str"},
    "tailscale_command": {"type": "list", "elements": "str", "default": ["tailscale"]},
    "tailscale_socket": {"type": "str"},
    "addresses": {"type": "list", "elements": "str", "default": []},
    "node_addresses": {"type": "list", "elements": "str", "default": []},
    "timeout": {"type": "int", "default": 5},
    "require_tailnet": {"type": "bool", "default": False},
    "refuse_tailnet": {"type": "bool", "default": False},
    "fresh": {"type": "bool", "default": True},
    "firewall": {"type": "dict", "default": {}},
}
LOCAL = ("local", "ansible.builtin.local")
COMMAND_TIMEOUT = 5  # seconds
# A variable of --extra-vars overrides every fact, so later tasks would go to ansible_host, which may be another machine.
EXTRA_VARS_OVERRIDE = (
    "ansible_ssh_common_args is set by --extra-vars, which overrides the address that was found ({}). Set it in the inventory, "
    "or use --ssh-common-args."
)


class Candidate(t.NamedTuple):
    source: str
    address: str


class ActionModule(ActionBase):
    TRANSFERS_FILES = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _spec, self._arguments = self.validate_argument_spec(
            argument_spec=ARGUMENTS,
            mutually_exclusive=[["require_tailnet", "refuse_tailnet"]],
            required_one_of=[["tailnet_name", "addresses"]],
        )
        self._task_vars = task_vars or {}
        if self._connection.transport == "local":
            result.update(self._local())
            return result
        if self._connection.transport != "ssh":
            raise AnsibleActionFail(
                f"the host is managed over the connection plugin {self._connection.transport!r}, "
                "and a login can only be proven over ssh (or local, on the machine that runs Ansible)"
            )
        self._given_arguments = self._connection.get_option("ssh_common_args") or ""
        self._own_arguments = ssh_access.without_alias(self._given_arguments)
        self._host_key: dict[str, t.Any] | None = None
        self._redirected = False  # whether the file of ssh_config leads ssh to another address
        self._destination = self._ask_ssh(self._task_vars.get("ansible_port") or self._task_vars.get("ansible_ssh_port"))
        result.update(self._try_all())
        return result

    # --- the machine that runs Ansible ----------------------------------------------------------

    def _local(self) -> dict[str, t.Any]:
        """The result for the machine that runs Ansible. It is administered where it stands, so no login is needed."""
        socket = self._arguments["tailscale_socket"]
        command = ssh_access.login_command([socket] if socket else [])
        _code, output, _error = self._connection.exec_command(command, sudoable=False)
        answer = ssh_access.parse_local_answer(output.decode(errors="replace"))
        name = self._task_vars.get("inventory_hostname", "localhost")
        session = ssh_local.session()
        problem = ssh_access.objection(INVENTORY, answer, True, ssh_access.Wanted(self._label, self._other_hosts))
        problem = problem or ssh_local.shared(name, self._other_local_hosts())
        problem = problem or self._lock_out(answer)
        message = f"{name} is managed over the connection plugin local, and {problem}"
        failed = {"failed": True, "refused": True, "msg": message} if problem else {}
        return {
            "changed": False,
            "address": None if problem else name,
            "local": True,
            "tailnet": False,
            "node_name": ssh_access.node_name(answer, self._label),
            "ssh_client": None,
            "ssh_server": None,
            "ssh_port": session.port if session else None,
            "host_key": None,
            "ssh_common_args": self._task_vars.get("ansible_ssh_common_args") or "",
            "tried": [],
            **failed,
        }

    def _lock_out(self, answer: ssh_access.Answer) -> str | None:
        """The reason why whoever runs Ansible, logged in to this machine, could not log in again; else None."""
        firewall = self._arguments["firewall"]
        # A first search comes before the port of SSH is known.
        return ssh_local.lock_out(ssh_local.session(), answer.nodes, firewall, any_port=not self._arguments["require_tailnet"])

    def _other_local_hosts(self) -> list[str]:
        hosts, own = self._task_vars.get("hostvars") or {}, self._task_vars.get("inventory_hostname")
        others = [name for name in self._task_vars.get("ansible_play_hosts_all") or () if name != own and name in hosts]
        return [name for name in others if _variable(hosts, name, "ansible_connection") in LOCAL]

    # --- attempts -------------------------------------------------------------------------------

    def _candidates(self) -> t.Iterator[Candidate]:
        given = self._arguments
        seen = set()
        for source, addresses in (
            (NAME, lambda: [] if given["refuse_tailnet"] else [given["tailnet_name"]]),
            (CONTROLLER, lambda: [] if given["refuse_tailnet"] else self._tailnet_addresses),
            (INVENTORY, lambda: given["addresses"]),
            (HOST, lambda: given["node_addresses"]),
        ):
            for address in addresses():
                if address and address not in seen:
                    seen.add(address)
                    yield Candidate(source, address)

    def _try_all(self) -> dict[str, t.Any]:
        attempts: list[ssh_advice.Attempt] = []
        for one in self._candidates():
            answer, common_arguments, problem = self._try(one)
            if answer is None or problem:
                attempts.append(ssh_advice.Attempt(one.address, one.source, problem))
                continue
            if common_arguments != self._given_arguments and "ansible_ssh_common_args" in load_extra_vars(self._loader):
                return {**self._failed(attempts, []), "refused": True, "msg": EXTRA_VARS_OVERRIDE.format(one.address)}
            here = self._lock_out(answer) if self._arguments["firewall"] and self._is_controller(answer) else None
            if here:
                message = f"{one.address} is the machine that runs Ansible, and {here}"
                return {**self._failed(attempts, []), "refused": True, "msg": message}
            if one.source == HOST:
                name = self._arguments["tailnet_name"] or "the host"
                return self._failed(attempts, [ssh_advice.temporary_address(one.address, name)])
            return {
                "changed": False,
                "address": one.address,
                "tailnet": answer.over_tailnet,
                "node_name": ssh_access.node_name(answer, self._label),
                "ssh_client": answer.client,
                "local": False,
                "ssh_server": answer.server,
                "ssh_port": answer.port,
                "host_key": self._host_key,
                "ssh_common_args": common_arguments,
                "tried": _describe(attempts),
            }
        command = self._arguments["tailscale_command"]
        controller = self._controller if self._label else ssh_access.Controller()
        return self._failed(attempts, ssh_advice.causes(attempts, controller, self._label, self._destination, command))

    def _failed(self, attempts: list[ssh_advice.Attempt], advice: list[str]) -> dict[str, t.Any]:
        where = "over the tailnet" if self._arguments["require_tailnet"] else "at any of its addresses"
        tried = "; ".join(f"{attempt['address']}: {attempt['error']}" for attempt in _describe(attempts))
        messages = [f"no SSH login {where} within {self._arguments['timeout']} s each", tried, *advice]
        return {
            "changed": False,
            "failed": True,
            "address": None,
            "tailnet": False,
            "node_name": None,
            "ssh_client": None,
            "local": False,
            "ssh_server": None,
            "ssh_port": None,
            "host_key": None,
            "ssh_common_args": self._own_arguments,
            "tried": _describe(attempts),
            "msg": " ".join(one if one.endswith("?") else f"{one.rstrip('.')}." for one in messages if one),
        }

    def _try(self, one: Candidate) -> tuple[ssh_access.Answer | None, str, str]:
        """Try one address. Returns the answer, ssh's arguments, and the reason if the answer is not accepted."""
        common_arguments, verified = self._common_arguments(one.address)
        answer = self._log_in(common_arguments)
        if isinstance(answer, str):
            return None, common_arguments, answer
        # A name that is also in the inventory is checked like an address of the inventory.
        explicit = one.address in self._arguments["addresses"] and not (one.source == NAME and answer.over_tailnet)
        wanted = ssh_access.Wanted(self._label, self._other_hosts, self._known_addresses)
        problem = ssh_access.objection(INVENTORY if explicit else one.source, answer, verified, wanted)
        if not problem and self._arguments["require_tailnet"] and not answer.over_tailnet:
            problem = f"answered, but at {answer.server}, which is not a tailnet address"
        if not problem and self._arguments["refuse_tailnet"] and answer.over_tailnet:
            problem = f"answered, but at {answer.server}, which is in the tailnet"
        return answer, common_arguments, problem or ""

    # --- facts from the controller --------------------------------------------------------------

    @functools.cached_property
    def _label(self) -> str:
        return label_of(self._arguments["tailnet_name"])

    @functools.cached_property
    def _controller(self) -> ssh_access.Controller:
        return ssh_access.parse_controller(_output([*self._arguments["tailscale_command"], "status", "--json"]))

    @functools.cached_property
    def _tailnet_addresses(self) -> list[str]:
        return ssh_access.tailnet_addresses(self._controller, self._label) if self._label else []

    def _known_addresses(self) -> list[str]:
        return [one for peer in self._controller.named(self._label) for one in peer.addresses]

    def _is_controller(self, answer: ssh_access.Answer) -> bool:
        """Whether a login led from this machine to itself. By way of a jump host, that one may have logged in to itself."""
        return not self._destination.proxied and answer.client == answer.server and ssh_local.is_own(answer.server)

    def _other_hosts(self) -> dict[str, str]:
        hosts = self._task_vars.get("hostvars") or {}
        own = self._task_vars.get("inventory_hostname")
        return {label_of(_variable(hosts, name, "tailscale_hostname") or name): name for name in hosts if name != own}

    def _ask_ssh(self, port: int | None) -> ssh_access.Destination:
        """The destination that ssh itself would use, including its configuration files, but without the file of ssh_config."""
        connection = self._connection
        host = connection.get_option("host")
        command = [connection.get_option("ssh_executable"), *shlex.split(connection.get_option("ssh_args") or "")]
        if connection.get_option("host_key_checking") is False:
            command += ["-o", "StrictHostKeyChecking=no"]
        if port is not None:
            command += ["-o", f"Port={port}"]
        command += shlex.split(f"{self._own_arguments} {connection.get_option('ssh_extra_args') or ''}")
        found = ssh_access.parse_ssh_settings(_settings([*command, "-G", host]), host)
        given = ssh_local.configuration_file(command)
        with tempfile.TemporaryDirectory() as folder:
            users = ssh_local.without_fragment(given, pathlib.Path(folder))
            if users is None:
                return found
            users_own = ssh_access.parse_ssh_settings(_settings([*command, "-F", str(users), "-G", host]), host)
        # Where our own file changes it, the options of each attempt have to say where to go.
        self._redirected = users_own != found
        return users_own

    # --- a login --------------------------------------------------------------------------------

    def _common_arguments(self, address: str) -> tuple[str, bool]:
        """ssh's arguments for an address, and whether known_hosts identifies the machine that answers there."""
        destination = self._destination
        own = address in (destination.hostname, destination.given)
        names = ssh_access.host_key_names(address, [self._arguments["tailnet_name"] or ""], destination)
        known = next((name for name in names[: 1 if own else None] if _is_known(name, destination.known_hosts)), None)
        verified = destination.verifies_machine(known_before=known is not None)
        self._host_key = {
            "name": known or destination.host_key_name,
            "port": int(destination.port),
            "known_hosts": list(destination.known_hosts),
            "verified": verified,
        }
        if own and not self._redirected:
            return self._own_arguments, verified
        control_path = ""
        if "ControlPersist" in (self._connection.get_option("ssh_args") or ""):
            # ansible-core derives its own control path from the unchanged host name, so a master
            # that was opened to the old address would silently carry the new one's traffic.
            folder = pathlib.Path(self._connection.get_option("control_path_dir")).expanduser()
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            control_path = f"{folder}/%C"
        address = destination.hostname if own else address
        added = ssh_access.alias_arguments(address, known or destination.host_key_name, control_path)
        return f"{self._own_arguments} {shlex.join(added)}".strip(), verified

    def _log_in(self, common_arguments: str) -> ssh_access.Answer | str:
        """Log in. Returns the answer of the machine, or the error."""
        connection = self._connection
        # ssh uses the first of several values, so the options of this attempt are put in front of ssh_args.
        first = ["-o", "ControlMaster=no", "-o", "ControlPath=none"] if self._arguments["fresh"] else []
        saved = {option: connection.get_option(option) for option in ("ssh_args", "ssh_common_args", "timeout")}
        retries = connection.get_option("reconnection_retries")
        socket = self._arguments["tailscale_socket"]
        try:
            connection.set_option("ssh_args", f"{shlex.join(first)} {saved['ssh_args'] or ''}".strip())
            connection.set_option("ssh_common_args", common_arguments)
            connection.set_option("timeout", self._arguments["timeout"])
            connection.set_option("reconnection_retries", 0)
            code, output, error = connection.exec_command(ssh_access.login_command([socket] if socket else []), sudoable=False)
        except AnsibleConnectionFailure as failure:
            return str(failure)
        finally:
            for option, value in saved.items():
                connection.set_option(option, value)
            connection.set_option("reconnection_retries", retries)
        text = output.decode(errors="replace")
        if code != 0 or ssh_access.MARKER not in text:
            return error.decode(errors="replace") or text or "no answer"
        return ssh_access.parse_answer(text)


def _describe(attempts: t.Iterable[ssh_advice.Attempt]) -> list[dict[str, str]]:
    return [{"address": attempt.address, "error": ssh_advice.shorten_ssh_error(attempt.error)} for attempt in attempts]


def _settings(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=10).stdout


def _is_known(name: str, known_hosts: t.Iterable[str]) -> bool:
    files = [file for file in map(ssh_local.expanded, known_hosts) if file.exists()]
    commands = [["ssh-keygen", "-F", name, "-f", str(file)] for file in files]
    return any(subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0 for command in commands)


def _output(command: list[str]) -> str:
    """The output of a command; empty if it is missing, fails or hangs, because a controller need not have Tailscale."""
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
    except (OSError, ValueError):
        return ""
    try:
        output, _none = process.communicate(timeout=COMMAND_TIMEOUT)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # its child processes would keep the pipe open
        output, _none = process.communicate()
    return output.decode(errors="replace") if process.returncode == 0 else ""


def _variable(hosts: t.Any, name: str, variable: str) -> str:
    """A variable of another host. Undefined or encrypted variables of that host are no error here."""
    try:
        return str(hosts[name].get(variable) or "")
    except AnsibleError:
        return ""
