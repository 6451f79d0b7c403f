# Copyright (c) 2026, the tailsync contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the variables of all hosts of a play at once.

Each host's variables are those that its tasks would see. They come from ansible-core's own variable manager: a task has them for
one host only, and `hostvars` has no variables of the play and the role.
"""

from __future__ import annotations

import typing as t

from ansible import constants, context
from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible.plugins.loader import become_loader, connection_loader
from ansible.utils.display import Display
from ansible_collections.homelab.tailsync.plugins.plugin_utils import (
    preload,
    run_shape,
    secret_transfer,
    validate,
    validate_members,
)
from ansible_collections.homelab.tailsync.plugins.plugin_utils.resolve_inputs import OMITTED, Resolver
from ansible_collections.homelab.tailsync.plugins.plugin_utils.validate_types import unique_problems

PRELOADED = preload.FILTERS  # for the workers
Variables = t.Dict[str, t.Any]  # noqa: UP006
TRANSFER = ("ansible_connection", "ansible_become_method", "ansible_pipelining", "ansible_ssh_pipelining")
SPEC = {
    "roles": {"type": "list", "elements": "str", "required": True},
    "hosts": {"type": "raw"},
}


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: Variables | None = None) -> Variables:
        result: Variables = super().run(tmp, task_vars)
        _spec, arguments = self.validate_argument_spec(argument_spec=SPEC)
        self._seen = task_vars or {}
        self._secrets: dict[tuple[str, int], list[str]] = {}
        self._manager = self._task.get_variable_manager()
        self._inventory = self._manager._inventory
        self._conditions = self._conditions_of_role() if arguments.get("hosts") is None else []
        checked: list[str] = []
        hosts, problems = self._hosts(arguments.get("hosts"))
        problems += self._problems_of_play(arguments)
        if not problems:
            checked, problems = self._problems(hosts, arguments["roles"])
        if problems:
            many = f"{len(problems)} problems with the variables, and no host was touched" if len(problems) > 1 else ""
            result.update(failed=True, msg="\n".join([*([many] if many else []), *problems]))
        return {**result, "changed": False, "checked": [] if problems else checked}

    # --- the hosts --------------------------------------------------------------------------------

    def _hosts(self, pattern: t.Any) -> tuple[list[t.Any], list[str]]:
        if pattern is None:
            # With these strategies each host runs alone, so each is checked alone.
            alone = self._strategy() in run_shape.ALONE or not self._task.run_once
            # With `serial`, hosts of later batches have no facts yet.
            names = [self._seen["inventory_hostname"]] if alone else self._seen["ansible_play_batch"]
            return [self._inventory.get_host(name) for name in names], []
        hosts = self._inventory.get_hosts(pattern)
        if not (hosts or self._inventory.get_hosts(pattern, ignore_limits=True, ignore_restrictions=True)):
            groups = self._inventory.groups
            names = groups if pattern == validate.GROUP else [*groups, *self._inventory.hosts]
            return [], [validate.no_hosts_problem(pattern, names)]
        return hosts, [validate.tailsync_hosts_problem(pattern)] if self._is_of_inventory("tailsync_hosts", pattern) else []

    def _strategy(self) -> str:
        return str(getattr(self._task.get_play(), "strategy", "")).rpartition(".")[2]

    def _problems_of_play(self, arguments: Variables) -> list[str]:
        """Whether the play's hosts know each other; a given pattern is checked for other plays than this one."""
        if arguments.get("hosts") is not None:
            return []
        number = len(self._seen.get("ansible_play_hosts_all") or ())
        return run_shape.problems(arguments["roles"], self._strategy(), self._task.get_play().serial or [], number)

    def _is_of_inventory(self, name: str, value: t.Any) -> bool:
        """Whether the value is of a variable that only the inventory sets, so that no play sees it in its `hosts`."""
        if value == validate.GROUP or name not in self._seen or name in self._manager.get_vars(play=self._task.get_play()):
            return False
        return bool(self._templar.template(self._seen[name]) == value)

    def _conditions_of_role(self) -> list[t.Any]:
        """The conditions of the task and its role. Those of `include_role` are not part of the task's own `when`."""
        found, parent = list(self._task.when), self._task._parent
        while parent is not None:
            found += [] if getattr(parent, "statically_loaded", True) else parent.when
            parent = parent._parent
        return found

    def _takes_part(self, host: t.Any, templar: t.Any) -> bool:
        if host.name == self._seen["inventory_hostname"]:
            return True
        try:
            return all(templar.evaluate_conditional(condition) for condition in self._conditions)
        except Exception:  # a template can raise anything; the host's own task reports it
            return False

    def _problems(self, hosts: list[t.Any], roles: list[str]) -> tuple[list[str], list[str]]:
        names, resolver = validate.names_of(roles), Resolver(self._seen.get("omit"))
        defaults = self._defaults(roles)
        resolved: dict[str, Variables] = {}
        given: dict[str, set[str]] = {}
        found: list[tuple[str, str]] = []
        transfers: dict[secret_transfer.Transfer, None] = {}
        secrets: set[str] = set()
        for host in hosts:
            raw = self._manager.get_vars(play=self._task.get_play(), host=host, task=self._task)
            variables = {**defaults, **raw}
            templar = self._templar.copy_with_new_env(available_variables=variables)
            if not self._takes_part(host, templar):
                continue
            template = templar.template
            values, complaints = self._resolve(resolver, names, variables, template)
            resolved[host.name] = values
            given[host.name] = {name for name in raw if raw[name] is not self._role_default(name)}
            found += [(problem, host.name) for problem in complaints]
            own = self._secrets_of(values)
            secrets |= own
            if own:
                transfers[self._transfer(resolver, raw, template)] = None
        # `localhost` need not be in the inventory.
        inventory = {*self._inventory.hosts, *resolved, self._seen["inventory_hostname"]}
        homes = self._homes(resolver, resolved, roles)
        return list(resolved), [
            *unique_problems(found, resolved),
            *self._transfer_problems(transfers, sorted(secrets)),
            *validate.problems(resolved, roles, names=given, inventory=inventory, homes=homes),
        ]

    def _defaults(self, roles: list[str]) -> Variables:
        """The defaults of the roles: the checking play does not include the roles itself."""
        found: Variables = {}
        for role in roles:
            path = validate.COLLECTION_ROLES / role / "defaults" / "main.yml"
            if path.exists():
                found |= self._loader.load_from_file(str(path), trusted_as_template=True) or {}
        return found

    def _role_default(self, name: str) -> t.Any:
        if not hasattr(self, "_of_roles"):
            roles = [*self._task.get_play().roles, *([self._task._role] if self._task._role else [])]
            self._of_roles: Variables = {}
            for role in roles:
                self._of_roles |= role.get_default_vars(dep_chain=self._task.get_dep_chain())
        return self._of_roles.get(name, OMITTED)

    @staticmethod
    def _resolve(
        resolver: Resolver, names: t.Iterable[str], variables: Variables, template: t.Callable[[t.Any], t.Any]
    ) -> tuple[Variables, list[str]]:
        values: Variables = {}
        problems: list[str] = []
        unresolved: set[str] = set()
        for name in sorted(set(names) & set(variables)):
            value, complaints = resolver.value(name, variables[name], template)
            problems += complaints
            if complaints:
                unresolved.add(name)
            if value is not OMITTED:
                values[name] = value
        if unresolved:
            values[validate_members.UNRESOLVED] = unresolved
        # By default one is the other, and is no second problem.
        again = {f"syncthing_mesh_{words[10:]}" for words in problems if words.startswith("syncthing_")}
        return values, [words for words in problems if words not in again]

    def _homes(self, resolver: Resolver, resolved: t.Mapping[str, Variables], roles: list[str]) -> Variables:
        """Syncthing's home on the members that this run leaves out."""
        if "syncthing_mesh" not in roles:
            return {}
        members = {
            name for values in resolved.values() for name in values.get("syncthing_mesh_hosts") or () if isinstance(name, str)
        }
        found: Variables = {}
        for name in sorted(members - set(resolved)):
            host = self._inventory.get_host(name)
            raw = self._manager.get_vars(host=host) if host else {}
            template = self._templar.copy_with_new_env(available_variables=raw).template
            homes, _problems = self._resolve(resolver, ("syncthing_mesh_home", "syncthing_home"), raw, template)
            found[name] = homes.get("syncthing_mesh_home") or homes.get("syncthing_home")
        return found

    # --- transfer of secrets ----------------------------------------------------------------------

    def _secrets_of(self, values: Variables) -> set[str]:
        """The variables with secrets. Values that several hosts share, such as the folders of a mesh, are searched once."""
        found: set[str] = set()
        for name in (*secret_transfer.SECRETS, *secret_transfer.CONTAINERS):
            key = (name, id(values.get(name)))
            if key not in self._secrets:
                self._secrets[key] = secret_transfer.secrets_of({name: values.get(name)})
            found.update(self._secrets[key])
        return found

    def _transfer_problems(self, transfers: t.Iterable[secret_transfer.Transfer], secrets: list[str]) -> list[str]:
        found = []
        for transfer in transfers:
            refusal, warning = secret_transfer.refusal_of(transfer, secrets), secret_transfer.warning_of(transfer)
            found += [refusal] if refusal else []
            if warning:
                Display().warning(warning)
        return list(dict.fromkeys(found))

    def _transfer(self, resolver: Resolver, raw: Variables, template: t.Callable[[t.Any], t.Any]) -> secret_transfer.Transfer:
        """The transfer settings of a host. This task has the same settings as the tasks with secrets."""
        own, _problems = self._resolve(resolver, TRANSFER, raw, template)
        name = str(own.get("ansible_connection") or self._task.connection or context.CLIARGS.get("connection") or "ssh")
        method = str(
            own.get("ansible_become_method") or self._task.become_method or context.CLIARGS.get("become_method") or "sudo"
        )
        connection, become = connection_loader.get(name, class_only=True), become_loader.get(method, class_only=True)
        can_pipeline = bool(getattr(connection, "has_pipelining", False))
        become_can_pipeline = bool(getattr(become, "pipelining", True))
        wanted = self._wants_pipelining(getattr(connection, "ansible_name", None) or name, own)
        keeps_files = bool(constants.DEFAULT_KEEP_REMOTE_FILES)
        always = bool(getattr(connection, "always_pipeline_modules", False))
        return secret_transfer.Transfer(
            connection=name,
            can_pipeline=can_pipeline,
            become=method,
            become_can_pipeline=become_can_pipeline,
            wanted=wanted,
            keeps_files=keeps_files,
            pipelines=((can_pipeline and become_can_pipeline and wanted) or always) and not keeps_files,
        )

    def _wants_pipelining(self, connection: str, own: Variables) -> bool:
        try:
            wanted = constants.config.get_config_value(
                "pipelining", plugin_type="connection", plugin_name=connection, variables=own
            )
        except AnsibleError:  # the connection plugin has no such option
            return bool(self._play_context.pipelining)
        return bool(wanted)
