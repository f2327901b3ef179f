"""The agent's model, which answers in its place, and what the agent says: an agent turn without a provider."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conftest import MODEL_PORT, wait_until

STUB = Path(__file__).resolve().parents[1] / "stubs/model_server.py"
UNIT, PROGRAM, RECORD = "verify-model.service", "/run/verify-model.py", "/run/verify-model.jsonl"


@contextmanager
def running_model(host, ssh, bridge: str) -> Iterator[None]:
    """Run the stub model on the host, at the address of the bridge, where the gateway reaches it."""
    subprocess.run([*ssh, f"cat >{PROGRAM}"], input=STUB.read_text(), text=True, check=True)
    try:
        host.check_output(f": >{RECORD} && systemd-run --unit {UNIT} python3 {PROGRAM} {bridge} {MODEL_PORT} {RECORD}")
        wait_until(lambda: host.run(f"ss -Hltn 'src {bridge}:{MODEL_PORT}'").stdout != "", "the stub model")
        yield
    finally:
        host.run(f"systemctl stop {UNIT}; systemctl reset-failed {UNIT}; rm -f {PROGRAM} {RECORD}")


def requests(host) -> list[dict]:
    """Return what the model was asked."""
    return [json.loads(line) for line in host.check_output("cat %s", RECORD).splitlines()]


def turn(host, message: str) -> str:
    """Let the agent answer one message in a session of its own; return its text."""
    session = f"verify-{secrets.token_hex(4)}"
    answer = host.check_output(
        "timeout 120 /usr/local/bin/openclaw agent --agent main --session-id %s --message %s --json", session, message
    )
    return "\n".join(payload["text"] for payload in json.loads(answer)["result"]["payloads"])
