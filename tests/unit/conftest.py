"""What several unit tests share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from types import ModuleType

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import access
from ansible_collections.openclaw.hardening.plugins.module_utils._system import command

RunModule = Callable[..., dict]
# What takes longest is one item of the queue (--dist loadfile), and would be what all wait for at the end.
FIRST = ("test_text_values.py", "test_preflight_refusals_healed.py", "test_refusals_healed.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the longest files begin; the others stay in their order."""
    places = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.name, len(FIRST)))


@pytest.fixture
def run_module(capsys: pytest.CaptureFixture[str]) -> RunModule:
    """Run a module's ``main()`` with real arguments; return the JSON that Ansible would get."""

    def run(module: ModuleType, check: bool = False, **arguments: object) -> dict:
        with (
            patch_module_args({**arguments, "_ansible_check_mode": check, "_ansible_diff": True}),
            pytest.raises(SystemExit),
        ):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run


@pytest.fixture(autouse=True)
def answering_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stand-in for a module answer commands by its ``run_command``, instead of this machine."""
    real = command.execute

    def execute(module: object, argv: list[str], **options: object) -> command.Output:
        if isinstance(module, AnsibleModule) or not hasattr(module, "run_command"):
            return real(module, argv, **options)
        return command.Output(
            *module.run_command(argv, cwd=options["cwd"], environ_update=options["env"], data=options["data"])
        )

    monkeypatch.setattr(command, "execute", execute)


@pytest.fixture
def as_root() -> None:
    """Skip where owners cannot be changed."""
    if os.geteuid() != 0:
        pytest.skip("changes owners: needs root")


@pytest.fixture
def without_docker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine be one on which Docker is not installed, whatever it is; a stub that listens is there."""
    monkeypatch.setattr(access, "find_program", lambda _name: None)
    monkeypatch.setattr(access, "_engines", lambda: ())
