# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address of Syncthing's API in config.xml, read without parsing all of a large file."""

from __future__ import annotations

import pathlib
import sys

import pytest
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _client
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing._errors import SyncthingError
from module_call import ModuleFailed, call
from syncthing_double import Syncthing

GUI = '<gui enabled="true" tls="true"><address>127.0.0.1:8384</address><apikey>a-key</apikey></gui>'
OTHER = GUI.replace("a-key", "another-key")
FOUND = _client.Endpoint("127.0.0.1:8384", "a-key", True)


@pytest.mark.parametrize(
    "text",
    [
        f"<configuration>{GUI}</configuration>",
        f'<configuration version="37">\n  <folder label="&lt;gui&gt;"></folder>\n  {GUI}\n</configuration>\n\n',
        f"<configuration><!-- {OTHER} -->{GUI}</configuration>",
        f"<configuration>{GUI}<!-- {OTHER} --></configuration>",
        f"<configuration><folder><gui/></folder>{GUI}</configuration>",
        f"<configuration><folder>{OTHER}</folder>{GUI}</configuration>",
        f"<configuration><folder><![CDATA[{OTHER}]]></folder>{GUI}</configuration>",
    ],
)
def test_address_and_key_of_the_api_are_read(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "config.xml").write_text(text, encoding="utf-8")
    assert _client.read_endpoint(str(tmp_path)) == FOUND


@pytest.mark.parametrize("text", ["", "<configuration>", f"<configuration>{GUI}", f"<configuration>{GUI}</confi"])
def test_truncated_config_xml_is_an_error(tmp_path: pathlib.Path, text: str) -> None:
    (tmp_path / "config.xml").write_text(text, encoding="utf-8")
    with pytest.raises(SyncthingError, match=r"config\.xml is not XML"):
        _client.read_endpoint(str(tmp_path))


def test_missing_requests_library_is_an_error_before_any_request(
    double: Syncthing, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "requests", None)
    for module in ("syncthing_settings", "syncthing_info"):
        with pytest.raises(ModuleFailed, match=r"Failed to import the required Python library \(requests\) on"):
            call(module, home=str(tmp_path / "home"))
    assert double.requests == []
