# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the controller's ssh configuration for a host; what is written is decided in plugin_utils/ssh_fragment.py."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shlex
import stat
import subprocess
import tempfile
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.homelab.tailsync.plugins.module_utils._common.files import write_whole
from ansible_collections.homelab.tailsync.plugins.plugin_utils import ssh_access, ssh_fragment, ssh_local

HOST_KEY = {
    "name": {"type": "str", "required": True},
    "port": {"type": "int", "default": 22},
    "known_hosts": {"type": "list", "elements": "str", "default": []},
    "verified": {"type": "bool", "default": False},
}
ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "config": {"type": "str", "default": "~/.ssh/config"},
    "names": {"type": "list", "elements": "str", "required": True},
    "address": {"type": "str"},
    "host_key": {"type": "dict", "options": HOST_KEY},
}
ENCODING = {"encoding": "utf-8", "errors": "surrogateescape"}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _spec, given = self.validate_argument_spec(
            argument_spec=ARGUMENTS, required_if=[["state", "present", ["address", "host_key"]]]
        )
        self._task_vars = task_vars or {}
        result.update(changed=False, names=[], file=None, in_use=False)
        if not given["config"]:
            return result
        problem = ssh_fragment.config_problem(given["config"])
        if problem and given["state"] == "present":
            raise AnsibleActionFail(f"config is {given['config']}, {problem}")
        config = ssh_local.expanded(given["config"])
        names = ssh_fragment.usable_names(given["names"], self._names_of_others())
        try:
            result.update(self._present(config, names, given) if given["state"] == "present" else self._absent(config, names))
        except OSError as error:
            # The host itself is complete, so this is no failure.
            Display().warning(f"{config.parent / ssh_fragment.FILE} could not be written: {error}")
        return result

    def _present(self, config: pathlib.Path, names: tuple[str, ...], given: dict[str, t.Any]) -> dict[str, t.Any]:
        key = given["host_key"]
        usable = names
        names = self._without_others_of_user(config, usable, given["address"] or "", key)
        entry = ssh_fragment.entry_of(names, given["address"], key["name"])
        if entry is None:
            return {}
        file = config.parent / ssh_fragment.FILE
        with self._locked(config.parent):
            changed, known = self._know([*names, entry.address], key) if key["verified"] else (False, False)
            entry = entry._replace(host_key_name="") if known else entry
            others = ssh_fragment.without(ssh_fragment.parse(_read(file)), set(usable) - set(names))
            entries = ssh_fragment.with_entry(others, entry)
            changed |= self._write(file, ssh_fragment.render(entries), like=[config, config.parent])
            added, included = self._include(config, file)
            changed |= added
        other = self._other_configuration(config)
        result = {"changed": changed, "names": list(names), "file": str(file), "in_use": included and other is None}
        if changed and other is not None:
            self._tell_other_configuration(config, other)
        if changed and result["in_use"]:
            shown = ", ".join(names)
            result["msg"] = f"From now on ssh and any playbook reach {names[0]} over the tailnet, by {shown} ({file})."
            result["_ansible_verbose_always"] = True
        return result

    def _absent(self, config: pathlib.Path, names: tuple[str, ...]) -> dict[str, t.Any]:
        file = config.parent / ssh_fragment.FILE
        if not file.exists():
            return {}
        with self._locked(config.parent):
            text = _read(file)
            entries = ssh_fragment.parse(text)
            left = ssh_fragment.without_host(entries, names)
            changed = left != entries and self._write(file, ssh_fragment.render(left), like=[file])
        return {"changed": changed, "names": list(names), "file": str(file)}

    def _other_configuration(self, config: pathlib.Path) -> str | None:
        """Another configuration of ssh, which does not include the file, that Ansible's own connections use."""
        if self._connection.transport != "ssh":
            return None
        options = ("ssh_args", "ssh_common_args", "ssh_extra_args")
        words = shlex.split(" ".join(self._connection.get_option(name) or "" for name in options))
        given = ssh_local.configuration_file(words)
        return given if given is not None and ssh_local.expanded(given).resolve() != config.resolve() else None

    @staticmethod
    def _tell_other_configuration(config: pathlib.Path, other: str) -> None:
        usable = other != "none" and not ssh_fragment.config_problem(other)
        fix = f"tailsync_ssh_config: {other}, or set " if usable else ""
        Display().warning(
            f"Ansible's connections use ssh -F {other}, so other playbooks do not find the host by {config}: set "
            f"{fix}ansible_host to the host's address in the tailnet"
        )

    # --- files ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self, directory: pathlib.Path) -> t.Iterator[None]:
        """Keep the processes of other hosts out, which write the same files."""
        if self._task.check_mode and not directory.exists():
            yield
            return
        if not directory.exists():
            directory.mkdir(mode=0o700)  # not the home directory of an account that has none
            owner = _owner_of([directory.parent])
            if owner:
                os.chown(directory, *owner)
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _write(self, path: pathlib.Path, text: str, like: t.Sequence[pathlib.Path]) -> bool:
        """Write a file if it differs, with owner and mode of the first of C(like). Returns whether it does."""
        if path.exists() and _read(path) == text:
            return False
        if not self._task.check_mode:
            write_whole(path, text.encode(**ENCODING), mode=_mode_of(like[0]), owner=_owner_of(like))
        return True

    def _include(self, config: pathlib.Path, file: pathlib.Path) -> tuple[bool, bool]:
        """Include the file. Returns whether that changes the configuration, and whether it is included then."""
        text = _read(config)
        line = ssh_fragment.include_line(str(file), ssh_local.home())
        if ssh_fragment.is_included(text):
            return False, True
        kind = _left_alone(config)
        if kind:
            Display().warning(
                f"{config} is {kind} and was left alone. So that ssh finds the hosts, make this its first line: {line}"
            )
            return False, False
        return self._write(config, ssh_fragment.with_include(text, line), like=[config, config.parent]), True

    def _know(self, names: t.Sequence[str], key: dict[str, t.Any]) -> tuple[bool, bool]:
        """Give the machine's known key its further names, for programs that do not use the file.

        Returns whether that changes a file, and whether the last name, the address, then has the key.
        """
        files = [ssh_local.expanded(one) for one in key["known_hosts"]]
        if not files:
            return False, False
        own = _look_up(key["name"], files)
        forms = [name if key["port"] == 22 else f"[{name}]:{key['port']}" for name in names]
        unknown = [name for name in forms if not _look_up(name, files)]
        known = bool(set(ssh_fragment.keys_of(own)) & set(ssh_fragment.keys_of(_look_up(forms[-1], files))))
        lines = ssh_fragment.known_host_lines(own, unknown, lambda: os.urandom(20))
        if not lines or _left_alone(files[0]):
            return False, known
        text = _read(files[0])
        start = text if not text or text.endswith("\n") else f"{text}\n"
        changed = self._write(files[0], start + "".join(f"{line}\n" for line in lines), like=[files[0], files[0].parent])
        return changed, known or forms[-1] in unknown

    # --- other hosts ----------------------------------------------------------------------------

    @staticmethod
    def _without_others_of_user(
        config: pathlib.Path, names: tuple[str, ...], address: str, key: dict[str, t.Any]
    ) -> tuple[str, ...]:
        """The names without those that the user's own C(Host) blocks lead to another machine: one with another key, or none."""
        keys = set(ssh_fragment.keys_of(_look_up(key["name"], map(ssh_local.expanded, key["known_hosts"]))))
        own = {*names, address, ssh_fragment.host_of(key["name"])}
        left = []
        with tempfile.TemporaryDirectory() as folder:
            given = None if config == ssh_local.expanded("~/.ssh/config") else str(config)
            copy = ssh_local.without_fragment(given, pathlib.Path(folder)) or (config if given and config.is_file() else None)
            for name in names:
                words = ["ssh", *(["-F", str(copy)] if copy else []), "-G", name]
                asked = subprocess.run(words, capture_output=True, text=True, check=False, timeout=10).stdout
                found = ssh_access.parse_ssh_settings(asked, name)
                if found.hostname.casefold() not in {one.casefold() for one in own}:
                    known = _look_up(found.host_key_name, map(ssh_local.expanded, found.known_hosts))
                    if not keys & set(ssh_fragment.keys_of(known)):
                        continue
                left.append(name)
        return tuple(left)

    def _names_of_others(self) -> set[str]:
        """Names and addresses of the other hosts of the inventory, which ssh must not take for this one."""
        hosts, own = self._task_vars.get("hostvars") or {}, self._task_vars.get("inventory_hostname")
        found: set[str] = set()
        for name in hosts:
            if name == own:
                continue
            found.add(name)
            with contextlib.suppress(AnsibleError):  # undefined or encrypted variables of that host
                found.add(str(hosts[name].get("ansible_host") or hosts[name].get("ansible_ssh_host") or name))
        return found


def _left_alone(path: pathlib.Path) -> str | None:
    """What keeps a file of the user's from being written; None if nothing does."""
    if path.is_symlink():
        return "a link"  # to files that other programs manage; to replace it would detach them
    # Root may write any file, but one without a bit for that is not meant to change.
    read_only = path.exists() and not (os.access(path, os.W_OK) and path.stat().st_mode & 0o222)
    return "read-only" if read_only else None


def _mode_of(path: pathlib.Path) -> int:
    """The mode of a file; 0600 if there is none."""
    return stat.S_IMODE(path.stat().st_mode) if path.is_file() else 0o600


def _owner_of(paths: t.Sequence[pathlib.Path]) -> tuple[int, int] | None:
    """The owner of the first path that exists, if root writes: what it writes for another user, that user's ssh must read."""
    found = next((one.stat() for one in paths if one.exists()), None)
    return (found.st_uid, found.st_gid) if found and os.geteuid() == 0 else None


def _read(path: pathlib.Path) -> str:
    """The text with its own line ends; none if the file does not exist."""
    try:
        return path.read_bytes().decode(**ENCODING)
    except FileNotFoundError:
        return ""


def _look_up(name: str, files: t.Iterable[pathlib.Path]) -> str:
    commands = [["ssh-keygen", "-F", name, "-f", str(file)] for file in files if file.exists()]
    return "".join(subprocess.run(one, capture_output=True, text=True, check=False, timeout=10).stdout for one in commands)
