# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a deployment does with the state of its service."""

from __future__ import annotations


class ModuleDocFragment:
    """Doc fragment ``openclaw.hardening.deployment_state``."""

    DOCUMENTATION = r"""
options:
  state_dir:
    description:
      - The directory that the service writes to, and that another image migrates. Empty means none.
      - A candidate gets a copy of it. Before another image is started it is copied into O(record_dir), and it comes
        back with the previous image. Where the file system can, copies share blocks (reflink) or files (hard link).
      - What cannot be read, such as a mount point or a file that another process holds, is left out of the copy with a
        warning that names it, and is left alone when the state comes back.
    type: str
    default: ""
  state_source:
    description:
      - With O(state=present), a directory of root whose content takes the place of that of O(state_dir), such as the
        state of a backup (M(openclaw.hardening.gateway_backup)). It is given to the owner of O(state_dir).
      - The candidate runs on a copy of it. Then the service stops, its state is copied and exchanged, and the new
        container has to prove itself as after any change; when it fails, the state of before comes back.
      - The container is always made again. O(image_id) is taken whatever the name O(image_ref) means now, so that an
        older version comes with its state.
      - With O(keep_logins), the present logins stay.
      - O(state=previous) undoes it.
    type: str
    default: ""
  state_excludes:
    description: Entries of O(state_dir) that are neither copied nor brought back, such as the agent's workspace.
    type: list
    elements: str
    default: []
  copy_state:
    description:
      - Whether O(state_dir) is copied before another image starts, and for a candidate.
      - Without it a change needs no room, such as for a security fix on a host whose disk is full, or was filled by the
        service. There is no candidate then, and no rollback once the new image has migrated the state; a warning
        reports
        so. O(state=previous) always copies.
    type: bool
    default: true
  keep_logins:
    description:
      - With O(state=previous) or O(state_source), keep the present logins where the state of before comes back. Refresh
        tokens that were renewed and channel sessions that went on since are spent in the older state; a device that was
        removed since would be back.
      - Kept are the login profiles, the tokens of MCP servers and the paired devices in OpenClaw's databases, row by
        row, an older C(auth-profiles.json), and each account below C(credentials/). It is refused before anything
        changes when the two versions do not keep them in the same form.
      - Without it, a warning reports so, also in check mode.
    type: bool
    default: false
  accept_losses:
    description:
      - Before and after another image has migrated O(state_dir), what was set up in it is compared by key. Compared are
        cron jobs, logins, paired devices, allowed senders, agents, accounts of channels, stored secrets, users and
        preferences.
      - When something of it is gone or turned off, the deployment fails. That of the candidate's copy is seen before
        anything is touched. With V(true) it is a warning.
    type: bool
    default: false
  migration_backup_days:
    description:
      - Days that the copies stay which OpenClaw makes of its databases before it migrates them, by the time of each.
      - They are in the directory of each database as C(DATABASE.pre-startup-migration-UUID.bak), and OpenClaw never
        removes them. Those that are older are removed from O(state_dir) when O(state=present) and the deployment is
        proven. Nothing else is.
      - With V(0) they are kept.
      - Room for them is part of what is needed before another image starts.
    type: int
    default: 30
  candidate_environment:
    description:
      - Variables of the environment of a candidate alone, such as those that turn channels and schedules off.
      - The deployment itself does not get them.
    type: dict
    default: {}
  candidate:
    description:
      - Whether a change of a healthy service is tried in a second container first.
      - V(auto) does so unless the host has less than 1200 MiB of memory to give; then it warns and goes without.
    type: str
    choices: [auto, always, never]
    default: auto
"""
