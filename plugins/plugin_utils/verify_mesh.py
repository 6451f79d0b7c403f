# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the connections and shares between the Syncthings of a run, and find out what to wait for: pure functions over views.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._common.tailnet import is_tailnet_address
from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _settle
from ansible_collections.homelab.tailsync.plugins.plugin_utils import verify_tailnet
from ansible_collections.homelab.tailsync.plugins.plugin_utils.verify_folders import (
    Report,
    absent_holders,
    folder_report,
    is_paused,
)
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import Data, Folder, View, Views

# Syncthing before 1.20 has no remoteState; then it is None and means nothing.
SHARING_REMOTE_STATES = ("valid", "paused", None)


def host_of(address: str) -> str:
    """The host of an address of Syncthing, `100.64.0.2:22000` or `[fd7a::2]:22000`."""
    return address.rsplit(":", 1)[0].strip("[]")


def report_of(views: Views, view: View, cut_off: t.Collection[str], silent: t.Collection[frozenset[str]]) -> Report:
    """The report on one host's Syncthing. Hosts that are cut off, and pairs without a connection, were reported already."""
    report = Report()
    report.findings += [
        f"{view.name}: Syncthing cannot listen at {address}: {listener.error}"
        for address, listener in view.listeners.items()
        if listener.error
    ]
    if view.wanted["folders"] and not any(address.startswith("tcp") for address in view.listeners):
        report.findings.append(f"{view.name}: Syncthing listens at no tcp:// address")
    for device in view.wanted["devices"]:
        managed = device["name"] in view.managed
        if managed and device["name"] not in cut_off and frozenset((view.name, device["name"])) not in silent:
            report.add(_device_report(views, view, device))
    for folder in view.wanted["folders"]:
        report.add(folder_report(view, folder))
        report.findings += _not_shared(views, view, folder, cut_off)
    return report


def _device_report(views: Views, view: View, device: Data) -> Report:
    unknown = _not_known(views, view, device)
    if unknown:
        return Report([unknown])
    name, peer, other = view.name, device["name"], views.get(device["name"])
    if is_paused_device(view, device) or (other and paused_by(other, view)):
        # Only the host that has paused the other one reports it, unless that is declared.
        mine = is_paused_device(view, device) and not device.get("paused")
        return Report(notes=[f"{name}: the device {peer} is paused"] if mine else [])
    refusal = encryption_failure(views, view, device)
    if refusal:
        return Report([f"{' and '.join(sorted((name, peer)))} refuse each other: {refusal}"])
    connection = view.connection_to(device)
    if not connection.connected:
        return Report([_not_connected(view, device)])
    if not connection.type.startswith("tcp") or not is_tailnet_address(host_of(connection.address)):
        how = f"by {connection.type} at {connection.address}"
        return Report([f"{name} is connected to {peer} {how}, which is not tcp over the tailnet"])
    return Report()


def _not_known(views: Views, view: View, device: Data) -> str | None:
    name, peer, device_id = view.name, device["name"], view.id_of(device)
    actual = views[peer].device_id if peer in views else None
    if not device_id:
        return f"{name} and {peer} are not paired yet: {peer} has not taken part in a run together with {name}"
    if actual and actual != device_id:
        return f"{name} knows {peer} by the device ID {device_id}, but {peer} has {actual}"
    if device_id not in view.devices:
        return f"{name} does not have the device {peer}"
    return None


def is_paused_device(view: View, device: Data) -> bool:
    return bool(device.get("paused") or view.device(device).paused or view.connection_to(device).paused)


def paused_by(other: View, view: View) -> bool:
    """Whether the other side has paused this one."""
    known = other.devices.get(view.device_id or "")
    return bool(known and known.paused)


def _not_connected(view: View, device: Data) -> str:
    dials = ((address, view.dials.get(address)) for address in device.get("addresses") or ())
    errors = [f"{address}: {dial.error}" for address, dial in dials if dial and dial.error]
    said = verify_tailnet.said_of_device(view, device)
    errors += [said] if said else []
    return f"{view.name} is not connected to {device['name']}" + (f" ({'; '.join(errors)})" if errors else "")


def encryption_failure(views: Views, view: View, device: Data) -> str | None:
    """The reason if two devices refuse each other because a folder's encryption differs: they connect and disconnect repeatedly.

    Syncthing keeps its errors until it is restarted, so an error of devices that share the folder now is an old one.
    """
    other = views.get(device["name"])
    for teller, about in ((view, view.id_of(device)), (other, view.device_id)):
        for message in teller.messages if teller else ():
            # Version 1 writes the whole ID, version 2 only its beginning.
            if about and about[:7] in message and "encryption consistency" in message:
                named = _folder_named(view, message)
                if view.connection_to(device).connected and view.state_of(named or "", device) in SHARING_REMOTE_STATES:
                    continue
                reason = message.rpartition("error=")[2] if "error=" in message else message.rpartition(": ")[2]
                where = f"the folder {named}" if named else "one of their folders"
                return f"{where}: {reason.strip(' )')}{_remedy(message)}"
    return None


def _folder_named(view: View, message: str) -> str | None:
    return next((folder for folder in view.folders if re.search(rf"(?<![\w-]){re.escape(folder)}(?![\w-])", message)), None)


def _remedy(message: str) -> str:
    if "different encryption passwords" not in message:
        return ""
    return (
        ". Give encryption_password its old value again; to change it, remove the folder and its files from the untrusted device"
        " first, so that they are sent again"
    )


def _not_shared(views: Views, view: View, folder: Data, cut_off: t.Collection[str]) -> list[str]:
    if folder["id"] not in view.folders or is_paused(view, folder) or folder["id"] in view.left_out:
        return []
    found = []
    for device in folder["devices"]:
        name, other = device["name"], views.get(device["name"])
        if name not in view.managed or name in cut_off or not view.connection_to(device).connected:
            continue  # a missing connection is a finding of its own
        if other and (folder["id"] in other.left_out or is_paused(other, folder)):
            continue
        state = view.state_of(folder["id"], device)
        # An encryption failure would explain the state.
        if state not in SHARING_REMOTE_STATES and not encryption_failure(views, view, device):
            found.append(f"folder {folder['id']}: {name} does not share it with {view.name} (it says {state})")
    return found


# --- waiting ------------------------------------------------------------------------------------


def wait_for(views: Views, view: View, cut_off: t.Collection[str]) -> dict[str, t.Any]:
    """The devices and folders of one host that waiting may improve, in the form that syncthing_info takes; may be empty."""
    if view.name in cut_off or not view.device_id:
        return {}
    devices = _devices_to_wait_for(views, view, cut_off)
    folders = {}
    for folder in view.wanted["folders"]:
        present = view.folders.get(folder["id"])
        if present is None or present.paused or folder["id"] in view.left_out or absent_holders(view, folder):
            continue
        sharers = [device["name"] for device in folder["devices"] if device["name"] in devices]
        folders[folder["id"]] = [devices[name] for name in sharers if _shares(views[name], view, folder["id"])]
    wanted = {"devices": sorted(devices.values()), "folders": folders}
    return wanted if _settle.Watch(dict(view.syncthing), 0.0).may_improve(wanted) else {}


def _devices_to_wait_for(views: Views, view: View, cut_off: t.Collection[str]) -> dict[str, str]:
    """Managed devices that can connect, by name, each with its device ID."""
    devices = {}
    for device in view.wanted["devices"]:
        other, device_id = views.get(device["name"]), view.id_of(device)
        if other is None or other.name in cut_off or not device_id or device["name"] not in view.managed:
            continue
        paused = is_paused_device(view, device) or paused_by(other, view)
        if not paused and _know_each_other(view, other) and not encryption_failure(views, view, device):
            devices[device["name"]] = device_id
    return devices


def _know_each_other(view: View, other: View) -> bool:
    return other.device_id in view.devices and view.device_id in other.devices


def _shares(other: View, view: View, folder: str) -> bool:
    """Whether the other side has the folder and shares it with this one; otherwise waiting does not help."""
    present = other.folders.get(folder) or Folder()
    return view.device_id in present.devices and not present.paused and folder not in other.left_out
