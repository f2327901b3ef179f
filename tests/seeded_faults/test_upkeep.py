"""Faults in the log."""

from __future__ import annotations

from harness import SeededFault
from proof import proof

# As OpenClaw 2026.9.6 writes it about another user who guesses.
LOCKOUT = (
    "2026-11-22T19:27:15.224+00:00 [ws] unauthorized conn=962af022-8413-494d-a806-dea303f81a73 peer=172.18.0.1:36588->"
    "172.18.0.2:18789 remote=172.18.0.1 client=cli cli v1.0 role=operator scopes=0 auth=token device=no platform=linux "
    "instance=n/a host=127.0.0.1:18789 origin=n/a ua=n/a reason=rate_limited guidance=unauthorized: too many failed "
    "authentication attempts (retry later)"
)

SEEDED_FAULTS = (
    SeededFault(
        "log without an end", "OCH-UPK-02", "[ \"$(container '{{.HostConfig.LogConfig.Config}}')\" = 'map[]' ]",
        lambda d: d.gateway["logging"].pop("options"),
    ),
    SeededFault(
        "no log", "OCH-UPK-03", "[ $(container '{{.HostConfig.LogConfig.Type}}') = none ]",
        lambda d: d.gateway.update(logging={"driver": "none"}),
    ),
    SeededFault(
        "log with lockouts", "OCH-UPK-03", "docker logs $C 2>&1 | grep -q 'failed authentication'",
        do=f"echo '{LOCKOUT}' | docker exec -i $C sh -c 'cat > /proc/1/fd/1'; sleep 0.3", anew=True,
        way=None,
    ),
)  # fmt: skip

test_it_is_found = proof(SEEDED_FAULTS)
