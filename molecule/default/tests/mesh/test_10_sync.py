# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files arrive, and an untrusted host cannot read them."""

from __future__ import annotations

import typing as t

from testinfra.host import Host

SHARED = "/srv/sync/shared"


def test_file_arrives_on_every_other_host(lab_hosts: dict[str, Host], eventually: t.Any) -> None:
    lab_hosts["nas"].check_output(f"su syncthing -s /bin/sh -c 'echo hello from nas > {SHARED}/hello.txt'")
    for name in ("pi", "vps"):
        file = lab_hosts[name].file(f"{SHARED}/hello.txt")
        assert eventually(lambda file=file: file.exists and file.content_string == "hello from nas\n", 60), name


def test_untrusted_host_holds_only_ciphertext(lab_hosts: dict[str, Host], eventually: t.Any) -> None:
    secret = "the-cat-on-the-beach"
    lab_hosts["nas"].check_output(f"su syncthing -s /bin/sh -c 'echo {secret} > /srv/sync/photos/{secret}.txt'")
    vps = lab_hosts["vps"]
    count = "find /srv/sync/photos -type f -path '*.syncthing-enc*' | wc -l"
    assert eventually(lambda: int(vps.check_output(count)) > 0, 90), "nothing arrived"
    assert vps.run(f"grep -r -l {secret} /srv/sync/photos").stdout == ""
    assert vps.run(f"find /srv/sync/photos -name '*{secret}*'").stdout == ""
    arrived = lab_hosts["pi"].file(f"/srv/photos/{secret}.txt")
    assert eventually(lambda: arrived.exists, 60)
