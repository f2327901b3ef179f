# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A state that was brought from elsewhere (a backup) and takes the place of the present one."""

from __future__ import annotations

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._files.descent import chown_tree
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import look_directory, vet_parents
from ansible_collections.openclaw.hardening.plugins.module_utils._files.safe_path import failures, open_directory


def check_logins(state_dir: str, source: str, folder: str) -> None:
    """Refuse, before anything is changed, present logins that cannot be kept in it.

    :param folder: where to work.
    """
    # Only here: most runs exchange no state.
    from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.logins import Logins

    Logins(state_dir, source, folder).check()


def adopt(source: str, state_dir: str) -> None:
    """Give it to the account of this host, whatever its owner was where it came from.

    :raises HardeningError: another user could write where it is, or the account has no state directory.
    """
    vet_parents(f"{source}/state")
    owner = look_directory(state_dir)
    if owner is None:
        raise HardeningError(state_dir, "nothing", "the account's directory; create the account first", "state_dir")
    if look_directory(source) is None:
        raise HardeningError("state_source", f"no {source}", "a state that was unpacked just before", "state_source")
    with failures(source), open_directory(source) as top:
        chown_tree(top, owner.uid, owner.gid)
