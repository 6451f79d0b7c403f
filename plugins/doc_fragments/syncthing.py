# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation that the Syncthing modules share; each option is described once, here."""

from __future__ import annotations

from textwrap import indent

_DEVICE_DEFAULTS = r"""
addresses:
  description: Addresses at which the device is dialed, such as V(tcp://nas:22000), or V(dynamic) to ask discovery.
  type: list
  elements: str
allowed_networks:
  description:
    - Networks, as CIDR, that the device may connect from and is dialed in. The first network that matches decides; a C(!) in
      front of a network excludes it.
  type: list
  elements: str
introducer:
  description: Add all devices that this device (an introducer) knows.
  type: bool
skip_introduction_removals:
  description: Keep devices that the introducer no longer knows.
  type: bool
auto_accept_folders:
  description: Accept every folder that the device offers.
  type: bool
paused:
  description: Whether connections to the device are paused.
  type: bool
untrusted:
  description: Share folders with the device only encrypted. Such a device cannot have C(introducer) or C(auto_accept_folders).
  type: bool
compression:
  description: Which data is compressed before it is sent to the device.
  type: str
  choices: [metadata, always, never]
max_send_kbps:
  description: Limit of the data sent to the device, in KiB/s; V(0) for no limit.
  type: int
max_recv_kbps:
  description: Limit of the data received from the device, in KiB/s; V(0) for no limit.
  type: int
num_connections:
  description: Number of connections to the device; V(0) lets Syncthing decide. Needs Syncthing 1.25 or newer.
  type: int
remote_gui_port:
  description:
    - Port of the device's web interface, from V(1) to V(65535), for the link to it in this host's web interface; V(0) shows none.
    - The link works only if the other device's web interface listens on an address that this host can reach.
  type: int
settings:
  description: Other keys, as in U(https://docs.syncthing.net/users/config.html#device-element). An unknown key is an error.
  type: dict
"""

_DEVICE_ID = r"""
device_id:
  description: ID of the device. By default the ID that this host already has for the device's name.
  type: str
"""

_FOLDER_DEFAULTS = r"""
versioning:
  description: How to keep old versions of files that other devices change or delete.
  type: dict
  suboptions:
    type:
      description: Kind of versioning (U(https://docs.syncthing.net/users/versioning.html)).
      type: str
      choices: [none, trashcan, simple, staggered, external]
      required: true
    params:
      description: Parameters of the versioning by Syncthing's own names, such as C(keep) or C(maxAge).
      type: dict
    path:
      description: Directory of the old versions; by default C(.stversions) in the folder.
      type: path
    cleanup_interval:
      description: Interval at which old versions are removed, in seconds, at most a year (V(31536000)); V(0) for never.
      type: int
paused:
  description: Whether the folder is paused.
  type: bool
rescan_interval:
  description: Interval of full scans, in seconds, at most a year (V(31536000)); V(0) for never.
  type: int
fs_watcher:
  description: Watch the folder for changes.
  type: bool
fs_watcher_delay:
  description: How long the watcher waits for more changes before it reports them, in seconds, at least V(1).
  type: int
ignore_permissions:
  description: Ignore file permissions. A folder of type V(receiveencrypted) always does.
  type: bool
min_disk_free:
  description: Free space on the disk below which no data is received, such as V(1 %) or V(10 GB); V(0) for no limit.
  type: str
max_conflicts:
  description: Number of conflict copies that are kept of a file; V(-1) for all of them.
  type: int
order:
  description: Order in which files are received.
  type: str
  choices: [random, alphabetic, smallestFirst, largestFirst, oldestFirst, newestFirst]
settings:
  description: Other keys, as in U(https://docs.syncthing.net/users/config.html#folder-element). An unknown key is an error.
  type: dict
"""

_FOLDER = r"""
label:
  description: Name of the folder in the web interface.
  type: str
path:
  description:
    - Path of the folder on this host. Required for a folder that this host does not have yet.
    - A folder whose disk is not mounted is left out, with a warning; if Syncthing already has the folder, it is not changed. See
      C(requires_mount).
    - The path must not lie inside another folder, in Syncthing's own files, or in a directory of the system, not even through
      symbolic links.
    - The path of an existing folder changes only with O(allow_moves).
  type: str
requires_mount:
  description:
    - A directory that must be a mount point; otherwise the folder is left out. Use it for a disk that is not configured anywhere
      on the host, such as one that is mounted by hand.
    - Not needed for a disk that is configured in C(/etc/fstab), a mount or automount unit, C(/etc/auto.master) or ZFS.
  type: path
type:
  description:
    - Direction in which changes are synced; V(receiveencrypted) holds only ciphertext.
    - The type of an existing folder changes only with O(allow_moves), and never from or to V(receiveencrypted).
  type: str
  choices: [sendreceive, sendonly, receiveonly, receiveencrypted]
devices:
  description:
    - Devices that the folder is shared with. Together with C(device_names) the list is complete; devices added by an introducer
      are kept.
  type: list
  elements: dict
  suboptions:
    name:
      description: Name of a device that is declared, or that this host already knows.
      type: str
    device_id:
      description: ID of the device, instead of its name.
      type: str
    encryption_password:
      description:
        - Password that encrypts the files before they are sent to this device, which gets only ciphertext. It must not be
          empty. Without this option an existing password is kept.
        - Changing the password, or setting one for a device that already has the folder, needs O(allow_moves), because the
          device would then refuse every connection. To rotate it, take the device out of the folder, remove the folder and its
          files on the device, and share the folder with the device again.
      type: str
device_names:
  description:
    - Names of devices that the folder is shared with, as a short form of C(devices) for those that need no password here.
      A device that is in both lists counts once.
    - In a mesh of hundreds of devices this form takes a fraction of the time of the other.
  type: list
  elements: str
marker_name:
  description:
    - Name of a file or directory that must exist in the folder for it to be synced; never empty. It is never created.
    - The marker of an existing folder changes only with O(allow_moves).
  type: str
ignores:
  description:
    - Ignore patterns, as a complete list (U(https://docs.syncthing.net/users/ignoring.html)). For a new folder they are written
      before the first scan.
  type: list
  elements: str
""" + _FOLDER_DEFAULTS.lstrip()

_OPTIONS = r"""
listen_addresses:
  description: Addresses on which this host listens for devices, such as V(tcp://100.64.0.1:22000).
  type: list
  elements: str
global_announce_enabled:
  description: Announce this host to the global discovery servers.
  type: bool
global_announce_servers:
  description: Global discovery servers.
  type: list
  elements: str
local_announce_enabled:
  description: Announce this host on the LAN.
  type: bool
announce_lan_addresses:
  description: Announce the LAN addresses to the global discovery servers, too.
  type: bool
relays_enabled:
  description: Connect through relays when no direct connection is possible.
  type: bool
nat_enabled:
  description: Ask routers to open ports (UPnP, NAT-PMP). V(false) turns STUN off as well.
  type: bool
stun_keepalive_start:
  description: First interval of STUN keep-alives, in seconds; V(0) turns STUN off.
  type: int
crash_reporting_enabled:
  description: Send crash reports to Syncthing's developers.
  type: bool
ur_accepted:
  description: Accepted version of the usage report; V(-1) for none, V(0) for not asked yet.
  type: int
auto_upgrade_interval:
  description: Interval at which Syncthing looks for a new version of itself, in hours; V(0) for never.
  type: int
reconnection_interval:
  description: Interval at which devices that are not connected are dialed, in seconds, at least V(5).
  type: int
always_local_nets:
  description: Networks, as CIDR, whose devices count as local. Rate limits do not apply to them.
  type: list
  elements: str
max_send_kbps:
  description: Limit of all data sent, in KiB/s; V(0) for no limit.
  type: int
max_recv_kbps:
  description: Limit of all data received, in KiB/s; V(0) for no limit.
  type: int
limit_bandwidth_in_lan:
  description: Apply rate limits to local devices, too.
  type: bool
max_folder_concurrency:
  description: Number of folders that scan or sync at the same time; V(0) lets Syncthing decide, V(-1) for no limit.
  type: int
settings:
  description: Other keys, as in U(https://docs.syncthing.net/users/config.html#options-element). An unknown key is an error.
  type: dict
"""

_GUI = r"""
enabled:
  description: Whether web interface and REST API are on. Without them the modules of this collection cannot reach Syncthing.
  type: bool
address:
  description:
    - Listen address of web interface and REST API, such as V(127.0.0.1:8384), or the path of a unix socket. The directory of the
      socket must exist, and Syncthing's user must be able to write to it.
    - A unix socket and O(gui.tls) together are an error.
  type: str
unix_socket_permissions:
  description: Permissions of the unix socket of O(gui.address) in octal, such as V("0660").
  type: str
user:
  description: Name to log in with.
  type: str
password:
  description:
    - Password to log in with, or its bcrypt hash; never empty. A password is tested before it is written, because Syncthing
      keeps only a hash of it.
    - Syncthing before 1.25 would hash a hash again, so it needs the password in plain text.
  type: str
tls:
  description: Use HTTPS only, with the certificate that Syncthing makes.
  type: bool
api_key:
  description: New API key. The modules of this collection read the key from C(config.xml), so they need no change.
  type: str
insecure_skip_hostcheck:
  description: Answer requests for any host name, which a reverse proxy needs.
  type: bool
theme:
  description: Theme of the web interface.
  type: str
settings:
  description: Other keys, as in U(https://docs.syncthing.net/users/config.html#gui-element). An unknown key is an error.
  type: dict
"""

_SYSTEM = f"""
options:
  description: Syncthing's options. A list replaces the whole list that Syncthing has.
  type: dict
  suboptions:{indent(_OPTIONS, " " * 4)}
gui:
  description: Web interface and REST API. Written last, because a change restarts them.
  type: dict
  suboptions:{indent(_GUI, " " * 4)}
defaults:
  description: Defaults of new devices and folders.
  type: dict
  suboptions:
    device:
      description: Defaults of devices.
      type: dict
      suboptions:{indent(_DEVICE_DEFAULTS, " " * 8)}
    folder:
      description: Defaults of folders.
      type: dict
      suboptions:{indent(_FOLDER_DEFAULTS, " " * 8)}
    ignores:
      description: Default ignore patterns. Needs Syncthing 1.19 or newer.
      type: list
      elements: str
"""

_GUARDS = r"""
folder_owner:
  description:
    - Owner of a new folder's directory. If the directory is missing, it is created with mode V("0750").
    - Below C(/srv), C(/home), C(/var/lib) and C(/opt) missing parents are created as well, with mode V("0755"), owned by root or,
      in a home, by its owner. Elsewhere, and below any other mount point, a folder whose parent is missing is left out.
  type: str
allow_moves:
  description:
    - Allow changes of path, type, marker and encryption passwords of existing folders. Set it for one run only. The files are
      not moved; move them yourself.
  type: bool
  default: false
"""


class ModuleDocFragment:
    DOCUMENTATION = r"""
requirements:
  - requests (Python library, on the host)
options:
  home:
    description:
      - Syncthing's home folder on the host. Address and API key of the REST API are read from the C(config.xml) in it.
        The key is not returned and does not leave the host.
    type: path
    default: /var/lib/syncthing
  timeout:
    description:
      - How long to wait while Syncthing starts, converts its database or restarts its web interface, in seconds.
    type: int
    default: 60
attributes:
  platform:
    support: full
    platforms: posix
    description: Runs on the host of Syncthing, as root or as Syncthing's user.
  action_group:
    support: full
    description: Use C(group/homelab.tailsync.syncthing) in C(module_defaults).
    membership:
      - homelab.tailsync.syncthing
"""

    # For modules that change something.
    WRITER = r"""
attributes:
  check_mode:
    support: full
    description: Reports what would change. Before Syncthing's first start it compares with an empty configuration.
  diff_mode:
    support: full
    description: Shows the declared keys before and after, secrets masked.
  idempotent:
    support: full
    description:
      - If everything matches already, the module sends one request, which only reads. Declared ignore patterns need one more
        request for each folder, and a password in plain text one or two.
notes:
  - Settings that are not declared keep their value.
"""

    # Annotated, because ansible-test's yamllint takes a plain assignment for a literal.
    DEVICE: str = f"options:{indent(_DEVICE_ID + _DEVICE_DEFAULTS.lstrip(), ' ' * 2)}"

    FOLDER: str = f"options:{indent(_FOLDER + _GUARDS.lstrip(), ' ' * 2)}"

    SYSTEM: str = f"options:{indent(_SYSTEM, ' ' * 2)}"

    CLUSTER: str = f"""
options:
  devices:
    description: Devices that this host is to know, without this host itself.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the device.
        type: str
        required: true{indent(_DEVICE_ID + _DEVICE_DEFAULTS.lstrip(), " " * 6)}
  folders:
    description: Folders that this host is to have.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: ID of the folder, the same on all devices.
        type: str
        required: true{indent(_FOLDER, " " * 6)}{indent(_GUARDS, " " * 2)}"""
