"""Faults in the units, their programs and their runs."""

from __future__ import annotations

from typing import Any

from harness import SITE, SeededFault
from proof import proof

GATEWAY = "openclaw-gateway.service"
READER = "openclaw-auth-monitor.service"
NOTIFIER = "openclaw-auth-notifier.service"
TIMER = "openclaw-auth-monitor.timer"
SHOWS = "systemctl show --property {} --value {}"


def edited(
    name: str, expected: str, unit: str, script: str, real: str, after: str = "", reload: bool = True, **more: Any
) -> SeededFault:
    """Return a unit whose file was edited by sed."""
    reloaded = "systemctl daemon-reload; " if reload else ""
    return SeededFault(
        name, expected, real,
        do=f"cp -p $S/{unit} /root/{unit}; sed -i {script} $S/{unit}; {reloaded}{after}",
        undo=f"cp -p /root/{unit} $S/{unit}; systemctl daemon-reload",
        **more,
    )  # fmt: skip


SEEDED_FAULTS = (
    SeededFault(
        "timer disabled", "OCH-SYS-01", f"[ \"$(systemctl is-enabled {TIMER})\" = disabled ]",
        do=f"systemctl disable --quiet {TIMER}", undo=f"systemctl enable --quiet {TIMER}",
        values={"UNIT": TIMER},
    ),
    SeededFault(
        "timer stopped", "OCH-SYS-01", f"[ \"$(systemctl is-active {TIMER})\" = inactive ]",
        do=f"systemctl stop {TIMER}", undo=f"systemctl start {TIMER}",
        values={"UNIT": TIMER},
    ),
    SeededFault(
        "monitor masked", "OCH-SYS-01", f"[ \"$({SHOWS.format('LoadState', READER)})\" = masked ]",
        do=f"mv $S/{READER} /root/{READER}; systemctl mask --quiet {READER}",
        undo=f"systemctl unmask --quiet {READER}; mv /root/{READER} $S/{READER}; systemctl daemon-reload",
        way=None,
    ),
    SeededFault(
        "notifier missing", "OCH-SYS-01", f"[ \"$({SHOWS.format('LoadState', NOTIFIER)})\" = not-found ]",
        do=f"mv $S/{NOTIFIER} /root/{NOTIFIER}; systemctl daemon-reload",
        undo=f"mv /root/{NOTIFIER} $S/{NOTIFIER}; systemctl daemon-reload",
        way=SITE,
    ),
    SeededFault(
        "gateway's unit stopped", "OCH-SYS-01", f"[ \"$(systemctl is-active {GATEWAY})\" = inactive ]",
        do=f"systemctl stop {GATEWAY}", undo=f"systemctl start {GATEWAY}; stabilize",
        values={"UNIT": GATEWAY},
    ),
    SeededFault(
        "gateway's unit disabled", "OCH-SYS-01", f"[ \"$(systemctl is-enabled {GATEWAY})\" = disabled ]",
        do=f"systemctl disable --quiet {GATEWAY}", undo=f"systemctl enable --quiet {GATEWAY}",
        values={"UNIT": GATEWAY},
    ),
    SeededFault(
        "last run failed", "OCH-SYS-02", f"[ \"$({SHOWS.format('Result', READER)})\" = exit-code ]",
        # Nothing that it is made of is changed: a run before such a change would not be held against it.
        do=f"mount --bind /bin/false $LIB/auth-monitor; ! systemctl start {READER} 2>/dev/null; "
        "umount $LIB/auth-monitor",
        undo=f"systemctl reset-failed {READER}; systemctl start {READER}",
        values={"UNIT": READER},
    ),
    edited(
        "more exposed than allowed", "OCH-SYS-03", READER,
        "-e /^SystemCallFilter/d -e /^ProtectSystem/d -e /^CapabilityBoundingSet/d",
        f"! systemctl cat {READER} | grep -q ^SystemCallFilter",
        way=SITE,
    ),
    edited(
        "directive swallowed by a backslash", "OCH-SYS-04", READER, "'s/^UMask=0077$/UMask=0077 \\\\/'",
        f"! {SHOWS.format('UMask', READER)} | grep -qx 0077",
        way=SITE,
    ),
    edited(
        "value that systemd cannot parse", "OCH-SYS-04", READER, "s/^ProtectSystem=strict/ProtectSystem=strictly/",
        f"! {SHOWS.format('ProtectSystem', READER)} | grep -qx strict",
        way=SITE,
    ),
    edited(
        "directive that systemd does not know", "OCH-SYS-04", GATEWAY, "s/^ProtectHome=yes/ProtectHomes=yes/",
        f"! {SHOWS.format('ProtectHome', GATEWAY)} | grep -qx yes",
        way=SITE,
    ),
    SeededFault(
        "drop-in that relaxes one setting", "OCH-SYS-05", f"[ \"$({SHOWS.format('PrivateDevices', READER)})\" = no ]",
        do=f"mkdir $S/{READER}.d; "
        f"printf '[Service]\\nPrivateDevices=no\\n' > $S/{READER}.d/local.conf; systemctl daemon-reload",
        undo=f"rm -r $S/{READER}.d; systemctl daemon-reload",
        values={"PATH": "/etc/systemd/system/openclaw-auth-monitor.service.d/local.conf"},
    ),
    SeededFault(
        "drop-in in /run", "OCH-SYS-05", f"[ \"$({SHOWS.format('LockPersonality', GATEWAY)})\" = no ]",
        do=f"mkdir -p /run/systemd/system/{GATEWAY}.d; "
        f"printf '[Service]\\nLockPersonality=no\\n' > /run/systemd/system/{GATEWAY}.d/local.conf; "
        "systemctl daemon-reload",
        undo=f"rm -r /run/systemd/system/{GATEWAY}.d; systemctl daemon-reload",
        values={"PATH": "/run/systemd/system/openclaw-gateway.service.d/local.conf"},
    ),
    SeededFault(
        "drop-in for every service", "OCH-SYS-05", f"{SHOWS.format('DropInPaths', READER)} | grep -q service.d/all",
        do="mkdir -p $S/service.d; printf '[Service]\\nUMask=0000\\n' > $S/service.d/all.conf; systemctl daemon-reload",
        undo="rm -r $S/service.d; systemctl daemon-reload",
        values={"PATH": "/etc/systemd/system/service.d/all.conf"},
    ),
    SeededFault(
        "program of a unit writable by its group", "OCH-SYS-06", "[ $(stat -c %a $LIB/gateway-supervisor) = 775 ]",
        do="chmod 0775 $LIB/gateway-supervisor", undo="chmod 0755 $LIB/gateway-supervisor",
        values={"PATH": "/usr/local/lib/openclaw-hardening/gateway-supervisor"},
    ),
    SeededFault(
        "script of a unit writable by everybody", "OCH-SYS-06", "[ $(stat -c %a $LIB/auth-monitor) = 777 ]",
        do="stat -c %a $LIB/auth-monitor > /root/mode; chmod 0777 $LIB/auth-monitor",
        undo="chmod $(cat /root/mode) $LIB/auth-monitor",
        values={"PATH": "/usr/local/lib/openclaw-hardening/auth-monitor"},
    ),
    SeededFault(
        "program of a unit behind a link to one of the service", "OCH-SYS-06", "[ -L $LIB/gateway-firewall ]",
        do="mv $LIB/gateway-firewall /root/gateway-firewall; "
        "install -o openclaw -m 0755 /root/gateway-firewall /var/lib/openclaw/gateway-firewall; "
        "ln -s /var/lib/openclaw/gateway-firewall $LIB/gateway-firewall",
        undo="rm $LIB/gateway-firewall /var/lib/openclaw/gateway-firewall; "
        "mv /root/gateway-firewall $LIB/gateway-firewall",
        way=None,
    ),
    SeededFault(
        "unit file writable by everybody", "OCH-SYS-06", f"[ $(stat -c %a $S/{GATEWAY}) = 666 ]",
        do=f"chmod 0666 $S/{GATEWAY}", undo=f"chmod 0644 $S/{GATEWAY}",
        values={"PATH": "/etc/systemd/system/openclaw-gateway.service"},
    ),
    SeededFault(
        "folder of the programs of another user", "OCH-SYS-06", "[ $(stat -c %U $LIB) = openclaw ]",
        do="chown openclaw $LIB", undo="chown root $LIB",
        values={"PATH": "/usr/local/lib/openclaw-hardening"},
    ),
    edited(
        "changed without daemon-reload", "OCH-SYS-07", READER, "s/^PrivateTmp=yes/PrivateTmp=no/",
        f"[ \"$({SHOWS.format('NeedDaemonReload', READER)})\" = yes ]", reload=False,
        values={"UNIT": "openclaw-auth-monitor.service"},
    ),
    SeededFault(
        "runs by an older, weaker file", "OCH-SYS-07",
        f"grep -q 'NoNewPrivs:.*0' /proc/$({SHOWS.format('MainPID', GATEWAY)})/status",
        do=f"cp -p $S/{GATEWAY} /root/{GATEWAY}; "
        "sed -ri '/^\\[Unit|^\\[Service|^\\[Install|^Exec|^Type|^Wanted|^Environment/!d' "
        f"$S/{GATEWAY}; "
        f"systemctl daemon-reload; systemctl restart {GATEWAY}; "
        f"cp -p /root/{GATEWAY} $S/{GATEWAY}; systemctl daemon-reload; stabilize",
        undo=f"systemctl reset-failed; systemctl restart {GATEWAY}; stabilize",
        values={"UNIT": "openclaw-gateway.service"},
    ),
    edited(
        "notifier sees the state", "OCH-SYS-08", NOTIFIER,
        "'s|^InaccessiblePaths=.*openclaw.*|BindReadOnlyPaths=/var/lib/openclaw/.openclaw|'",
        f"{SHOWS.format('BindReadOnlyPaths', NOTIFIER)} | grep -q .openclaw",
        way=SITE,
    ),
    edited(
        "monitor has a network", "OCH-SYS-08", READER, "s/^PrivateNetwork=yes/PrivateNetwork=no/",
        f"[ \"$({SHOWS.format('PrivateNetwork', READER)})\" = no ]",
        way=SITE,
    ),
)  # fmt: skip

test_it_is_found = proof(SEEDED_FAULTS)
