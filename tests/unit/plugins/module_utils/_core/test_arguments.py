# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Options are completed as Ansible does it, and what does not fit is refused."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.openclaw.hardening.plugins.module_utils._backup.options import BACKUP_ARGUMENTS
from ansible_collections.openclaw.hardening.plugins.module_utils._core.arguments import completed
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.options import AUDIT_ARGUMENTS

BACKUP = {
    "project": "openclaw",
    "directory": "/var/backups/openclaw",
    "state_dir": "/var/lib/openclaw/.openclaw",
    "config_dir": "/etc/openclaw",
    "record_dir": "/var/lib/openclaw-hardening",
}


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        (AUDIT_ARGUMENTS, {}),
        (AUDIT_ARGUMENTS, {"waivers": [{"id": "OCH-CTR-06", "reason": "a plugin writes there"}], "units": {"a": 1.5}}),
        (BACKUP_ARGUMENTS, BACKUP),
        (BACKUP_ARGUMENTS, {**BACKUP, "policy": {"bind": "lan", "capabilities": ["CHOWN"], "waivers": []}, "keep": 3}),
    ],
)
def test_options_are_completed_as_ansible_does_it(spec: dict[str, Any], given: dict[str, Any]) -> None:
    validated = ArgumentSpecValidator(spec).validate(given)
    assert validated.error_messages == []
    assert completed(spec, given) == validated.validated_parameters


def test_every_kind_of_rule_in_the_specs_of_the_jobs_is_known() -> None:
    known = {"type", "elements", "default", "required", "options", "choices", "no_log"}

    def kinds(spec: dict[str, Any]) -> set[str]:
        return set().union(*(set(rule) | kinds(rule.get("options") or {}) for rule in spec.values())) if spec else set()

    assert kinds(AUDIT_ARGUMENTS) | kinds(BACKUP_ARGUMENTS) <= known


@pytest.mark.parametrize(
    ("spec", "given", "message"),
    [
        ({"a": {"type": "str", "required": True}}, {}, "a: found nothing, needed a value; deploy again"),
        ({"a": {"type": "str"}}, {"b": 1}, "b.*: found an option, needed one that the module has"),
        ({"a": {"type": "dict", "options": {"b": {"required": True}}}}, {"a": {}}, r"a\.b: found nothing"),
        ({"a": {"type": "list", "options": {"b": {}}}}, {"a": [{"b": 1}, {"c": 1}]}, r"a\.'?c'?: found an option"),
    ],
)
def test_what_does_not_fit_is_refused(spec: dict[str, Any], given: dict[str, Any], message: str) -> None:
    with pytest.raises(HardeningError, match=message):
        completed(spec, given)


def test_a_default_is_not_shared_between_runs_by_mistake() -> None:
    spec = {"a": {"type": "dict", "options": {"b": {"type": "int", "default": 5}}}}
    given: dict[str, Any] = {"a": {}}
    assert completed(spec, given) == {"a": {"b": 5}}
    assert given == {"a": {}}
