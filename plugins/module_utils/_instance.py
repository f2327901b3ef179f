# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every name and path of one OpenClaw on a host, from its instance name: the one place that knows them."""

from __future__ import annotations

import hashlib
import re

from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._core.validate import shown

# The home of such an instance would be where another one keeps its records.
_INSTANCE = re.compile(r"(?!.*hardening(-build)?\Z)[a-z][a-z0-9-]{0,19}")
_NEEDED = "1 to 20 of a-z, 0-9 and '-', beginning with a letter and not ending in 'hardening' or 'hardening-build'"
# The kernel takes 15 characters for an interface.
_LONGEST_BRIDGE = 12
# A timer runs nothing itself: this is every exposure there is.
_ANY = 10.0


def names(value: object, option: str) -> dict[str, object]:
    """Return the names and paths of an instance; the documentation of the filter ``instance`` has the keys.

    :param option: where the name comes from, for the message.
    :raises HardeningError: no account, path or unit can be made of it.
    """
    if not isinstance(value, str) or not _INSTANCE.fullmatch(value):
        raise HardeningError(option, shown(value), _NEEDED, option)
    name = "openclaw" if value == "openclaw" else f"openclaw-{value}"
    config_dir, home = f"/etc/{name}", f"/var/lib/{name}"
    # systemd 257 measures 0.2 for the auth monitor and 1.0 for its notifier; older versions measure a little more.
    groups = {
        "gateway": {
            f"{name}-gateway.service": 2.0,
            f"{name}-gateway-start.service": 2.0,
            f"{name}-gateway-firewall.service": 2.0,
        },
        "auth_monitor": {
            f"{name}-auth-monitor.timer": _ANY,
            f"{name}-auth-monitor.service": 0.3,
            f"{name}-auth-notifier.service": 1.1,
        },
        "maintenance": {
            f"{name}-maintenance-notifier.timer": _ANY,
            f"{name}-maintenance-notifier.service": 1.2,
        },
        "audit": {f"{name}-audit.timer": _ANY, f"{name}-audit.service": 4.5},
        "backup": {f"{name}-backup.timer": _ANY, f"{name}-backup.service": 4.5},
        "update": {f"{name}-update.timer": _ANY, f"{name}-update.service": 5.5},
        "events": {f"{name}-events.timer": _ANY, f"{name}-events.service": 2.5},
    }
    return {
        "name": name,
        "container": f"{name}-gateway",
        "service": "openclaw-gateway",
        "bridge": f"br-{name if len(name) <= _LONGEST_BRIDGE else _digest(name)}",
        "image": f"{name}:hardened",
        "build_image": f"openclaw-hardening-build:{name}",
        "config_dir": config_dir,
        "definition": f"{config_dir}/docker-compose.hardened.yml",
        "config": f"{config_dir}/openclaw.json",
        "secrets_dir": f"{config_dir}/secrets",
        "token_file": f"{config_dir}/secrets/gateway_token",
        "home": home,
        "state_dir": f"{home}/.openclaw",
        "record_dir": f"{home}-hardening",
        "image_record": f"{home}-hardening/image.json",
        "backup_dir": f"/var/backups/{name}",
        "build_record_dir": f"{home}-hardening-build",
        "library": f"/usr/local/lib/{name}-hardening",
        "shared_library": "/usr/local/lib/openclaw-hardening",
        "command": f"/usr/local/bin/{name}",
        "unit": f"{name}-gateway.service",
        "start_unit": f"{name}-gateway-start.service",
        "firewall_unit": f"{name}-gateway-firewall.service",
        "auth_monitor_unit": f"{name}-auth-monitor.service",
        "auth_monitor_timer": f"{name}-auth-monitor.timer",
        "auth_notifier_unit": f"{name}-auth-notifier.service",
        "maintenance_dir": f"{home}-hardening/maintenance",
        "audit_unit": f"{name}-audit.service",
        "audit_timer": f"{name}-audit.timer",
        "backup_unit": f"{name}-backup.service",
        "backup_timer": f"{name}-backup.timer",
        "update_unit": f"{name}-update.service",
        "update_timer": f"{name}-update.timer",
        "events_unit": f"{name}-events.service",
        "events_timer": f"{name}-events.timer",
        "maintenance_notifier_unit": f"{name}-maintenance-notifier.service",
        "maintenance_notifier_timer": f"{name}-maintenance-notifier.timer",
        "unit_groups": groups,
        "exposure_limits": {unit: limit for group in groups.values() for unit, limit in group.items() if limit < _ANY},
    }


def _digest(name: str) -> str:
    return hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()[:_LONGEST_BRIDGE]
