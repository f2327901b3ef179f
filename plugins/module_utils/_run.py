# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Run outside programs: argv lists only, failures carry what an operator needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ansible_collections.openclaw.hardening.plugins.module_utils import _lock, _program
from ansible_collections.openclaw.hardening.plugins.module_utils._errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._text import spoken

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule


@dataclass(frozen=True)
class Output:
    """What a program answered."""

    rc: int
    stdout: str
    stderr: str


def run(
    module: AnsibleModule,
    argv: list[str],
    *,
    check: bool = True,
    cwd: str | None = None,
    env: dict[str, str] | None = None,
    data: str | None = None,
) -> Output:
    """Run ``argv`` and return its output.

    :param check: raise :class:`HardeningError` when the program fails; otherwise the caller reads ``rc``.
    :param env: added to the environment; never a place for a secret.
    :param data: standard input.
    """
    environment = {**_program.environment(), "LC_ALL": "C.UTF-8", **(env or {})}
    try:
        rc, stdout, stderr = module.run_command(
            argv,
            cwd=cwd,
            environ_update=environment,
            data=data,
            use_unsafe_shell=False,
            expand_user_and_vars=False,  # an argument is what it says, also with a ~ or a $
            pass_fds=_lock.held(),
            umask=0o022,  # what packages and images are made of is for everybody; no program writes a secret
            handle_exceptions=False,
        )
    except OSError as error:
        found = f"{error.strerror or error} (PATH {environment['PATH']})"
        raise HardeningError(f"program {argv[0]}", found, "one that can be run: install its package") from error
    if check and rc != 0:
        raise HardeningError(
            " ".join(argv[:3]),
            f"exit code {rc} ({spoken(stderr or stdout) or 'no output'})",
            "exit code 0",
            cmd=argv,
            rc=rc,
            stdout=stdout,
            stderr=stderr,
        )
    return Output(rc, stdout, stderr)
