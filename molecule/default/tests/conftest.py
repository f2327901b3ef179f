"""What the tests of a deployed host share. They run on the controller and look at the host over SSH."""

from __future__ import annotations

import functools
import json
import os
import random
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
CONTAINER = "openclaw-gateway"
PORT = 18789
MODEL_PORT = 18999

# The tests share this file, gateway_client.py, and what is for all tests.
sys.path[:0] = [str(Path(__file__).parent), str(CHECKOUT / "tests")]

long_only = pytest.mark.skipif(os.environ.get("MOLECULE") != "long", reason="several starts of OpenClaw: MOLECULE=long")
# These begin with a deployment of their own and leave it: what the scenario deployed is not restored between them, for
# each start of the real OpenClaw takes 20 s of a processor. They come last, in this order.
OWN_DEPLOYMENT = ("test_secrets", "test_auth_monitor", "test_workflows", "test_rotation")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the modules that leave another deployment behind at the end; the others stay in their order."""
    items.sort(key=lambda item: OWN_DEPLOYMENT.index(item.path.stem) if item.path.stem in OWN_DEPLOYMENT else -1)


@dataclass(frozen=True)
class Run:
    """One run of a playbook."""

    rc: int
    output: str
    tasks: list[dict]
    seconds: float

    @property
    def changed(self) -> list[str]:
        """Name the tasks that changed something, in their order."""
        return [task["task"] for task in self.tasks if task["changed"]]


@pytest.fixture(scope="session")
def inventory(request) -> str:
    """Return the inventory of the host under test."""
    return str(Path(request.config.getoption("--ansible-inventory")).resolve())


@pytest.fixture(scope="session")
def playbook(inventory, tmp_path_factory):
    """Return a function that runs a playbook of the collection: ``playbook("site.yml", "--check", variable=value)``."""

    def run(name: str, *options: str, **variables) -> Run:
        records = tmp_path_factory.mktemp("records")
        environment = {
            **os.environ,
            "ANSIBLE_CONFIG": str(CHECKOUT / "ansible.cfg"),
            "ANSIBLE_CALLBACK_PLUGINS": str(CHECKOUT / "tests/lab/callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "recorder",
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",  # Molecule sets it
            "RECORDER_DIR": str(records),
        }
        # Not what is tested here, and done many times: each start of the real OpenClaw takes 20 s of a processor.
        settings = {"openclaw_gateway_stabilize_seconds": 2, "openclaw_gateway_candidate": "never", **variables}
        argv = ["ansible-playbook", "--inventory", inventory, *options, "--extra-vars", json.dumps(settings),
                str(CHECKOUT / "playbooks" / name)]  # fmt: skip
        result = subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=CHECKOUT, check=False)
        record = json.loads(next(iter(records.iterdir())).read_text())
        return Run(result.returncode, result.stdout + result.stderr, record["tasks"], record["seconds"])

    return run


@pytest.fixture(scope="session")
def left_behind(inventory) -> Path:
    """Return the mark of a host that does not have the scenario's deployment any more."""
    return Path(inventory).with_name("another-deployment")


@pytest.fixture(scope="session", autouse=True)
def the_scenarios_deployment(playbook, left_behind) -> None:
    """Bring it back on a host on which tests ran before (`molecule verify` once more)."""
    if left_behind.exists():
        run = playbook("site.yml")
        assert run.rc == 0, run.output
        left_behind.unlink()


@pytest.fixture(scope="module")
def own_deployment(request, left_behind) -> None:
    """Write down that this module leaves a deployment of its own."""
    assert request.path.stem in OWN_DEPLOYMENT
    left_behind.touch()


@pytest.fixture(scope="module")
def ssh(host) -> list[str]:
    """Return the command that runs something on the host, as the inventory reports."""
    names = host.ansible.get_variables()
    return [
        "ssh",
        *shlex.split(names["ansible_ssh_common_args"]),
        "-i",
        names["ansible_ssh_private_key_file"],
        f"{names['ansible_user']}@{names['ansible_host']}",
    ]


@pytest.fixture(scope="module")
def tunnel(ssh) -> Iterator[int]:
    """Open the guide's tunnel (ssh -L …:localhost:18789 user@openclaw-host) on a free port of the controller."""
    for _attempt in range(5):
        port = free_port()
        argv = [*ssh[:-1], "-N", "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{port}:localhost:{PORT}", ssh[-1]]
        with subprocess.Popen(argv) as process:
            try:
                wait_until(functools.partial(ended_or_listening, process, port), "the SSH tunnel", 60)
                if process.poll() is None:
                    yield port
                    return
            finally:
                process.terminate()
    pytest.fail("the SSH tunnel: ssh ended five times; see its message above")


def free_port() -> int:
    """Return a port that nobody has, below those that outgoing connections of other processes get meanwhile."""
    for port in random.sample(range(20000, 32000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    pytest.fail("no free port among 100 of 20000 to 32000")


@pytest.fixture
def token(host) -> str:
    """Return the gateway's token as it is now; only root reads it on the host."""
    return host.check_output("cat /etc/openclaw/secrets/gateway_token")


def ended_or_listening(process: subprocess.Popen, port: int) -> bool:
    """Return whether it is known how it went."""
    return process.poll() is not None or listening(port)


def listening(port: int) -> bool:
    """Return whether the controller's own port answers."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], bool], what: str, patience: float = 30) -> None:
    """Wait for a condition; fail the test when it does not come true."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"{what}: not within {patience} s")
        time.sleep(0.2)


def on_host(ssh: list[str], script: str, *arguments: str) -> str:
    """Run a Python script on the host; it travels by standard input, so that no process list shows what is in it."""
    argv = [*ssh, shlex.join(["python3", "-", *arguments])]
    result = subprocess.run(argv, input=script, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        pytest.fail(f"on the host: {result.stderr}")
    return result.stdout


def stub_model(address: str, key: str) -> dict:
    """Return the variables that make the stub model the agent's; its key goes the way of every provider key."""
    model = {"id": "stub", "name": "stub", "contextWindow": 128000, "maxTokens": 4096}
    provider = {"baseUrl": f"http://{address}:{MODEL_PORT}/v1", "api": "openai-completions", "models": [model]}
    return {
        "openclaw_gateway_config": {
            "models": {"providers": {"stub": provider}},
            "agents": {"defaults": {"model": {"primary": "stub/stub"}}},
        },
        "openclaw_gateway_provider_keys": {"stub": key},
        "openclaw_gateway_reachable": [f"{address}:{MODEL_PORT}"],
    }


@pytest.fixture(scope="module")
def bridge(host) -> str:
    """Return the host's address on the gateway's own network."""
    network = host.check_output(
        "docker inspect -f '{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}' %s", CONTAINER
    )
    return network.strip()
