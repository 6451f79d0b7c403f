# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A port with TLS that answers in plain HTTP while version 2 converts its database, and one where something else listens."""

from __future__ import annotations

import pathlib
import subprocess
import typing as t

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _apply, _tables
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError
from module_call import params
from syncthing_double import API_KEY, Syncthing

NAS = {"name": "nas", "device_id": "P56IOI7-MZJNU2Y-IQGDREY-DM2MGTI-MGL3BXN-PQ6W5BM-TBBZ4TJ-XZWICQ2"}


def make_certificate(directory: pathlib.Path) -> tuple[str, str]:
    directory.mkdir(exist_ok=True)
    certificate, key = str(directory / "https-cert.pem"), str(directory / "https-key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subprocess.run([*command, "-subj", "/CN=syncthing", "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def cluster(tmp_path: pathlib.Path, timeout: int = 5) -> dict[str, t.Any]:
    spec = {**_tables.CONNECTION, **_tables.CLUSTER}
    return _apply.apply(params(spec, home=str(tmp_path / "home"), timeout=timeout, devices=[NAS]), check_mode=False)


@pytest.fixture
def serve(tmp_path: pathlib.Path) -> t.Iterator[t.Callable[[tuple[str, str]], Syncthing]]:
    servers = []

    def start(certificate: tuple[str, str]) -> Syncthing:
        double = Syncthing(2)
        servers.append(double.serve(tmp_path / "home", certificate))
        return double

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_conversion_is_waited_for_and_the_key_is_never_sent_in_plain(tmp_path: pathlib.Path, serve: t.Any) -> None:
    double = serve(make_certificate(tmp_path / "home"))
    double.converting = 6  # two connections each time: with TLS, and plain
    assert cluster(tmp_path)["changed"]
    assert not cluster(tmp_path)["changed"]
    assert len(double.plain) == 3
    assert API_KEY not in str(double.plain)
    assert not any("x-api-key" in {key.lower() for key in headers} for headers in double.plain)


def test_conversion_that_does_not_end_is_told(tmp_path: pathlib.Path, serve: t.Any) -> None:
    double = serve(make_certificate(tmp_path / "home"))
    double.converting = 10**6
    with pytest.raises(SyncthingError, match=r"not ready yet: \*\*\* Database migration in progress \*\*\* \(waited 1 s\)"):
        cluster(tmp_path, timeout=1)
    assert API_KEY not in str(double.plain)


def test_another_certificate_is_refused_at_once_without_the_key(tmp_path: pathlib.Path, serve: t.Any) -> None:
    other = make_certificate(tmp_path / "other")
    make_certificate(tmp_path / "home")
    double = serve(other)
    with pytest.raises(SyncthingError, match="is something else listening there"):
        cluster(tmp_path)
    assert (double.requests, double.plain) == ([], [])


def test_plain_server_that_is_not_syncthing_gets_no_key(tmp_path: pathlib.Path, serve: t.Any) -> None:
    double = serve(make_certificate(tmp_path / "home"))
    double.converting = 10**6
    double.conversion_answer = (200, {"Content-Type": "text/html"}, "<html>a router</html>")
    with pytest.raises(SyncthingError, match="is something else listening there"):
        cluster(tmp_path)
    assert API_KEY not in str(double.plain)
