"""Images that behave well or badly, made on the host from the one that the roles built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lab_host import LabHost

# Of the real OpenClaw, which has no such settings as the stub.
FAIL_IN_PLACE = Path(__file__).with_name("on_host") / "fail_in_place.mjs"
# What each image does (see tests/stub_gateway/src/gateway.mjs).
STUBS: dict[str, dict[str, Any]] = {
    "v1": {"version": 1},
    "v1-draining": {"version": 1, "stop": 2},
    "v2": {"version": 2},
    "v2-slow": {"version": 2, "slow": 4},
    "v3": {"version": 3},
    "exits": {"version": 2, "exit": 1},
    "never-ready": {"version": 2, "ready": False},
    "drips": {"version": 2, "drip": True},
    "unreachable": {"version": 2, "listen": "127.0.0.1"},
    # These are well as long as they are tried out, and not when they serve.
    "dies": {"version": 2, "die": 5, "alone": True},
    "drips-in-place": {"version": 2, "drip": True, "alone": True},
    "fails-in-place": {"version": 2, "exit": 1, "alone": True},
}


def build(host: LabHost) -> dict[str, str]:
    """Build all of them; return the id of each by its name."""
    lines = [
        "rm -rf /root/stub; mkdir /root/stub; cd /root/stub",
        "build() { docker buildx build --load --quiet --tag stub:$1 --file - /root/stub >/dev/null; }",
        # Another content label: the role must not take one of them for the image that it built.
        "build base <<'DOCKERFILE'\nFROM openclaw:hardened\nLABEL io.openclaw.hardening.content=stub\nDOCKERFILE",
    ]
    for name, behaviour in STUBS.items():
        lines.append(f"build {name} <<'DOCKERFILE' &\nFROM stub:base\nENV STUB='{json.dumps(behaviour)}'\nDOCKERFILE")
    lines.append("wait")
    lines.append("docker image inspect --format '{{.Id}}' " + " ".join(f"stub:{name}" for name in STUBS))
    return dict(zip(STUBS, host.check("\n".join(lines)).splitlines()))


def build_failing(host: LabHost) -> str:
    """Build the real OpenClaw with something that ends it soon after it serves; return the image's id."""
    return host.check(
        "rm -rf /root/stub; mkdir /root/stub; cd /root/stub\n"
        f"cat > fail.mjs <<'JS'\n{FAIL_IN_PLACE.read_text()}JS\n"
        "docker buildx build --load --quiet --tag stub:fails --file - . >/dev/null <<'DOCKERFILE'\n"
        "FROM openclaw:hardened\nLABEL io.openclaw.hardening.content=stub\n"
        "COPY --chown=0:0 --chmod=0644 fail.mjs /app/fail.mjs\nENV NODE_OPTIONS=--import=/app/fail.mjs\nDOCKERFILE\n"
        "docker image inspect --format '{{.Id}}' stub:fails"
    )
