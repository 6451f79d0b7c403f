# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that tells ssh on the controller where the hosts are in the tailnet, and its Include: pure functions.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import posixpath
import re
import shlex
import typing as t

FILE = "tailsync.conf"  # next to the configuration that includes it; an Include is recognized by this name
HEADER = (
    "# Written by the Ansible collection homelab.tailsync, and written anew by its runs: ssh reaches these hosts over the\n"
    "# tailnet, with the host key that is known already. Your own Host blocks for them stay in force.\n"
)
# Neither a pattern (* ? !) nor anything that ssh or a shell would split or expand.
NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")
KEY_NAME = re.compile(r"\[?[A-Za-z0-9_][A-Za-z0-9_.:%-]*(\]:[0-9]+)?")
ANY_INCLUDE = re.compile(r"include(?:\s*=\s*|\s+)(.*)", re.IGNORECASE)
INCLUDE = re.compile(rf"\s*include[\s=].*\b{re.escape(FILE)}\b.*", re.IGNORECASE)
HASHED = "|1|"


class Entry(t.NamedTuple):
    names: tuple[str, ...]
    address: str
    host_key_name: str  # the name of its key in known_hosts; empty if that has it under the address


def parse(text: str) -> list[Entry]:
    """The entries of a file that `render` has written; other lines are dropped."""
    found: list[Entry] = []
    for words in (line.split() for line in text.splitlines()):
        key, values = (words[0].lower(), words[1:]) if len(words) > 1 else ("", [])
        if key == "host":
            found.append(Entry(tuple(values), "", ""))
        elif key == "hostname" and found:
            found[-1] = found[-1]._replace(address=values[0])
        elif key == "hostkeyalias" and found:
            found[-1] = found[-1]._replace(host_key_name=values[0])
    return [entry for entry in found if entry.address]


def render(entries: t.Iterable[Entry]) -> str:
    return HEADER + "".join(_block(entry) for entry in sorted(entries))


def _block(entry: Entry) -> str:
    """An entry in ssh's form. An alias holds for every port, and so for other SSH servers of the machine, such as a forge's."""
    alias = f"  HostKeyAlias {entry.host_key_name}\n" if entry.host_key_name else ""
    return f"\nHost {' '.join(entry.names)}\n  HostName {entry.address}\n{alias}"


def without(entries: t.Iterable[Entry], names: t.Collection[str]) -> list[Entry]:
    """The entries without these names; an entry without a name is dropped."""
    left = [entry._replace(names=tuple(name for name in entry.names if name not in names)) for entry in entries]
    return [entry for entry in left if entry.names]


def without_host(entries: t.Iterable[Entry], names: t.Collection[str]) -> list[Entry]:
    """The entries without those that have one of these names; a host's further names go with it."""
    return [entry for entry in entries if not set(entry.names) & set(names)]


def with_entry(entries: t.Iterable[Entry], entry: Entry) -> list[Entry]:
    """The entries with another one. A name belongs to one entry only, because ssh uses the first that it finds.

    The host's own earlier entry goes with all its names: an address that it no longer has may be another machine's now.
    """
    others = [one for one in entries if (one.names[:1], one.address) != (entry.names[:1], entry.address)]
    return [*without(others, entry.names), entry]


def usable_names(names: t.Iterable[str | None], others: t.Collection[str]) -> tuple[str, ...]:
    """The names by which ssh can find one host, and no other.

    Not a name or address that is also another host's, such as the address of a router that forwards a port to each, and not
    one of the controller itself.
    """
    sound = [name for name in names if name and NAME.fullmatch(name) and name not in others and not _is_own(name)]
    return tuple(dict.fromkeys(sound))


def entry_of(names: t.Sequence[str], address: str, host_key_name: str) -> Entry | None:
    """The entry of a host; None if ssh's configuration could not express it."""
    address = address.split("%", 1)[0]
    if not names or not _is_address(address) or not KEY_NAME.fullmatch(host_key_name):
        return None
    return Entry(tuple(names), address, host_key_name)


def _is_own(name: str) -> bool:
    if name == "localhost":
        return True
    return _is_address(name) and ipaddress.ip_address(name).is_loopback


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


# --- the Include --------------------------------------------------------------------------------


def config_problem(config: t.Any) -> str | None:
    """The reason why a value cannot name the configuration that is to include the file; empty text names none."""
    if config == "":
        return None
    if not isinstance(config, str):
        return 'which is no path: name ssh\'s configuration, such as ~/.ssh/config, or write "" to switch it off'
    if not config.startswith(("/", "~/")) or re.search(r'[\x00-\x1f\x7f"]', config):
        return "which is no path from / or ~/ in one line: name ssh's configuration, such as ~/.ssh/config"
    if posixpath.basename(config) == FILE:
        return "which is the file that is to be included: name the configuration that includes it, such as ~/.ssh/config"
    if config.endswith("/") or config.startswith("/dev/"):
        return 'which is no file to write to: name ssh\'s configuration, such as ~/.ssh/config, or write "" to switch it off'
    return None


def include_line(path: str, home: str) -> str:
    """The line for the user's configuration. A path below the home directory stays right in a copy of the configuration."""
    shown = f"~/{path[len(home) + 1 :]}" if home and path.startswith(f"{home.rstrip('/')}/") else path
    return f'Include "{shown}"' if re.search(r"\s", shown) else f"Include {shown}"


def is_included(config: str) -> bool:
    return any(INCLUDE.fullmatch(line) for line in config.splitlines())


def with_include(config: str, line: str) -> str:
    """The configuration with the Include. It is the first line: ssh uses the first value, and a `Host` block would limit it."""
    return config if is_included(config) else f"{line}\n{config}"


def included(line: str) -> list[str]:
    """The files, which may be patterns, that a line of ssh's configuration includes."""
    found = ANY_INCLUDE.fullmatch(line.strip())
    try:
        return shlex.split(found[1], comments=True) if found else []
    except ValueError:
        return []  # ssh refuses such a line


# --- known_hosts --------------------------------------------------------------------------------


def keys_of(found: str) -> list[str]:
    """The keys in the output of `ssh-keygen -F`, each as its type and text. Certificate authorities and revoked keys are left."""
    words = [line.split() for line in found.splitlines() if line.strip() and not line.startswith(("#", "@"))]
    return list(dict.fromkeys(f"{one[1]} {one[2]}" for one in words if len(one) > 2))


def host_of(key_name: str) -> str:
    """The host in a name of known_hosts, which may have a port."""
    return key_name[1:].partition("]")[0] if key_name.startswith("[") else key_name


def known_host_lines(found: str, names: t.Sequence[str], salt: t.Callable[[], bytes]) -> list[str]:
    """The lines of known_hosts that give these names the keys found; hashed, if those of the machine are."""
    hashed = any(line.startswith(HASHED) for line in found.splitlines())
    if not hashed:
        return [f"{','.join(names)} {key}" for key in keys_of(found)] if names else []
    return [f"{_hash(name, salt())} {key}" for key in keys_of(found) for name in names]


def _hash(name: str, salt: bytes) -> str:
    """A host name as ssh hashes it with HashKnownHosts."""
    digest = hmac.new(salt, name.lower().encode(), hashlib.sha1).digest()
    return f"{HASHED}{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
