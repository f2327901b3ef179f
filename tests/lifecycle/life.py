"""What the tests of backups do on the hosts: write into the state, back up, restore, look."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import FaultHost
from lab_host import CHECKOUT, playbook
from secret_surfaces import search
from test_real_openclaw import OLDER, older_lock

LAB = "lifecycle"
LONG = os.environ.get("LIFECYCLE") == "long"
NODE = CHECKOUT / "roles/openclaw_image/files/requirements-node.txt"
STATE = "/var/lib/openclaw/.openclaw"
BACKUPS = "/var/backups/openclaw"
DATABASE = f"{STATE}/state/openclaw.sqlite"
CANARY = "sk-ant-oat01-canary-login-" + "0" * 60
TOKEN_FILE = "/etc/openclaw/secrets/gateway_token"  # noqa: S105 (a path)
OPTIONS = {
    "project": "openclaw",
    "directory": BACKUPS,
    "state_dir": STATE,
    "config_dir": "/etc/openclaw",
    "record_dir": "/var/lib/openclaw-hardening",
}
PASTE = f"""printf '%s' {CANARY} |
docker exec --interactive --env OPENCLAW_CONFIG_PATH=/tmp/login.json openclaw-gateway \\
node openclaw.mjs models auth paste-token --provider anthropic --expires-in 1h
"""
# The service's own user writes a row every few milliseconds, and reports each after it is committed.
WRITER = f"""import os, sqlite3, sys, time
os.setgid(1000); os.setuid(1000)
database = sqlite3.connect("{DATABASE}", timeout=30, isolation_level=None)
database.execute("CREATE TABLE IF NOT EXISTS canary_rows (number INTEGER PRIMARY KEY, text TEXT)")
while True:
    row = database.execute("INSERT INTO canary_rows (text) VALUES (?)", ("x" * 500,)).lastrowid
    with open("/run/canary-rows", "w") as file:
        file.write(str(row))
    time.sleep(0.005)
"""
LOOK = f"""python3 - <<'PYTHON'
import json, os, sqlite3
database = sqlite3.connect("file:{DATABASE}?mode=ro", uri=True)
rows = database.execute("SELECT max(number) FROM canary_rows").fetchone()[0] \\
    if database.execute("SELECT 1 FROM sqlite_master WHERE name = 'canary_rows'").fetchone() else 0
login = "canary-login" in str(database.execute("SELECT * FROM config_machine_state").fetchall())
notes = open("{STATE}/workspace/notes.md").read() if os.path.exists("{STATE}/workspace/notes.md") else ""
print(json.dumps({{"rows": rows or 0, "login": login, "notes": notes, "uid": os.stat("{DATABASE}").st_uid}}))
PYTHON"""


@dataclass
class Life:
    """Both hosts, and the key pair of the operator, whose secret half is on the controller alone."""

    alpha: FaultHost
    beta: FaultHost
    variables: dict[str, Any]
    public: str = ""
    key_file: Path = field(default_factory=lambda: CHECKOUT / "build" / LAB / "age.key")

    def make_key(self) -> None:
        """Make the pair; the programs of a host do it, as the controller may lack them."""
        secret = self.alpha.check("age-keygen 2>/dev/null")
        self.key_file.write_text(f"{secret}\n")
        self.key_file.chmod(0o600)
        self.public = next(line.split()[-1] for line in secret.splitlines() if line.startswith("# public key"))

    def play(self, name: str, host: FaultHost, *more: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run a playbook on one host."""
        path = CHECKOUT / "playbooks" / name
        return playbook(LAB, path, "--limit", host.name, *more, **{**self.variables, **variables})

    def backup(self, host: FaultHost, **options: Any) -> dict[str, Any]:
        """Make a backup by the module, encrypted unless it says otherwise."""
        return host.module("gateway_backup", {**OPTIONS, "recipient": self.public, **options})

    def restore(
        self, host: FaultHost, archive: str = "", *more: str, **variables: Any
    ) -> subprocess.CompletedProcess[str]:
        """Restore by the playbook."""
        given = {"openclaw_restore_key_file": str(self.key_file), "openclaw_restore_archive": archive, **variables}
        return self.play("restore.yml", host, *more, **given)

    def bring(self, archive: str, source: FaultHost) -> Path:
        """Fetch an archive to the controller."""
        target = self.key_file.with_name(Path(archive).name)
        with target.open("wb") as file:
            subprocess.run([*source.ssh, f"cat {archive}"], stdout=file, check=True)
        return target


def version(host: FaultHost) -> str:
    """Return which OpenClaw serves, by its own word."""
    return re.findall(r"\d{4}\.\d+\.\d+", host.check("docker exec openclaw-gateway node openclaw.mjs --version"))[0]


def deploy_older(life: Life, folder: Path) -> dict[str, str]:
    """Deploy the older version with a state of its own; return its lock files, which are in the folder."""
    host, lock = life.alpha, {**older_lock(folder), NODE.name: NODE.read_text()}
    (folder / NODE.name).write_text(lock[NODE.name])
    host.check(
        "systemctl stop openclaw-gateway.service; docker stop openclaw-gateway >/dev/null\n"
        f"find {STATE} -mindepth 1 -maxdepth 1 ! -name workspace -exec rm -rf {{}} +"
    )
    run = life.play("site.yml", host, openclaw_image_lock_dir=str(folder), openclaw_gateway_copy_state=False)
    assert run.returncode == 0, run.stdout[-6000:]
    assert version(host) == OLDER
    return lock


def look(host: FaultHost) -> dict[str, Any]:
    """Return what the state has."""
    return json.loads(host.check(LOOK))


@contextmanager
def written(host: FaultHost) -> Iterator[None]:
    """Let rows be written into the gateway's database while the block runs."""
    host.write("/root/writer.py", WRITER)
    host.check("touch /run/canary-rows; chmod 666 /run/canary-rows\n"
               "systemd-run --quiet --unit canary-writer python3 /root/writer.py\n"
               "for _ in $(seq 100); do [ -s /run/canary-rows ] && break; sleep 0.1; done")  # fmt: skip
    try:
        yield
    finally:
        host.check("systemctl stop canary-writer")


def last_row(host: FaultHost) -> int:
    """Return the last row of which its writer knows that it is committed."""
    # It is empty for the moment in which the writer replaces its content.
    return int(host.check('row=; while [ -z "$row" ]; do row=$(cat /run/canary-rows); done; echo "$row"'))


def token_answers(host: FaultHost, token: str, port: int) -> str:
    """Return the HTTP code of a request with a token."""
    return host.check(
        f"curl --silent --output /dev/null --write-out '%{{http_code}}' -H 'Authorization: Bearer {token}' "
        '-H \'Content-Type: application/json\' --data \'{"tool": "sessions_list", "args": {}}\' '
        f"http://127.0.0.1:{port}/tools/invoke"
    )


def surfaces(host: FaultHost, *secrets: str) -> object:
    """Return where one of these shows on a host."""
    argv = [*host.ssh, "python3", "-"]
    done = subprocess.run(argv, input=search(secrets), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def deployed(host: FaultHost) -> dict[str, Any]:
    """Return the options with which the roles deployed a host."""
    for file in sorted((host.build / "records").glob("*-run.json"), reverse=True):
        for task in json.loads(file.read_text())["tasks"]:
            if task["action"].endswith(".hardened_compose") and task["host"] == host.name and task.get("options"):
                return {name: value for name, value in task["options"].items() if value is not None}
    raise AssertionError("no deployment was written down")


def forget(host: FaultHost) -> None:
    """Take a host down to what a new one has: Docker and the image."""
    host.check(
        "systemctl stop openclaw-gateway.service openclaw-auth-monitor.timer 2>/dev/null || true\n"
        "docker ps --all --quiet | xargs --no-run-if-empty docker rm --force >/dev/null\n"
        "docker network prune --force >/dev/null\n"
        "rm -rf /etc/openclaw /var/lib/openclaw /var/lib/openclaw-hardening /var/backups/openclaw "
        "/usr/local/lib/openclaw-hardening /usr/local/bin/openclaw /etc/systemd/system/openclaw-* "
        "/etc/systemd/system/*.wants/openclaw-*\n"
        "systemctl daemon-reload; systemctl reset-failed || true\n"
        "userdel openclaw\n"
        "hostnamectl set-hostname elsewhere 2>/dev/null || hostname elsewhere"
    )
