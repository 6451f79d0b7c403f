# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The templates of the role syncthing write the variables' values exactly, with any characters."""

from __future__ import annotations

import pathlib
import typing as t
import xml.etree.ElementTree as ET

import pytest
from ansible_collections.homelab.tailsync.plugins.filter.syncthing import FilterModule
from jinja2 import Environment, StrictUndefined

TEMPLATES = pathlib.Path(__file__).resolve().parents[3] / "roles" / "syncthing" / "templates"


def render(name: str, **variables: t.Any) -> str:
    environment = Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True)
    environment.filters.update({f"homelab.tailsync.{key}": value for key, value in FilterModule().filters().items()})
    return environment.from_string((TEMPLATES / name).read_text(encoding="utf-8")).render(**variables)


@pytest.mark.parametrize("address", ["/run/syncthing/gui.sock", "/run/syncthing/</address><apikey>mine</apikey>&.sock"])
@pytest.mark.parametrize("listen", ["tcp://100.64.0.7:22000", "tcp://a</listenAddress><relaysEnabled>true</relaysEnabled>"])
def test_markup_in_a_variable_is_escaped_in_config_xml(address: str, listen: str) -> None:
    text = render(
        "config.xml.j2",
        __syncthing_gui_first=address,
        __syncthing_gui_permissions="0600",
        syncthing_listen_addresses=[listen],
    )
    root = ET.fromstring(text)
    assert [one.text for one in root.findall("gui/address")] == [address]
    assert [one.text for one in root.findall("options/listenAddress")] == [listen]
    assert [one.text for one in root.findall("options/relaysEnabled")] == ["false"]
    assert root.findtext("gui/unixSocketPermissions") == "0600"
    assert text.count("<apikey></apikey>") == 1


def unit(**changes: t.Any) -> list[str]:
    variables = {
        "syncthing_user": "syncthing",
        "syncthing_home": "/var/lib/syncthing",
        "syncthing_gui_group": "",
        "syncthing_address_timeout": 60,
        "syncthing_listen_addresses": ["tcp://100.64.0.7:22000", "tcp://[fd7a:115c:a1e0::7]:22000", "tcp://nas:22000"],
        "__syncthing_gui_directory": "/run/syncthing",
    }
    return render("service.conf.j2", **{**variables, **changes}).splitlines()


def starting(lines: list[str], start: str) -> list[str]:
    return [line.removeprefix(start) for line in lines if line.startswith(start)]


def test_home_with_blanks_and_specifiers_is_one_argument_of_the_unit() -> None:
    lines = unit(syncthing_home='/srv/100% of "it"/$HOME\\x')
    assert starting(lines, "ExecStart=") == [
        "",
        '/usr/bin/syncthing serve "--home=/srv/100%% of \\"it\\"/$$HOME\\\\x" --no-browser --no-restart',
    ]


def test_unit_creates_the_sockets_directory_at_each_start() -> None:
    made = '+/usr/bin/install -d -m 0700 -o "syncthing" /run/syncthing'
    assert starting(unit(), "ExecStartPre=")[1:] == [made]
    assert starting(unit(syncthing_gui_group="sudo"), "ExecStartPre=")[1:] == [
        made,
        '+-/usr/bin/install -d -m 2750 -o "syncthing" -g "sudo" /run/syncthing',
    ]
    assert starting(unit(__syncthing_gui_directory=""), "ExecStartPre=")[1:] == []


def test_unit_waits_for_addresses_but_not_for_names() -> None:
    wait = starting(unit(), "ExecStartPre=")[0]
    assert "to 100.64.0.7 |" in wait
    assert "to fd7a:115c:a1e0::7 |" in wait
    assert "nas" not in wait


def test_timeout_in_the_unit_is_a_number_for_any_spelling() -> None:
    lines = unit(syncthing_address_timeout=" 60\n")
    assert starting(lines, "TimeoutStartSec=") == ["150"]
    assert starting(lines, "ExecStartPre=")[0].startswith("-/usr/bin/timeout 60 ")
