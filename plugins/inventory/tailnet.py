# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: tailnet
short_description: Use the machines of a tailnet as hosts
version_added: 1.0.0
author:
  - The tailsync contributors (@homelab)
description:
  - Gets hosts from C(tailscale status) on the controller, from Tailscale's API or from Headscale's.
  - The name of a host is the first part of its MagicDNS name. The host is in the group C(online) or C(offline), in C(os_NAME),
    and in C(tag_NAME) for each of its tags. It has the variables C(tailnet_id), C(tailnet_dns_name), C(tailnet_hostname),
    C(tailnet_addresses), C(tailnet_ipv4), C(tailnet_ipv6), C(tailnet_os), C(tailnet_online) and C(tailnet_tags).
  - The name of the inventory file must be C(tailnet.yml) or end in C(.tailnet.yml), or the same with C(.yaml).
extends_documentation_fragment:
  - constructed
  - inventory_cache
requirements:
  - requests (Python library), unless O(source=local)
options:
  plugin:
    description: Name of this plugin.
    type: str
    required: true
    choices: [homelab.tailsync.tailnet]
  source:
    description: Source of the tailnet's machines.
    type: str
    choices: [local, tailscale, headscale]
    default: local
  tailscale_command:
    description: The command C(tailscale), for O(source=local). It may have arguments.
    type: str
    default: tailscale
  include_self:
    description: Include the controller itself as a host, for O(source=local).
    type: bool
    default: false
  base_url:
    description: URL of the API of O(source). Needed for O(source=headscale).
    type: str
    default: https://api.tailscale.com
  tailnet:
    description: Name of the tailnet; V(-) for the tailnet of the credentials.
    type: str
    default: '-'
  api_token:
    description:
      - An API token of Tailscale, for O(source=tailscale).
      - A value in the file for this option, O(oauth_client_secret) or O(headscale_api_key) takes precedence over the environment.
        From the environment only a credential for O(source) is used.
    type: str
    env:
      - name: TS_API_TOKEN
  oauth_client_secret:
    description: Secret of an OAuth client of Tailscale with the scope C(devices:core:read), instead of O(api_token).
    type: str
    env:
      - name: TS_OAUTH_CLIENT_SECRET
  headscale_api_key:
    description: Headscale's API key, for O(source=headscale).
    type: str
    env:
      - name: HEADSCALE_API_KEY
  offline:
    description: Include machines that are offline.
    type: bool
    default: true
  address:
    description:
      - Value of C(ansible_host). V(dns_name) needs MagicDNS on the controller; for machines without a full name it gives an
        address.
    type: str
    choices: [dns_name, ipv4, ipv6]
    default: dns_name
"""

EXAMPLES = r"""
# tailnet.yml: the machines that the controller itself sees, with the servers in a group
plugin: homelab.tailsync.tailnet
offline: false
groups:
  tailsync: "'tag:server' in tailnet_tags"

---
# headscale.tailnet.yml: the API key comes from the environment variable HEADSCALE_API_KEY
plugin: homelab.tailsync.tailnet
source: headscale
base_url: https://headscale.example.org
address: ipv4
keyed_groups:
  - key: tailnet_tags
    prefix: tag
"""

import json
import shlex
import subprocess
import typing as t

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._control import REQUESTS_ERROR, Control
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._errors import ControlError
from ansible_collections.homelab.tailsync.plugins.module_utils._tailscale._tables import TAILSCALE_API
from ansible_collections.homelab.tailsync.plugins.plugin_utils import tailnet_machines

NAMES = ("tailnet.yml", "tailnet.yaml")
# The source of each credential; it is never sent to another server. Of two fitting ones in the environment the first is used.
CREDENTIALS = {"oauth_client_secret": "tailscale", "api_token": "tailscale", "headscale_api_key": "headscale"}
STATUS_TIMEOUT = 30  # seconds


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "homelab.tailsync.tailnet"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith(NAMES)

    def parse(self, inventory: t.Any, loader: t.Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        written = self._read_config_data(path)
        self.written = [name for name in CREDENTIALS if written.get(name)]
        for machine in self._machines(path, cache):
            if machine["online"] or self.get_option("offline"):
                self._add(machine)

    def _machines(self, path: str, cache: bool) -> list[tailnet_machines.Machine]:
        self.load_cache_plugin()
        key = self.get_cache_key(path)
        use_cache = self.get_option("cache")
        if use_cache and cache and key in self._cache:
            return t.cast("list[tailnet_machines.Machine]", self._cache[key])
        found = self._ask()
        if use_cache:
            self._cache[key] = found
        return found

    def _ask(self) -> list[tailnet_machines.Machine]:
        source = self.get_option("source")
        try:
            if source == "local":
                return tailnet_machines.from_status(self._status(), self.get_option("include_self"))
            control = self._control(source)
            if source == "headscale":
                return tailnet_machines.from_headscale(control.headscale_nodes())
            return tailnet_machines.from_tailscale(control.tailscale_devices(self.get_option("tailnet")))
        except ControlError as error:
            raise AnsibleParserError(str(error)) from error

    def _status(self) -> dict[str, t.Any]:
        command = [*shlex.split(self.get_option("tailscale_command")), "status", "--json"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=STATUS_TIMEOUT)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ControlError(f"{command[0]} cannot be run: {error}. Is tailscale_command right?") from error
        try:
            status = json.loads(done.stdout)
        except ValueError as error:
            reason = done.stderr.strip() or "no reason given"
            raise ControlError(
                f"{shlex.join(command)} printed no JSON: {reason}. Is tailscaled running on the controller?"
            ) from error
        if status.get("BackendState") != "Running":
            raise ControlError(
                f"the controller's own Tailscale is {status.get('BackendState')}, not Running: log in, or run tailscale up"
            )
        return t.cast("dict[str, t.Any]", status)

    def _control(self, source: str) -> Control:
        if REQUESTS_ERROR:
            raise ControlError("the Python library requests is missing on the controller: install it, or use source: local")
        name = self._credential(source)
        if source == "headscale" and self.get_option("base_url") == TAILSCALE_API:
            raise ControlError("base_url is Tailscale's own, but source is headscale: set base_url to your Headscale's address")
        control = Control(self.get_option("base_url"))
        if name == "oauth_client_secret":
            control.log_in(None, self.get_option(name))
        else:
            control.use_token(self.get_option(name))
        return control

    def _credential(self, source: str) -> str:
        """The name of the option with the credential."""
        for name in self.written:
            if CREDENTIALS[name] != source:
                raise ControlError(
                    f"{name} is for source: {CREDENTIALS[name]}, and source is {source}: take it out of the file or change source"
                )
        if len(self.written) > 1:
            raise ControlError(f"{' and '.join(sorted(self.written))} are both in the file: keep the one that is to be used")
        found = self.written or [name for name, whose in CREDENTIALS.items() if whose == source and self.get_option(name)]
        if not found and source == "headscale":
            raise ControlError("headscale_api_key (environment: HEADSCALE_API_KEY) is not set: give it, or use source: local")
        if not found:
            raise ControlError(
                "neither api_token nor oauth_client_secret is set (environment: TS_API_TOKEN, TS_OAUTH_CLIENT_SECRET): give one, "
                "or use source: local"
            )
        return found[0]

    def _add(self, machine: tailnet_machines.Machine) -> None:
        name = self.inventory.add_host(machine["name"])
        address = tailnet_machines.address(machine, self.get_option("address"))
        if address:
            self.inventory.set_variable(name, "ansible_host", address)
        for key in ("id", "dns_name", "hostname", "addresses", "ipv4", "ipv6", "os", "online", "tags"):
            self.inventory.set_variable(name, f"tailnet_{key}", machine[key])
        for group in tailnet_machines.groups(machine):
            self.inventory.add_child(self.inventory.add_group(group), name)
        variables = self.inventory.get_host(name).get_vars()
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)
