# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the variables of the role tailscale with tailscale_node's own checks: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale import (
    _auth_key,
    _credentials,
    _options,
    _prefs,
    _tables,
)
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import ControlError, NodeError
from ansible_collections.homelab.tailsync.plugins.plugin_utils import text_lines
from ansible_collections.homelab.tailsync.plugins.plugin_utils.validate_types import checked, shown, stripped, without_password

Variables = t.Mapping[str, t.Any]

SOCKET = _tables.CONNECTION["socket"]["default"]
SECRETS = ("tailscale_auth_key", "tailscale_oauth_client_secret", "tailscale_api_token")
# The options of tailscale_auth_key, as words of a message, and the role's variables that are not named like them.
OPTION = re.compile(r"(?<![\w.:/-])(api|api_token|base_url|oauth_client_secret|oidc|tags|user)(?![\w:/-])")
NAMES = {"base_url": "tailscale_api_url", "user": "tailscale_api_user", "api": "tailscale_api"}
# Options that the module's own checks need in addition to the checked one.
LOGIN_DEFAULTS: dict[str, t.Any] = {"login_server": None, "tags": None}
# hostname has its own variable; accept_risk is no preference, but is set among them.
PREFERENCES: dict[str, t.Any] = {
    name: spec for name, spec in _tables.NODE.items() if name in {*_prefs.OPTIONS, "accept_risk"} - {"hostname"}
}
CHECKSUM = re.compile(r"sha256:[0-9a-f]{64}|(sha256:)?https?://\S+")
FLAG = re.compile(r"--?[a-z][A-Za-z0-9._:/,=@+-]*")
MANAGED_FLAG = re.compile(r"--?(port|tun|state|statedir|socket)(=|$)")


def problems(variables: Variables) -> list[str]:
    """The problems, one message each with the variable and the fix."""
    return [
        *_text_problems(variables),
        *_name_problems(variables),
        *_preference_problems(variables.get("tailscale_preferences")),
        *_key_problems(variables),
        *_source_problems(variables),
        *_daemon_problems(variables),
    ]


def _text_problems(variables: Variables) -> list[str]:
    """The problems of secrets that are not text; a number would lose its leading zeros."""
    return [
        f"{name} must be text, or empty where no host has to log in: put it in quotation marks"
        for name in SECRETS
        if variables.get(name) is not None and not isinstance(variables[name], str)
    ]


def _name_problems(variables: Variables) -> list[str]:
    hostname = variables.get("tailscale_hostname")
    found = _of_module({"hostname": hostname}, "tailscale_") if hostname else ["tailscale_hostname is empty"]
    found = [f"{words}. Set tailscale_hostname for this host" for words in found]
    found += _of_module({"login_server": variables.get("tailscale_login_server")}, "tailscale_")
    for tag in variables.get("tailscale_tags") or []:
        found += _of_module({"tags": [tag]}, "tailscale_")
    key = variables.get("tailscale_auth_key")
    return [*found, *_of_module({"auth_key": key.strip() if isinstance(key, str) else None}, "tailscale_")]


def _preference_problems(preferences: t.Any) -> list[str]:
    where = "tailscale_preferences"
    values, found = checked({} if preferences is None else preferences, {"type": "dict", "options": PREFERENCES}, where)
    if not isinstance(values, dict):
        return found
    alone = [words for name, value in values.items() for words in _of_module({name: value}, f"{where}.")]
    return [*found, *(alone or _of_module(values, f"{where}."))]


def _of_module(options: Variables, prefix: str) -> list[str]:
    """The problems that tailscale_node finds in these options, with the role's names."""
    try:
        _options.login({**LOGIN_DEFAULTS, **options})
        _options.declared({**LOGIN_DEFAULTS, **options})
    except NodeError as error:
        return [prefix + without_password(str(error))]
    return []


def _key_problems(variables: Variables) -> list[str]:
    """The problems of secrets that create keys, and of values that conflict with a key."""
    key, oauth = stripped(variables.get("tailscale_auth_key")), stripped(variables.get("tailscale_oauth_client_secret"))
    found = []
    if variables.get("tailscale_ephemeral") and key:
        found.append(
            "tailscale_ephemeral has no effect on tailscale_auth_key, because a key is created either for ephemeral machines or "
            "not. Create an ephemeral key and leave tailscale_ephemeral out, or set tailscale_oauth_client_secret or "
            "tailscale_api_token instead of tailscale_auth_key"
        )
    oidc, problems = _oidc(variables.get("tailscale_oidc"))
    found += problems
    token = stripped(variables.get("tailscale_api_token"))
    if oidc and (oauth or token):
        other = "tailscale_oauth_client_secret" if oauth else "tailscale_api_token"
        found.append(f"tailscale_oidc and {other} are both set, and each creates auth keys: leave one of them out")
    api_url = variables.get("tailscale_api_url") or ""
    if variables.get("tailscale_api") == "headscale" and not api_url:
        found.append("tailscale_api_url is empty: with tailscale_api headscale it must be the URL of its API")
    found += _web("tailscale_api_url", api_url) if api_url else []
    if found or not (oauth or token or oidc):
        return found
    return _made_key_problems(
        variables, {"oauth_client_secret": oauth} if oauth else {"api_token": token} if token else {"oidc": oidc}
    )


def _oidc(value: t.Any) -> tuple[dict[str, t.Any], list[str]]:
    """The federated identity, empty for none, and its problems, which show no value."""
    if isinstance(value, dict):
        value = {name: item for name, item in value.items() if item is not None}
    if value in (None, "", {}):
        return {}, []
    sound, found = checked(value, {"type": "dict", "options": _tables.OIDC}, "tailscale_oidc")
    return (sound if isinstance(sound, dict) and not found else {}), found


def _made_key_problems(variables: Variables, secret: Variables) -> list[str]:
    """The problems that tailscale_auth_key finds in the options with which the role calls it."""
    user = variables.get("tailscale_api_user")
    options = {
        **{name: spec.get("default") for name, spec in _tables.AUTH_KEY.items()},
        "api": "headscale" if variables.get("tailscale_api") == "headscale" else "tailscale",
        "base_url": variables.get("tailscale_api_url") or _tables.TAILSCALE_API,
        "user": None if user is None else str(user),
        "tags": list(variables.get("tailscale_tags") or []),
        **secret,
    }
    try:
        _credentials.check(options)
        _auth_key.check(options)
    except ControlError as error:
        return [OPTION.sub(lambda found: NAMES.get(found[0], f"tailscale_{found[0]}"), without_password(str(error)))]
    return []


def _web(name: str, value: t.Any) -> list[str]:
    found = text_lines.url(name, value)
    if not found and not re.match(r"https?://[^/]", value):
        found = [f"{name} is {shown(value)}: it must begin with https:// or http://"]
    return found


def _source_problems(variables: Variables) -> list[str]:
    """The problems of the package's source; those that depend on the host's system are found later."""
    found = _web("tailscale_repository_url", variables.get("tailscale_repository_url"))
    key_url = variables.get("tailscale_repository_key_url")
    found += _web("tailscale_repository_key_url", key_url) if key_url else []
    static_url = variables.get("tailscale_static_url")
    found += text_lines.url("tailscale_static_url", static_url) if static_url else []
    version = variables.get("tailscale_version")
    if isinstance(version, (int, float)):
        found.append(
            f"tailscale_version is the number {shown(version)}: write it between quotation marks, with all of its digits"
        )
        return found
    found += text_lines.word("tailscale_version", version) if version else []
    if variables.get("tailscale_package_source") == "static":
        if version in (None, "", "latest"):
            found.append(
                f"tailscale_version is {version or 'empty'}: with tailscale_package_source static it must name a version, such "
                "as 1.102.5"
            )
        if "tailscale_static_url" in variables and not static_url:
            found.append("tailscale_static_url is empty: leave it out for the vendor's, or name the archive's URL")
        checksum = variables.get("tailscale_static_checksum") or ""
        if not CHECKSUM.fullmatch(str(checksum)):
            found.append(
                f"tailscale_static_checksum is {shown(checksum)}: with tailscale_package_source static it must be sha256: with "
                "the archive's 64 digits, or the URL of a file that holds them"
            )
    return found


def _daemon_problems(variables: Variables) -> list[str]:
    found = []
    socket, source = str(variables.get("tailscale_socket") or ""), variables.get("tailscale_package_source")
    if not re.fullmatch(r"/[^\x00-\x1f\x7f]+", socket):
        found.append(f"tailscale_socket is {shown(socket)}: it must be an absolute path, such as {SOCKET}")
    elif source != "none" and socket != SOCKET:
        found.append(
            f"tailscale_socket is {shown(socket)}, but the tailscaled that this role installs listens at {SOCKET}: leave it out, "
            "or set tailscale_package_source: none for a tailscaled of your own"
        )
    for index, flag in enumerate(variables.get("tailscale_daemon_flags") or []):
        if not FLAG.fullmatch(str(flag)):
            found.append(
                f"tailscale_daemon_flags[{index}] is {shown(flag)}: it must be one flag of tailscaled with its value, such as "
                "--verbose=1, without blanks or quotation marks"
            )
        elif MANAGED_FLAG.match(str(flag)):
            found.append(
                f"tailscale_daemon_flags[{index}] is {shown(flag)}, which the role sets itself: the port is tailscale_port, and "
                "--tun=userspace-networking is tailscale_userspace_networking; state and socket cannot be changed"
            )
    return found
