# SPDX-FileCopyrightText: 2026 The tailsync contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state that the roles leave on a host, inspected without them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from testinfra.host import Host

CONFIG = "/var/lib/syncthing/config.xml"

# https://docs.syncthing.net/users/config.html#options-element: everything that contacts servers on the internet.
SILENT = {
    "globalAnnounceEnabled": "false",
    "localAnnounceEnabled": "false",
    "relaysEnabled": "false",
    "natEnabled": "false",
    "crashReportingEnabled": "false",
    "urAccepted": "-1",
    "autoUpgradeIntervalH": "0",
}


def test_services_run_and_start_at_boot(lab_host: Host) -> None:
    for name in ("tailscaled", "syncthing@syncthing"):
        assert lab_host.service(name).is_running
        assert lab_host.service(name).is_enabled


def test_syncthing_runs_as_its_own_user(lab_host: Host) -> None:
    assert {process.user for process in lab_host.process.filter(comm="syncthing")} == {"syncthing"}


def test_only_the_syncthing_user_can_read_its_files(lab_host: Host) -> None:
    for name in (CONFIG, "/var/lib/syncthing/key.pem"):
        file = lab_host.file(name)
        assert (file.user, oct(file.mode)) == ("syncthing", "0o600")
    assert oct(lab_host.file("/var/lib/syncthing").mode) == "0o700"


def test_syncthing_contacts_no_undeclared_server(lab_host: Host) -> None:
    options = ET.fromstring(lab_host.file(CONFIG).content_string).find("options")
    assert options is not None
    assert {name: options.findtext(name) for name in SILENT} == SILENT
    listening = [element.text for element in options.findall("listenAddress")]
    assert listening == [f"tcp://{lab_host.check_output('tailscale ip -4')}:22000"]


def test_devices_have_only_tailnet_addresses(lab_host: Host) -> None:
    own = lab_host.check_output("hostname")
    for device in ET.fromstring(lab_host.file(CONFIG).content_string).findall("device"):
        if device.get("name") in (own, "phone"):
            continue
        found = [element.text or "" for element in device.findall("address")]
        assert found, device.get("name")
        assert all(address.startswith("tcp://") and address.endswith(":22000") for address in found)
        networks = {element.text for element in device.findall("allowedNetwork")}
        assert networks == {"100.64.0.0/10", "fd7a:115c:a1e0::/48"}


def test_lab_host_has_no_default_route(lab_host: Host) -> None:
    """A guarantee of the lab: no host could have reached the internet."""
    assert lab_host.check_output("ip -4 route show default") == ""
    assert lab_host.check_output("ip -6 route show default") == ""
