# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not as wanted between the Syncthings of a run, and what is worth waiting for: pure functions over views.

Private to this collection: it may change in any release.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.homelab.tailsync.plugins.module_utils._syncthing import _settle
from ansible_collections.homelab.tailsync.plugins.module_utils._tailnet import is_tailnet_address
from ansible_collections.homelab.tailsync.plugins.plugin_utils.verify_folders import (
    Said,
    absent_holders,
    folder_said,
    is_paused,
)
from ansible_collections.homelab.tailsync.plugins.plugin_utils.views import NOTHING, Seen, View, Views

# Syncthing before 1.20 tells no remoteState; None then says nothing.
SHARING_REMOTE_STATES = ("valid", "paused", None)


def host_of(address: str) -> str:
    """The host part of Syncthing's `100.64.0.2:22000` or `[fd7a::2]:22000`."""
    return address.rsplit(":", 1)[0].strip("[]")


def said_of(views: Views, view: View, cut_off: t.Collection[str], parted: t.Collection[frozenset[str]]) -> Said:
    """What one host's Syncthing shows. Hosts that are cut off, and pairs that cannot talk, were spoken of already."""
    said = Said()
    listeners = view.syncthing.get("listeners") or NOTHING
    said.findings += [
        f"{view.name}: Syncthing cannot listen at {address}: {listener['error']}"
        for address, listener in listeners.items()
        if listener.get("error")
    ]
    if view.wanted["folders"] and not any(address.startswith("tcp") for address in listeners):
        said.findings.append(f"{view.name}: Syncthing listens at no tcp:// address")
    for device in view.wanted["devices"]:
        if (
            device["name"] in view.managed
            and device["name"] not in cut_off
            and frozenset((view.name, device["name"])) not in parted
        ):
            said.add(_device_said(views, view, device))
    for folder in view.wanted["folders"]:
        said.add(folder_said(view, folder))
        said.findings += _not_shared(views, view, folder, cut_off)
    return said


def _device_said(views: Views, view: View, device: Seen) -> Said:
    unknown = _not_known(views, view, device)
    if unknown:
        return Said([unknown])
    name, peer, other = view.name, device["name"], views.get(device["name"])
    if is_paused_device(view, device) or (other and paused_by(other, view)):
        # Who has paused the other says so, unless that was declared.
        mine = is_paused_device(view, device) and not device.get("paused")
        return Said(notes=[f"{name}: the device {peer} is paused"] if mine else [])
    refusal = encryption_failure(views, view, device)
    if refusal:
        return Said([f"{' and '.join(sorted((name, peer)))} refuse each other: {refusal}"])
    connection = view.connection_to(device)
    if not connection.get("connected"):
        return Said([_not_connected(view, device)])
    kind, address = connection.get("type") or "", connection.get("address") or ""
    if not kind.startswith("tcp") or not is_tailnet_address(host_of(address)):
        return Said([f"{name} is connected to {peer} by {kind} at {address}, which is not tcp over the tailnet"])
    return Said()


def _not_known(views: Views, view: View, device: Seen) -> str | None:
    name, peer, device_id = view.name, device["name"], view.id_of(device)
    actual = views[peer].device_id if peer in views else None
    if not device_id:
        return f"{name} and {peer} are not paired yet: {peer} has not taken part in a run together with {name}"
    if actual and actual != device_id:
        return f"{name} knows {peer} by the device ID {device_id}, but {peer} has {actual}"
    if device_id not in (view.syncthing.get("devices") or NOTHING):
        return f"{name} does not have the device {peer}"
    return None


def is_paused_device(view: View, device: Seen) -> bool:
    known = (view.syncthing.get("devices") or NOTHING).get(view.id_of(device) or "") or NOTHING
    return bool(device.get("paused") or known.get("paused") or view.connection_to(device).get("paused"))


def paused_by(other: View, view: View) -> bool:
    """Whether the other side does not want to talk to this one for now."""
    known = (other.syncthing.get("devices") or NOTHING).get(view.device_id or "") or NOTHING
    return bool(known.get("paused"))


def _not_connected(view: View, device: Seen) -> str:
    dials = view.syncthing.get("dials") or NOTHING
    errors = [
        f"{address}: {dials[address]['error']}"
        for address in device.get("addresses") or ()
        if (dials.get(address) or NOTHING).get("error")
    ]
    return f"{view.name} is not connected to {device['name']}" + (f" ({'; '.join(errors)})" if errors else "")


def encryption_failure(views: Views, view: View, device: Seen) -> str | None:
    """Why two devices refuse each other: they disagree about a folder's encryption. They connect and part again all the time.

    Syncthing keeps its errors until it starts anew, so one of devices that share the folder by now is an old one.
    """
    other = views.get(device["name"])
    for teller, about in ((view, view.id_of(device)), (other, view.device_id)):
        for one in (teller.syncthing.get("errors") or ()) if teller else ():
            message = str(one.get("message") or "")
            # Version 1 writes the whole ID, version 2 its beginning.
            if about and about[:7] in message and "encryption consistency" in message:
                named = _folder_named(view, message)
                if view.connection_to(device).get("connected") and _state(view, named, device) in SHARING_REMOTE_STATES:
                    continue
                reason = message.rpartition("error=")[2] if "error=" in message else message.rpartition(": ")[2]
                where = f"the folder {named}" if named else "one of their folders"
                return f"{where}: {reason.strip(' )')}{_way_out(message)}"
    return None


def _folder_named(view: View, message: str) -> str | None:
    return next((folder for folder in view.folders if re.search(rf"(?<![\w-]){re.escape(folder)}(?![\w-])", message)), None)


def _state(view: View, folder: str | None, device: Seen) -> str | None:
    """What the device says of a folder."""
    completion = (view.folders.get(folder or "") or NOTHING).get("completion") or NOTHING
    state = (completion.get(view.id_of(device) or "") or NOTHING).get("remote_state")
    return None if state is None else str(state)


def _way_out(message: str) -> str:
    if "different encryption passwords" not in message:
        return ""
    return (
        ". Give encryption_password its old value again; to change it, remove the folder and its files from the device without"
        " trust first, so that it is sent anew"
    )


def _not_shared(views: Views, view: View, folder: Seen, cut_off: t.Collection[str]) -> list[str]:
    present = view.folders.get(folder["id"])
    if present is None or is_paused(view, folder) or folder["id"] in view.left_out:
        return []
    found = []
    for device in folder["devices"]:
        name, other = device["name"], views.get(device["name"])
        if name not in view.managed or name in cut_off or not view.connection_to(device).get("connected"):
            continue  # a missing connection is a finding of its own
        if other and (folder["id"] in other.left_out or is_paused(other, folder)):
            continue
        state = _state(view, folder["id"], device)
        if encryption_failure(views, view, device):
            continue  # that is why
        if state not in SHARING_REMOTE_STATES:
            found.append(f"folder {folder['id']}: {name} does not share it with {view.name} (it says {state})")
    return found


# --- waiting ------------------------------------------------------------------------------------


def wait_for(views: Views, view: View, cut_off: t.Collection[str]) -> dict[str, t.Any]:
    """What of one host's Syncthing waiting may cure, as syncthing_info takes it; empty if there is nothing."""
    if view.name in cut_off or not view.device_id:
        return {}
    devices = {}
    for device in view.wanted["devices"]:
        other, device_id = views.get(device["name"]), view.id_of(device)
        if other is None or other.name in cut_off or not device_id or device["name"] not in view.managed:
            continue
        if is_paused_device(view, device) or paused_by(other, view) or not _know_each_other(view, other):
            continue
        if encryption_failure(views, view, device):
            continue
        devices[device["name"]] = device_id
    folders = {}
    for folder in view.wanted["folders"]:
        present = view.folders.get(folder["id"])
        if present is None or is_paused(view, folder) or folder["id"] in view.left_out or absent_holders(view, folder):
            continue
        sharers = [device["name"] for device in folder["devices"] if device["name"] in devices]
        folders[folder["id"]] = [devices[name] for name in sharers if _shares(views[name], view, folder["id"])]
    wanted = {"devices": sorted(devices.values()), "folders": folders}
    return wanted if _settle.Watch(dict(view.syncthing), 0.0).open_ends(wanted) else {}


def _know_each_other(view: View, other: View) -> bool:
    return other.device_id in (view.syncthing.get("devices") or ()) and view.device_id in (other.syncthing.get("devices") or ())


def _shares(other: View, view: View, folder: str) -> bool:
    """Whether the other side has the folder, and shares it with this one: else no waiting will help."""
    present = other.folders.get(folder) or NOTHING
    return view.device_id in (present.get("devices") or ()) and not present.get("paused") and folder not in other.left_out
