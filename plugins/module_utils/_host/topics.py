# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The implementation of host_info: gather all topics in one call.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import functools
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._host import (
    apt,
    control,
    declared,
    files,
    kernel,
    listeners,
    packages,
    packet_filter,
    places,
    syncthing,
    syncthings,
    system,
    tailscaled,
    tun,
    units,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import LocalAPI

Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)


def runner(module: t.Any) -> t.Callable[..., tuple[int, str, str]]:
    """Return a function that runs commands; for a missing program it returns 127, as a shell does.

    Bytes that are no UTF-8, such as in an old comment of a rule, are replaced, because Ansible refuses them in a result.
    """

    def execute(command: list[str], **options: t.Any) -> tuple[int, str, str]:
        try:
            done: tuple[int, str, str] = module.run_command(command, errors="replace", handle_exceptions=False, **options)
        except OSError as error:
            return 127, "", str(error)
        return done

    return execute


def remembered(execute: t.Callable[..., tuple[int, str, str]]) -> t.Callable[..., tuple[int, str, str]]:
    """Run each command only once: several topics read the same rules of the packet filter."""
    answers: dict[str, tuple[int, str, str]] = {}

    def ask(command: list[str], **options: t.Any) -> tuple[int, str, str]:
        key = repr((command, options))
        if key not in answers:
            answers[key] = execute(command, **options)
        return answers[key]

    return ask


class Tailscaled(LocalAPI):
    """Asks tailscaled each question only once: several topics read the same status and preferences."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.answers: dict[str, Json | None] = {}

    def _request(self, method: str, path: str, *given: t.Any, **options: t.Any) -> Json | None:
        if method != "GET":
            return super()._request(method, path, *given, **options)
        if path not in self.answers:
            self.answers[path] = super()._request(method, path, *given, **options)
        return self.answers[path]


def gather(module: t.Any) -> dict[str, t.Any]:
    """Gather all topics. `module` is an AnsibleModule, which ansible-core's fact collectors need."""
    execute, params = remembered(runner(module)), module.params
    connect = functools.lru_cache(maxsize=None)(Tailscaled)  # one for each socket
    filters, around = packet_filter.gather(execute, params), system.gather(module)
    own = [address for addresses in filters["interfaces"].values() for address in addresses]
    packed = packages.gather(execute, around["pkg_mgr"])
    missing = set(params["packages"]) - packed.keys() if around["pkg_mgr"] == "apt" else set()
    return {
        "tailscaled": tailscaled.gather(execute, params, connect=connect),
        "tun": tun.gather(),
        "kernel": kernel.gather(execute),
        "packet_filter": filters,
        "listeners": listeners.gather(execute, params),
        "syncthing": syncthing.gather(execute, params),
        "places": places.gather(params),
        "syncthings": syncthings.gather(execute, params, "syncthing" in missing),
        "system": around,
        "packages": packed,
        "apt": apt.gather(around["pkg_mgr"], execute, bool(missing)),
        "files": files.gather(params["syncthing_user"]),
        "syncthing_unit": units.gather(execute, params["syncthing_user"]),
        "as_declared": declared.gather(module, connect),
        "control_servers": control.on_this_host(params["login_servers"], own),
    }
