# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check whether the roles' secrets can be sent to a host without leaving files there: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import typing as t

# Variables that are secret as a whole, and the keys that are secret at any place in other variables.
SECRETS = (
    "syncthing_api_key",
    "syncthing_private_key",
    "tailscale_api_token",
    "tailscale_auth_key",
    "tailscale_oauth_client_secret",
)
CONTAINERS = ("syncthing_mesh_folders", "syncthing_mesh_gui", "tailscale_oidc")
SECRET_KEYS = frozenset({"api_key", "encryption_password", "password", "token"})


def secrets_of(values: t.Mapping[str, t.Any]) -> list[str]:
    """The variables with a secret; for a secret inside of a variable, its path."""
    found = [name for name in SECRETS if values.get(name)]
    for name in CONTAINERS:
        found += _secrets_inside(name, values.get(name))
    return found


def _secrets_inside(where: str, value: t.Any) -> list[str]:
    if isinstance(value, t.Mapping):
        found = []
        for key, inner in value.items():
            own = f"{where}.{key}"
            found += [own] if key in SECRET_KEYS and inner else _secrets_inside(own, inner)
        return found
    if isinstance(value, (list, tuple)):
        return [path for index, inner in enumerate(value) for path in _secrets_inside(f"{where}[{index}]", inner)]
    return []


def reason_of(error: BaseException) -> str:
    """The innermost message of an error, in one line and without the source text that ansible-core adds."""
    while error.__cause__ is not None:
        error = error.__cause__
    if "decrypt" in str(error):
        return "it is encrypted with a vault password that was not given (--vault-id, --vault-password-file)"
    text = str(getattr(error, "_original_message", None) or error).strip()
    return text.splitlines()[0].rstrip(".") if text else type(error).__name__


class Transfer(t.NamedTuple):
    """The settings that decide whether a module is piped into the host's Python, or copied to a file there first."""

    connection: str
    can_pipeline: bool  # whether the connection plugin can
    become: str  # the become plugin, empty without one
    become_can_pipeline: bool
    wanted: bool  # the setting, including extra variables
    keeps_files: bool  # ANSIBLE_KEEP_REMOTE_FILES
    pipelines: bool  # ansible-core's own conclusion


def warning_of(transfer: Transfer) -> str | None:
    """The warning if a module with a secret would be in a file on the host; without a host name, to be shown once."""
    if transfer.pipelines or transfer.keeps_files:
        return None
    if not transfer.can_pipeline:
        cause = f"the connection plugin {transfer.connection} cannot pipeline"
    elif not transfer.become_can_pipeline:
        cause = f"the become method {transfer.become} cannot pipeline (use sudo to avoid it)"
    elif not transfer.wanted:
        cause = (
            "an extra variable (ansible_pipelining or ansible_ssh_pipelining) or a variable of the connection turns pipelining "
            "off (remove it to avoid this)"
        )
    else:
        cause = "ansible-core does not pipeline here"
    return (
        f"{cause}: while a task with a secret runs, its module is in Ansible's remote temporary directory (mode 0700) with the "
        "secret in it, and is removed afterwards"
    )


def refusal_of(transfer: Transfer, secrets: t.Sequence[str]) -> str | None:
    """The reason to refuse secrets while Ansible keeps its temporary files; None if there is none."""
    if not transfer.keeps_files or not secrets:
        return None
    return (
        f"ANSIBLE_KEEP_REMOTE_FILES (keep_remote_files) is on, and would leave {', '.join(secrets)} in a file on the host: "
        "turn it off, or leave these variables out while you debug"
    )
