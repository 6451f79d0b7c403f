# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong between the variables of several hosts, where those of each are right: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.plugin_utils.validate_tailscale import SECRETS
from ansible_collections.homelab.tailsync.plugins.plugin_utils.validate_types import shown, stripped

Hosts = t.Mapping[str, t.Mapping[str, t.Any]]
FOLDERS = "syncthing_mesh_folders"
# In a host's values: the names of the variables that lack parts, because these cannot be resolved, which is reported already.
UNRESOLVED = "__unresolved"


def folder_problems(hosts: Hosts) -> t.Iterator[tuple[str, str]]:
    """Folders that are shared with a host whose own variables do not have them, each with a host that declares the folder.

    Syncthing there would only ask its user whether to accept the folder.
    """
    complete = {host: values for host, values in hosts.items() if FOLDERS not in values.get(UNRESOLVED, ())}
    declared = {host: values[FOLDERS] for host, values in complete.items() if isinstance(values.get(FOLDERS), dict)}
    if len({id(folders) for folders in declared.values()}) < 2:  # the usual case: one variable of the group
        return
    folder_ids = {host: {str(folder_id) for folder_id in folders} for host, folders in declared.items()}
    for host, folders in declared.items():
        for folder_id, folder in folders.items():
            devices = folder.get("devices") if isinstance(folder, dict) else None
            for name in devices if isinstance(devices, (dict, list)) else ():
                if isinstance(name, str) and name in folder_ids and str(folder_id) not in folder_ids[name]:
                    yield (
                        f"{FOLDERS}.{folder_id} is shared with {name}, but {FOLDERS} of {name} does not have it: declare the "
                        "folder in the variables of the group, so that all of its hosts have it",
                        host,
                    )


def hostname_problems(hosts: Hosts) -> t.Iterator[tuple[str, str]]:
    """Hosts of one tailnet with the same name: the control server would rename the second, and the role would stop there."""
    same_name: dict[tuple[str, ...], list[str]] = {}
    for host, variables in hosts.items():
        name = stripped(variables.get("tailscale_hostname")).lower()
        if re.fullmatch(r"[a-z0-9-]+", name) and variables.get("tailscale_state") != "absent":
            # Different servers or secrets are taken for different tailnets.
            tailnet = (stripped(variables.get(one)) for one in ("tailscale_login_server", *SECRETS))
            same_name.setdefault((name, *tailnet), []).append(host)
    for (name, *_tailnet), names in same_name.items():
        if len(names) > 1:
            problem = (
                f"tailscale_hostname is {shown(name)} for {len(names)} hosts: each needs a name of its own in the tailnet, so "
                "set it for each host, or leave it out for the name in the inventory"
            )
            yield from ((problem, host) for host in names)
