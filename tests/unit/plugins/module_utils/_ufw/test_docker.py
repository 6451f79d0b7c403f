# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of Docker's chain correspond to the policy, in each family."""

from __future__ import annotations

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw import _docker
from ansible_collections.homelab.tailsync.plugins.module_utils._ufw._rules import Rule

BRIDGES = ("docker0", "br-+")
FIRST = ["-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN", "-i docker0 -j RETURN", "-i br-+ -j RETURN"]
LAST = ["-m conntrack --ctstate DNAT -j DROP", "-o docker0 -j DROP", "-o br-+ -j DROP"]
RULES: list[tuple[Rule, list[str]]] = [
    (Rule("allow", interface="tailscale0"), ["-i tailscale0 -j RETURN"]),
    (Rule("allow", port="443", protocol="tcp"), ["-p tcp -m conntrack --ctorigdstport 443 -j RETURN"]),
    (
        Rule("allow", port="53"),
        ["-p tcp -m conntrack --ctorigdstport 53 -j RETURN", "-p udp -m conntrack --ctorigdstport 53 -j RETURN"],
    ),
    (
        Rule("allow", interface="eth0", source="10.0.0.0/8", port="80,6000:6007", protocol="tcp"),
        [
            "-s 10.0.0.0/8 -i eth0 -p tcp -m conntrack --ctorigdstport 80 -j RETURN",
            "-s 10.0.0.0/8 -i eth0 -p tcp -m conntrack --ctorigdstport 6000:6007 -j RETURN",
        ],
    ),
    (Rule("allow", source="fd00::/8"), []),
    (Rule("allow", source="10.0.0.1"), ["-s 10.0.0.1 -j RETURN"]),
    (
        Rule("allow", destination="10.0.0.1", source_port="5", protocol="udp"),
        ["-p udp --sport 5 -m conntrack --ctorigdst 10.0.0.1 -j RETURN"],
    ),
    (Rule("deny", source="10.0.0.1"), ["-s 10.0.0.1 -m conntrack --ctstate DNAT -j DROP"]),
    (Rule("reject", port="22", protocol="tcp"), ["-p tcp -m conntrack --ctstate DNAT --ctorigdstport 22 -j DROP"]),
    (Rule("limit", port="22", protocol="tcp"), []),
    (Rule("allow", app="DNS"), []),
    (Rule("allow", direction="out"), []),
    (Rule("allow", direction="routed"), []),
]


@pytest.mark.parametrize(("rule", "lines"), RULES, ids=lambda value: str(value)[:80])
def test_rule_is_translated_for_dockers_chain(rule: Rule, lines: list[str]) -> None:
    assert _docker.rules([rule], BRIDGES, "v4") == [*FIRST, *lines, *LAST]


def test_managed_block_is_added_replaced_and_removed() -> None:
    packaged = "*filter\nCOMMIT\n# the end"
    one, two = (_docker.block(_docker.rules([Rule("allow", port=port)], BRIDGES, "v6")) for port in ("1", "2"))
    put_in = _docker.replace(packaged, one)
    assert put_in == f"{packaged}\n{one}"
    assert _docker.replace(put_in + "# more\n", two) == f"{packaged}\n{two}# more\n"
    assert _docker.replace(put_in, "") == f"{packaged}\n"
    assert _docker.replace(packaged, "") == packaged
    assert _docker.describe(put_in) == _docker.rules([Rule("allow", port="1")], BRIDGES, "v6")


def test_block_counts_as_loaded_if_the_kernel_has_all_its_rules() -> None:
    text = _docker.block(["-i a -j RETURN", "-j DROP"])
    live = "\n".join(line for line in text.splitlines() if line.startswith("-A"))
    assert _docker.is_loaded(text, f"-A DOCKER-USER -j ACCEPT\n{live}\n-A DOCKER-USER -j RETURN")
    assert not _docker.is_loaded(text, live.splitlines()[0])
    assert not _docker.is_loaded(_docker.block(["-i b -j RETURN", "-j DROP"]), live)
    assert _docker.is_loaded("no block", live)
    assert len(_docker.live(f"-A DOCKER-USER -j ACCEPT\n{live}")) == 2
