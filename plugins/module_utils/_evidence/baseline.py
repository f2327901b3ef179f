# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operator allows on a host; evidence is gathered, and rules are checked, against it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Baseline:
    """What the operator allows and expects; the defaults allow nothing.

    :param addresses: where the published port may be reached beside 127.0.0.1 and ::1; ``any``: everywhere.
    :param capabilities: capabilities that the container may hold (``NET_BIND_SERVICE``).
    :param account: the service account that the container's uid must belong to; empty: any that nobody can log in to.
    :param units: unit to the exposure that systemd-analyze may find (0 to 10).
    :param record: path of the record of the verified build; empty: there is none (a foreign deployment).
    :param image_max_age_days: age at which an image is too old.
    :param docker_users: members that the group ``docker`` may have.
    """

    addresses: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    account: str = ""
    units: tuple[tuple[str, float], ...] = ()
    record: str = ""
    image_max_age_days: int = 30
    docker_users: tuple[str, ...] = ()
