# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a module would find nothing to do, so that it need not be called: by what the module itself does in check mode.

Whatever is in doubt, or would be said, is not as declared: the module says it in its place.

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


def gather(module: t.Any) -> Json:
    policy, options = module.params["ufw_policy"], module.params["tailscale_node"]
    return {"ufw_policy": bool(policy) and ufw(module, policy), "tailscale_node": node(options) if options else None}


def ufw(module: t.Any, given: Json) -> bool:
    record = _record.read()
    # A host that this collection has never locked is not as declared, and no file is made there for a lock.
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
    """The node as tailscale_node returns it; None if that has anything to do, to wait for or to say."""
    try:
        params = _validated({**_tables.CONNECTION, **_tables.NODE}, given)
        api = connect(params["socket"])
        if params["state"] != "present" or not is_up(api.status()):
            return None
        origin = _ssh_origin.ssh_connection() if ssh_connection is None else ssh_connection
        found = _node.apply(api, params, check_mode=True, ssh_connection=origin)
    except (UserError, OSError):
        return None
    # An exit node is known by its name only while it is a peer, and a key that runs out is said at each run.
    is_due = found["changed"] or found["warnings"] or params["exit_node"]
    return None if is_due else t.cast("Json", found["node"])


def _validated(spec: Spec, given: Json) -> Json:
    outcome = ArgumentSpecValidator(spec).validate(given)
    if outcome.error_messages:
        raise UserError("; ".join(outcome.error_messages))
    return t.cast("Json", outcome.validated_parameters)
