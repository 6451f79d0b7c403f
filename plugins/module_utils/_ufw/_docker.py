# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Docker publishes, behind the policy: a block in ufw's after.rules that fills the chain DOCKER-USER.

Docker's published ports are forwarded, so ufw's own chains for what comes in never see them. Docker asks DOCKER-USER first
for everything that is forwarded, makes it only where it is missing, and leaves its rules alone when it starts again.
ufw loads after.rules with `iptables-restore -n`, where a chain that is declared is emptied: each load fills it again.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import hashlib
import itertools
import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import ANY, Rule

CHAIN = "DOCKER-USER"
FILES = {"v4": "/etc/ufw/after.rules", "v6": "/etc/ufw/after6.rules"}
BEGIN = "# BEGIN homelab.tailsync: ports that Docker publishes. Changes in this block are overwritten."
END = "# END homelab.tailsync"
# In the comment of each rule, so that the kernel's rules are known for ours, and of which block.
MARK = "tailsync"


def rules(declared: t.Iterable[Rule], interfaces: t.Iterable[str], family: str) -> list[str]:
    """The chain's rules for one family: what the policy allows is allowed to a container, too, and nothing else is."""
    found = ["-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"]
    found += [f"-i {interface} -j RETURN" for interface in interfaces]  # containers among themselves, and what they begin
    for rule in declared:
        # Profiles and limits are about this host's own daemons.
        if rule.direction == "in" and family in rule.families and not rule.app and rule.action != "limit":
            found += _of(rule)
    found.append("-m conntrack --ctstate DNAT -j DROP")
    found += [f"-o {interface} -j DROP" for interface in interfaces]
    return found


def _of(rule: Rule) -> list[str]:
    """One incoming rule. What it names as its destination and port was so before Docker's translation."""
    protocols = ["tcp", "udp"] if rule.protocol == ANY and (rule.port or rule.source_port) else [rule.protocol]
    made = []
    for protocol, source_port, port in itertools.product(protocols, rule.source_port.split(","), rule.port.split(",")):
        words = [f"-s {rule.source}"] if rule.source != ANY else []
        words += [f"-i {rule.interface}"] if rule.interface else []
        words += [f"-p {protocol}"] if protocol != ANY else []
        words += [f"--sport {source_port}"] if source_port else []
        tracked = ["--ctstate DNAT"] if rule.action != "allow" else []
        tracked += [f"--ctorigdst {rule.destination}"] if rule.destination != ANY else []
        tracked += [f"--ctorigdstport {port}"] if port else []
        words += ["-m conntrack", *tracked] if tracked else []
        made.append(" ".join([*words, "-j", "RETURN" if rule.action == "allow" else "DROP"]))
    return made


def block(lines: t.Sequence[str]) -> str:
    mark = f"{MARK} {hashlib.sha256(chr(10).join(lines).encode()).hexdigest()[:8]}"
    body = [f'-A {CHAIN} {words} -m comment --comment "{mark}"' for words in lines]
    return "\n".join([BEGIN, "*filter", f":{CHAIN} - [0:0]", *body, "COMMIT", END, ""])


def find(text: str) -> str:
    """The block of a file, or nothing."""
    found = re.search(rf"^{re.escape(BEGIN)}$.*?^{re.escape(END)}$\n?", text, re.MULTILINE | re.DOTALL)
    return found.group() if found else ""


def replace(text: str, wanted: str) -> str:
    """The file with the block as wanted, or without it."""
    there = find(text)
    if there:
        return text.replace(there, wanted)
    return f"{text}{'' if text.endswith(chr(10)) or not text else chr(10)}{wanted}" if wanted else text


def describe(text: str) -> list[str]:
    """The rules of a file's block, as the modules return them."""
    return re.findall(rf"^-A {CHAIN} (.*) -m comment --comment \"{MARK} \w+\"$", find(text), re.MULTILINE)


def live(listing: str) -> list[str]:
    """Our rules among what `iptables -S` lists."""
    return [line for line in listing.splitlines() if line.startswith(f"-A {CHAIN} ") and f'"{MARK} ' in line]


def is_loaded(text: str, listing: str) -> bool:
    """Whether the kernel has the block: Docker may have made its chain again, or another program emptied it."""
    mark = re.search(rf'"{MARK} \w+"', find(text))
    return not mark or sum(mark.group() in line for line in live(listing)) == len(describe(text))
