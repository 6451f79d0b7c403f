# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a module would find nothing to change, so that a role need not call it: the module's own code in check mode says so.

In doubt, and if the module would print a warning, the answer is no, and the role calls the module.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.homelab.tailsync.plugins.module_utils._common.errors import UserError
from ansible_collections.homelab.tailsync.plugins.module_utils._common.table import Spec
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import _node, _ssh_origin, _tables
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._localapi import LocalAPI
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._status import is_up
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _apply, _lock, _record
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._tables import POLICY

Json = t.Dict[str, t.Any]  # noqa: UP006  (3.9 at run time)


def gather(module: t.Any, connect: t.Callable[[str], LocalAPI] = LocalAPI) -> Json:
    policy, options = module.params["ufw_policy"], module.params["tailscale_node"]
    return {"ufw_policy": bool(policy) and ufw(module, policy), "tailscale_node": node(options, connect) if options else None}


def ufw(module: t.Any, given: Json) -> bool:
    record = _record.read()
    # A host that this collection has never locked does not match, and no lock file is created there.
    if not record.original or record.armed or record.rolled_back or record.is_open:
        return False
    try:
        params = _validated(POLICY, given)
        with _lock.held(timeout=0) as lock:
            found = _apply.apply(_apply.Ufw(_apply.runner(module, lock)), params, check_mode=True)
    except (UserError, OSError):
        return False
    return not found["commands"] and not found.get("warnings")


def node(given: Json, connect: t.Callable[[str], LocalAPI] = LocalAPI, ssh_connection: str | None = None) -> Json | None:
    """The node as tailscale_node returns it; None if that module has to change, wait for or warn of something."""
    try:
        params = _validated({**_tables.CONNECTION, **_tables.NODE}, given)
        api = connect(params["socket"])
        if params["state"] != "present" or not is_up(api.status()):
            return None
        origin = _ssh_origin.ssh_connection() if ssh_connection is None else ssh_connection
        found = _node.apply(api, params, check_mode=True, ssh_connection=origin)
    except (UserError, OSError):
        return None
    # An exit node has a name only while it is a peer, and each run warns of a key that expires soon.
    is_due = found["changed"] or found["warnings"] or params["exit_node"]
    return None if is_due else t.cast("Json", found["node"])


def _validated(spec: Spec, given: Json) -> Json:
    outcome = ArgumentSpecValidator(spec).validate(given)
    if outcome.error_messages:
        raise UserError("; ".join(outcome.error_messages))
    return t.cast("Json", outcome.validated_parameters)
