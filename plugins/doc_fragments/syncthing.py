# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Syncthing modules document in common; each option is described once, here."""

from __future__ import annotations

from textwrap import indent

_DEVICE_DEFAULTS = r"""
addresses:
  description: Where to reach it, such as V(tcp://nas:22000), or V(dynamic) to ask discovery.
  type: list
  elements: str
allowed_networks:
  description: Networks that it may connect from and be dialed at, as CIDR; the first that matches decides.
  type: list
  elements: str
introducer:
  description: Take over the devices that it knows.
  type: bool
skip_introduction_removals:
  description: Keep a device that the introducer no longer knows.
  type: bool
auto_accept_folders:
  description: Take every folder that it offers.
  type: bool
paused:
  description: Do not connect.
  type: bool
untrusted:
  description: Share folders with it only encrypted.
  type: bool
compression:
  description: What is compressed on the way.
  type: str
  choices: [metadata, always, never]
max_send_kbps:
  description: Limit of what is sent to it, in KiB/s; V(0) for none.
  type: int
max_recv_kbps:
  description: Limit of what is received from it, in KiB/s; V(0) for none.
  type: int
num_connections:
  description: How many connections to it are held; V(0) lets Syncthing decide. Needs Syncthing 1.25 or newer.
  type: int
settings:
  description:
    - Other keys, by Syncthing's own names (U(https://docs.syncthing.net/users/config.html#device-element)). A key that the
      installed version does not know is an error.
  type: dict
"""

_DEVICE_ID = r"""
device_id:
  description: The device's ID. Without it the device of this name that is there already is meant.
  type: str
"""

_FOLDER_DEFAULTS = r"""
versioning:
  description: What is kept of files that other devices change or delete.
  type: dict
  suboptions:
    type:
      description: The kind of versioning (U(https://docs.syncthing.net/users/versioning.html)).
      type: str
      choices: [none, trashcan, simple, staggered, external]
      required: true
    params:
      description: Its parameters by Syncthing's own names, such as C(keep) or C(maxAge).
      type: dict
    path:
      description: Where versions are kept; by default in C(.stversions) in the folder.
      type: path
    cleanup_interval:
      description: How often old versions are removed, in seconds.
      type: int
paused:
  description: Do not sync.
  type: bool
rescan_interval:
  description: How often to look for changes that the watcher missed, in seconds; V(0) for never.
  type: int
fs_watcher:
  description: Watch the files for changes.
  type: bool
fs_watcher_delay:
  description: How long the watcher waits for more changes, in seconds.
  type: int
ignore_permissions:
  description: Do not sync file permissions.
  type: bool
min_disk_free:
  description: Space on the disk below which nothing is fetched, such as V(1 %) or V(10 GB); V(0) for no limit.
  type: str
max_conflicts:
  description: How many conflict copies are kept of a file; V(-1) for all of them.
  type: int
order:
  description: In which order files are fetched.
  type: str
  choices: [random, alphabetic, smallestFirst, largestFirst, oldestFirst, newestFirst]
settings:
  description:
    - Other keys, by Syncthing's own names (U(https://docs.syncthing.net/users/config.html#folder-element)). A key that the
      installed version does not know is an error.
  type: dict
"""

_FOLDER = r"""
label:
  description: Its name for people.
  type: str
path:
  description:
    - Where it is on this host. Needed for a folder that is not there yet.
    - A folder whose disk is away is left out, with a warning; one that Syncthing has already is then left as it is. See
      C(requires_mount).
    - Never inside another folder, in Syncthing's own files, or in a directory of the system, whatever links lead there.
    - Changed only with O(allow_moves).
  type: str
requires_mount:
  description:
    - A directory that must be a mount point, or else the folder is left out. For a disk that nothing on the host announces,
      such as one that is mounted by hand.
    - Not needed for what C(/etc/fstab), a mount or automount unit, C(/etc/auto.master) or ZFS names.
  type: path
type:
  description:
    - What is done with changes; V(receiveencrypted) holds only ciphertext.
    - Changed only with O(allow_moves).
  type: str
  choices: [sendreceive, sendonly, receiveonly, receiveencrypted]
devices:
  description: With whom it is shared, completely; whom an introducer brought stays.
  type: list
  elements: dict
  suboptions:
    name:
      description: The name of a device that is declared, or there already.
      type: str
    device_id:
      description: Its ID, instead of the name.
      type: str
    encryption_password:
      description:
        - Send only ciphertext to this device, encrypted with this password. It must not be empty; without it the password that
          is there stays.
        - Changed, or given to a device that has the folder already, only with O(allow_moves), because the device would refuse
          every connection. To rotate it, take the device out of the folder, remove the folder and its files there, and share
          it anew.
      type: str
marker_name:
  description:
    - The file or folder that must be there for the folder to be synced. This collection never makes one.
    - Changed only with O(allow_moves).
  type: str
ignores:
  description:
    - Ignore patterns, completely (U(https://docs.syncthing.net/users/ignoring.html)). Of a new folder they are there before the
      first scan.
  type: list
  elements: str
""" + _FOLDER_DEFAULTS.lstrip()

_OPTIONS = r"""
listen_addresses:
  description: Where peers reach this host, such as V(tcp://100.64.0.1:22000).
  type: list
  elements: str
global_announce_enabled:
  description: Tell public discovery servers where this host is.
  type: bool
global_announce_servers:
  description: The discovery servers.
  type: list
  elements: str
local_announce_enabled:
  description: Tell everybody on the LAN that this host is there.
  type: bool
announce_lan_addresses:
  description: Tell discovery servers the LAN addresses, too.
  type: bool
relays_enabled:
  description: Connect through relays where there is no other way.
  type: bool
nat_enabled:
  description: Ask routers to open ports (UPnP, NAT-PMP); without it STUN is off as well.
  type: bool
stun_keepalive_start:
  description: Interval of STUN keep-alives at the start, in seconds; V(0) turns STUN off.
  type: int
crash_reporting_enabled:
  description: Send crash reports to Syncthing's developers.
  type: bool
ur_accepted:
  description: Version of the usage report that was agreed to; V(-1) for none, V(0) for not asked yet.
  type: int
auto_upgrade_interval:
  description: How often to look for a new version, in hours; V(0) for never.
  type: int
reconnection_interval:
  description: How often to dial devices that are not connected, in seconds; at least 5.
  type: int
always_local_nets:
  description: Networks whose devices count as local, to which rate limits do not apply.
  type: list
  elements: str
max_send_kbps:
  description: Limit of everything that is sent, in KiB/s; V(0) for none.
  type: int
max_recv_kbps:
  description: Limit of everything that is received, in KiB/s; V(0) for none.
  type: int
limit_bandwidth_in_lan:
  description: Limit it for local devices, too.
  type: bool
max_folder_concurrency:
  description: How many folders work at the same time; V(0) lets Syncthing decide, V(-1) for no limit.
  type: int
settings:
  description:
    - Other keys, by Syncthing's own names (U(https://docs.syncthing.net/users/config.html#options-element)). A key that the
      installed version does not know is an error.
  type: dict
"""

_GUI = r"""
enabled:
  description: Whether web interface and REST API are on. Without them no module of this collection can reach Syncthing.
  type: bool
address:
  description:
    - Where they listen, such as V(127.0.0.1:8384), or a path for a unix socket, whose directory must be there and let Syncthing's
      user write to it.
    - A unix socket and O(gui.tls) together are an error.
  type: str
unix_socket_permissions:
  description: Permissions of the unix socket in octal, such as V("0660").
  type: str
user:
  description: The name to log in with.
  type: str
password:
  description:
    - The password to log in with, or its bcrypt hash; never empty. A password is tested before it is written, because
      Syncthing keeps only a hash of it.
    - Before version 1.25 Syncthing would hash a hash once more, so there the password itself is needed.
  type: str
tls:
  description: Answer by HTTPS only, with the certificate that Syncthing makes.
  type: bool
api_key:
  description: A new API key. This collection reads it from C(config.xml), and goes on with the new one.
  type: str
insecure_skip_hostcheck:
  description: Answer requests for any host name, which a reverse proxy needs.
  type: bool
theme:
  description: The web interface's looks.
  type: str
settings:
  description:
    - Other keys, by Syncthing's own names (U(https://docs.syncthing.net/users/config.html#gui-element)). A key that the
      installed version does not know is an error.
  type: dict
"""

_SYSTEM = f"""
options:
  description: Syncthing's options. Lists are taken as complete.
  type: dict
  suboptions:{indent(_OPTIONS, " " * 4)}
gui:
  description: Web interface and REST API. Written last, because a change restarts them.
  type: dict
  suboptions:{indent(_GUI, " " * 4)}
defaults:
  description: What new devices and folders start from.
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
    - Make the missing root of a new folder, for this user, with mode V("0750").
    - Below C(/srv), C(/home), C(/var/lib) and C(/opt) missing parents are made as well, with mode V("0755"), root's or in a home
      its owner's. Elsewhere, and below any other mount point, a folder whose parent is missing is left out.
  type: str
allow_moves:
  description:
    - Let path, type, marker and encryption passwords of a folder that is there already change. For one run; moving the files is
      up to you.
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
      - Syncthing's home folder on the host. Address and API key of the REST API are read from the C(config.xml) in it;
        the key is not returned and does not leave the host.
    type: path
    default: /var/lib/syncthing
  timeout:
    description:
      - How long to wait for a Syncthing that is starting, converting its database or restarting its web interface, in seconds.
    type: int
    default: 60
attributes:
  platform:
    support: full
    platforms: posix
    description: Where Syncthing runs. Run the module on that host, as root or as Syncthing's user.
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
    description: Says what would change. Before Syncthing's first start it says what would change in an empty one.
  diff_mode:
    support: full
    description: Shows the declared keys before and after, secrets masked.
  idempotent:
    support: full
    description:
      - What is as declared is only read, by one request; declared ignore patterns cost one more for each folder, and a
        password that is given in clear one or two.
notes:
  - What is not declared keeps its value.
"""

    # Annotated, because ansible-test's yamllint takes a plain assignment for a literal.
    DEVICE: str = f"options:{indent(_DEVICE_ID + _DEVICE_DEFAULTS.lstrip(), ' ' * 2)}"

    FOLDER: str = f"options:{indent(_FOLDER + _GUARDS.lstrip(), ' ' * 2)}"

    SYSTEM: str = f"options:{indent(_SYSTEM, ' ' * 2)}"

    CLUSTER: str = f"""
options:
  devices:
    description: Devices that are to be known here, this host itself not among them.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The device's name.
        type: str
        required: true{indent(_DEVICE_ID + _DEVICE_DEFAULTS.lstrip(), " " * 6)}
  folders:
    description: Folders that are to be here.
    type: list
    elements: dict
    default: []
    suboptions:
      id:
        description: The folder's ID, the same on all devices.
        type: str
        required: true{indent(_FOLDER, " " * 6)}{indent(_GUARDS, " " * 2)}"""
