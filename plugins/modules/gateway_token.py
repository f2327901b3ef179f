# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Make and keep the gateway's token file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: gateway_token
short_description: Make, keep and rotate the OpenClaw gateway's token
version_added: 0.1.0
description:
  - Makes true a file that holds the gateway's token, 256 random bits in hexadecimal, for the container's user alone.
  - The token is made once and kept. It is in no result, diff or message; a fingerprint names it.
  - An existing or given token that is weak is refused, because OpenClaw itself accepts any text, C(change-me) included.
  - The file, which OpenClaw's file provider reads with C(mode=singleValue), has no newline at its end. A file with
    a newline, another owner or another mode is corrected and its token kept.
author: OpenClaw Hardening maintainers (@openclaw)
extends_documentation_fragment:
  - openclaw.hardening.attributes
attributes:
  idempotent:
    support: partial
    details:
      - With O(rotate=true) every run makes another token.
  diff_mode:
    details:
      - The diff shows whether a token is there, its fingerprint, owner and mode.
options:
  path:
    description:
      - Absolute path of the file. Its directory must exist, and every directory on the way must belong to root.
      - A link, a file with a second name (hard link), and anything that is not a regular file are refused.
    type: str
    required: true
  uid:
    description: Number of the user who may read the file, the one the gateway's container runs as.
    type: int
    required: true
  gid:
    description: Number of the file's group.
    type: int
    required: true
  mode:
    description: Mode of the file. OpenClaw refuses a secret that others can read.
    type: str
    choices: ["0400", "0600"]
    default: "0400"
  rotate:
    description: Replace the token by a new one, in each run.
    type: bool
    default: false
  value:
    description:
      - The token, when the operator brings one. Empty means that the module makes one.
      - At least 64 hexadecimal digits, 8 of them different, and no repeated pattern. C(openssl rand -hex 32) makes one.
    type: str
    default: ""
seealso:
  - name: OpenClaw hardening guide, Network Binding
    description: Why a token is always needed.
    link: https://docs.openclaw.ai
  - module: openclaw.hardening.service_user
"""

EXAMPLES = r"""
- name: Give the gateway a token
  openclaw.hardening.gateway_token:
    path: /etc/openclaw/secrets/gateway_token
    uid: 1000
    gid: 1000

- name: Replace a token that another user has seen
  openclaw.hardening.gateway_token:
    path: /etc/openclaw/secrets/gateway_token
    uid: 1000
    gid: 1000
    rotate: true
"""

RETURN = r"""
path:
  description: The token's file.
  returned: success
  type: str
  sample: /etc/openclaw/secrets/gateway_token
fingerprint:
  description:
    - Names the token without giving it away.
    - It is the first 16 digits of SHA-256 over C(openclaw-gateway-token:) and the token.
    - Empty in check mode when a new token would be made.
  returned: success
  type: str
  sample: 1c9b0a63b4c7de52
rotated:
  description: Whether another token took the place of an existing one, so that every client needs the new one.
  returned: success
  type: bool
  sample: false
actions:
  description: What was done, or would be done in check mode.
  returned: success
  type: list
  elements: str
  sample: ["make a token"]
"""

import secrets
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import (
    absolute_path,
    integer,
    octal_mode,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._files import transaction
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import (
    FileState,
    ManagedFile,
    differences,
    look,
    vet_parents,
    write,
)
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets.strength import (
    SHORTEST,
    fingerprint,
    weakness,
)

ARGUMENT_SPEC: dict[str, Any] = {
    "path": {"type": "str", "required": True},
    "uid": {"type": "int", "required": True},
    "gid": {"type": "int", "required": True},
    "mode": {"type": "str", "choices": ["0400", "0600"], "default": "0400"},
    "rotate": {"type": "bool", "default": False},
    "value": {"type": "str", "default": "", "no_log": True},
}
HIGHEST_ID = 2**32 - 2


@dataclass(frozen=True)
class Plan:
    """What to do about the token."""

    actions: tuple[str, ...]
    token: str
    rotated: bool
    is_new: bool


def refuse_weak(what: str, token: str, fix: str) -> None:
    """Raise when ``token`` is weak, without a word of it."""
    found = weakness(token)
    if found:
        raise HardeningError(what, found, f"at least {SHORTEST} random hexadecimal digits; {fix}")


def current_token(path: str, existing: FileState | None) -> str | None:
    """Return the token in the file, or refuse a file that another user may have prepared."""
    if existing is None:
        return None
    if existing.type != "file":
        raise HardeningError(path, f"a {existing.type}", "a regular file, or nothing at all; move it away")
    if existing.nlink != 1:
        found = f"a file with {existing.nlink} names (hard links)"
        name = shlex.quote(path)
        others = f'find "$(stat -c %m -- {name})" -xdev -samefile {name} ! -path {name}'
        needed = f"a single name; run `{others} -delete`, and make a new token"
        raise HardeningError(path, found, needed, "rotate")
    return existing.content.decode("utf-8", "replace").rstrip("\r\n")


def decide(
    wanted: ManagedFile,
    existing: FileState | None,
    value: str,
    rotate: bool,
    new_token: Callable[[], str] = lambda: secrets.token_hex(32),
    has_stale_files: bool = False,
) -> Plan:
    """Decide which token the file has to hold; ``wanted`` carries its path, owner and mode.

    :param has_stale_files: whether a killed run left a file beside it, which may hold a token, too.
    """
    current = current_token(wanted.path, existing)
    if value and rotate:
        raise HardeningError("rotate", "true together with a given 'value'", "one of the two", "rotate")
    if value:
        refuse_weak("value", value, "make one with openssl rand -hex 32")
    elif current is not None and not rotate:
        refuse_weak(wanted.path, current, "set 'rotate' to true once, which makes a new one")
        value = current
    is_new = not value
    token = value or new_token()
    rotated = current is not None and token != current
    if current is None:
        action = "store the given token" if value else "make a token"
    elif rotated:
        action = "replace the token"
    else:
        action = "correct the file and keep its token"
    clean = ("remove what a killed run left",) if has_stale_files else ()
    if not differences(existing, with_token(wanted, token)):
        return Plan(clean, token, False, False)
    return Plan((*clean, action), token, rotated, is_new)


def with_token(wanted: ManagedFile, token: str) -> ManagedFile:
    """Return the file that holds ``token``."""
    return ManagedFile(wanted.path, token.encode(), wanted.mode, wanted.uid, wanted.gid, secret=True)


def described(uid: int, gid: int, mode: int, mark: str) -> str:
    """Describe a token file for the diff."""
    return f"present ({mark})\nowner {uid}:{gid}, mode {mode:04o}\n"


class GatewayToken:
    """Looks at the file, decides, acts."""

    def __init__(self, module: AnsibleModule) -> None:
        """Check the options."""
        self.module = module
        self.value: str = module.params["value"]
        self.rotate: bool = module.params["rotate"]
        self.wanted = ManagedFile(
            absolute_path("path", module.params["path"]),
            b"",
            octal_mode("mode", module.params["mode"]),
            integer("uid", module.params["uid"], 1, HIGHEST_ID),
            integer("gid", module.params["gid"], 1, HIGHEST_ID),
            secret=True,
        )

    def run(self) -> dict[str, Any]:
        """Make the token true, and tell about it."""
        vet_parents(self.wanted.path)
        existing = look(self.wanted.path, max_size=64 * 1024)
        has_stale_files = bool(transaction.stale_files([self.wanted.path]))
        plan = decide(self.wanted, existing, self.value, self.rotate, has_stale_files=has_stale_files)
        if plan.actions and not self.module.check_mode:
            if has_stale_files:
                transaction.commit([], [self.wanted.path])
            if differences(existing, with_token(self.wanted, plan.token)):
                write(with_token(self.wanted, plan.token))
        unknown = plan.is_new and self.module.check_mode
        return {
            "changed": bool(plan.actions),
            "path": self.wanted.path,
            "fingerprint": "" if unknown else fingerprint(plan.token),
            "rotated": plan.rotated,
            "actions": list(plan.actions),
            "diff": self._diff(existing, plan, unknown),
        }

    def _diff(self, existing: FileState | None, plan: Plan, unknown: bool) -> dict[str, str]:
        before, path = "absent\n", self.wanted.path
        if existing is not None:
            token = current_token(path, existing) or ""
            mark = "a weak token" if weakness(token) else f"fingerprint {fingerprint(token)}"  # weak could be guessed
            before = described(existing.uid, existing.gid, existing.mode, mark)
        mark = "a new token" if unknown else f"fingerprint {fingerprint(plan.token)}"
        after = described(self.wanted.uid, self.wanted.gid, self.wanted.mode, mark)
        return {"before_header": path, "after_header": path, "before": before, "after": after}


def main() -> None:
    """Entry point."""
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    try:
        module.exit_json(**GatewayToken(module).run())
    except HardeningError as error:
        module.fail_json(msg=str(error), **error.details)


if __name__ == "__main__":
    main()
