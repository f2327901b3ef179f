"""Deployments that this collection did not make, of the real OpenClaw, and what is asked of them before and after."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import FaultHost
from lab_host import CHECKOUT, kill_tree, playbook, wait_until

LAB = "migrate"
STRONG = hashlib.sha256(b"the token of the base").hexdigest()
WEAK = "change-me"
BOT = "123456789:AA-canary-bot-token-of-the-base-0123"
LOGIN = "sk-ant-oat01-canary-login-" + "0" * 60
RECORD = "/var/lib/openclaw-hardening/migrate/base.json"
STATE = "/var/lib/openclaw/.openclaw"
VARS = CHECKOUT / "build" / LAB / "taken-over.yml"

# What a host has afterwards: Docker, the image with its record, and an image as upstream's.
_FORGET = """
systemctl stop openclaw-gateway.service openclaw-auth-monitor.timer 2>/dev/null || true
docker ps --all --quiet | xargs --no-run-if-empty docker rm --force --volumes >/dev/null
docker network prune --force >/dev/null; docker volume prune --all --force >/dev/null
docker images --quiet openclaw-migrated | xargs --no-run-if-empty docker image rm --force >/dev/null
nft list tables | grep openclaw | while read -r _ family table; do nft delete table $family $table; done || true
find /var/lib/openclaw-hardening -mindepth 1 -maxdepth 1 ! -name 'image*' ! -name verified -exec rm -rf {} +
rm -rf /etc/openclaw /var/lib/openclaw /usr/local/lib/openclaw-hardening /usr/local/bin/openclaw \\
    /etc/systemd/system/openclaw-* /etc/systemd/system/*.wants/openclaw-*
systemctl daemon-reload; systemctl reset-failed || true
userdel openclaw 2>/dev/null || true
docker build --quiet --tag upstream:local - >/dev/null <<'DOCKERFILE'
FROM openclaw:hardened
ENTRYPOINT []
HEALTHCHECK NONE
DOCKERFILE
loginctl disable-linger alice 2>/dev/null || true
systemctl stop user@1000.service 2>/dev/null || true
id alice >/dev/null 2>&1 || useradd --create-home --uid 1000 alice
find /home/alice -mindepth 1 -delete
"""
# Telegram is off: one that it cannot reach takes minutes to stop, also in the hardened deployment (its grace period).
# The form of upstream's docker-compose.yml, in a folder of the name that `git clone` gives.
_COMPOSE = f"""
install -d -o alice -g alice /home/alice/openclaw /home/alice/.openclaw /home/alice/desk
cat > /home/alice/.openclaw/openclaw.json <<'JSON'
{{"gateway": {{"mode": "local", "bind": "lan", "controlUi": {{"allowedOrigins": ["http://192.168.1.20:18789"]}}}},
 "channels": {{"telegram": {{"enabled": false, "botToken": "{BOT}"}}}},
 "agents": {{"defaults": {{"workspace": "/Users/alice/.openclaw/workspace"}},
            "list": [{{"id": "main"}}, {{"id": "research"}}]}}}}
JSON
cat > /home/alice/openclaw/docker-compose.yml <<'YAML'
services:
  openclaw-gateway:
    image: upstream:local
    environment: {{HOME: /home/node, TERM: xterm-256color, OPENCLAW_GATEWAY_TOKEN: "${{OPENCLAW_GATEWAY_TOKEN}}"}}
    volumes:
      - /home/alice/.openclaw:/home/node/.openclaw
      - /home/alice/desk:/home/node/.openclaw/workspace
    ports: ["18789:18789", "18790:18790"]
    init: true
    restart: unless-stopped
    command: [node, openclaw.mjs, gateway, --bind, lan, --port, "18789"]
  openclaw-cli:
    image: upstream:local
    network_mode: service:openclaw-gateway
    environment: {{HOME: /home/node}}
    volumes: ["/home/alice/.openclaw:/home/node/.openclaw"]
    stdin_open: true
    tty: true
    init: true
    entrypoint: [node, openclaw.mjs]
    depends_on: [openclaw-gateway]
YAML
echo OPENCLAW_GATEWAY_TOKEN={STRONG} > /home/alice/openclaw/.env
echo work > /home/alice/desk/notes.md
chown -R alice: /home/alice
cd /home/alice/openclaw && docker compose up --detach --quiet-pull 2>/dev/null
"""
# A volume of root with the state of uid 1000 in it, a port for everybody, a token of a tutorial.
_RUN = f"""
docker volume create oc >/dev/null
echo '{{"gateway": {{"mode": "local", "bind": "lan"}}}}' > /var/lib/docker/volumes/oc/_data/openclaw.json
chmod 666 /var/lib/docker/volumes/oc/_data/openclaw.json
docker run --detach --name openclaw-gateway --user 0:0 --restart always --publish 18789:18789 --env HOME=/root \\
    --env OPENCLAW_GATEWAY_TOKEN={WEAK} --volume oc:/root/.openclaw upstream:local \\
    node openclaw.mjs gateway --bind lan --port 18789 >/dev/null
"""
# OpenClaw as a user installs it: its own `gateway install` writes the unit, the user's manager runs it.
AS_ALICE = ("setpriv --reuid alice --regid alice --init-groups env -i HOME=/home/alice XDG_RUNTIME_DIR=/run/user/1000 "
            "PATH=/opt/openclaw:/usr/bin:/bin")  # fmt: skip
_HOST_INSTALL = f"""
dpkg --status libpam-systemd >/dev/null 2>&1 || {{
  apt-get update -qq >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq libpam-systemd dbus-user-session >/dev/null 2>&1
}}
id=$(docker create openclaw:hardened)
mkdir -p /opt/openclaw
docker cp --quiet "$id:/app" /opt/openclaw/
docker cp --quiet "$id:$(docker run --rm --entrypoint sh openclaw:hardened -c 'command -v node')" /opt/openclaw/node
docker rm "$id" >/dev/null
chmod -R a+rX /opt/openclaw
loginctl enable-linger alice
for _ in $(seq 50); do [ -e /run/user/1000/systemd/private ] && break; sleep 0.2; done
cd /home/alice
{AS_ALICE} sh -euc '
mkdir -p /home/alice/.openclaw/workspace
echo work > /home/alice/.openclaw/workspace/notes.md
cat > /home/alice/.openclaw/openclaw.json <<JSON
{{"gateway": {{"mode": "local", "bind": "loopback", "auth": {{"mode": "token", "token": "{STRONG}"}}}},
 "channels": {{"telegram": {{"enabled": false, "botToken": "{BOT}"}}}},
 "agents": {{"defaults": {{"workspace": "/home/alice/.openclaw/workspace"}}}}}}
JSON
node /opt/openclaw/app/openclaw.mjs gateway install --port 18789 >/dev/null 2>&1'
"""
_ASK = ("curl --silent --output /dev/null --write-out '%{{http_code}}' --max-time 10 -H 'Authorization: Bearer {}' "
        "-H 'Content-Type: application/json' --data '{{\"tool\": \"sessions_list\", \"args\": {{}}}}' "
        "http://127.0.0.1:18789/tools/invoke || true")  # fmt: skip
_LOOK = """python3 - {} <<'PYTHON'
import json, sqlite3, sys
database = sqlite3.connect(f"file:{{sys.argv[1]}}/state/openclaw.sqlite?mode=ro", uri=True)
jobs = [row[0] for row in database.execute("SELECT name FROM cron_jobs WHERE name = 'morning'")]
login = "canary-login" in str(database.execute("SELECT * FROM config_machine_state").fetchall())
print(json.dumps([jobs, login]))
PYTHON"""


@dataclass
class Bases:
    """The host, and what is deployed on it."""

    host: FaultHost
    variables: dict[str, Any]

    def compose(self) -> None:
        """Make upstream's deployment, with a cron job and a login."""
        self.host.check(f"{_FORGET}{_COMPOSE}")
        self.started()
        name = "openclaw-openclaw-gateway-1"
        self.host.check(
            f"docker exec {name} node openclaw.mjs cron add --name morning --every 12h --message hello "
            "--session isolated --agent main --json </dev/null >/dev/null\n"
            f"printf %s {LOGIN} | docker exec --interactive {name} node openclaw.mjs models auth --agent main "
            "paste-token --provider anthropic --expires-in 1h >/dev/null"
        )

    def host_install(self) -> None:
        """Make one of the user alice."""
        self.host.check(f"{_FORGET}{_HOST_INSTALL}")
        self.started()

    def unit_of_alice(self) -> str:
        """Return whether her unit runs, and whether it is enabled."""
        shown = f"{AS_ALICE} systemctl --user show -P ActiveState -P UnitFileState openclaw-gateway.service"
        return self.host.check(shown).replace("\n", " ")

    def docker_run(self) -> None:
        """Make a container by hand."""
        self.host.check(f"{_FORGET}{_RUN}")
        self.started()

    def started(self) -> None:
        """Wait until a gateway answers; a base whose lease is left from before takes minutes."""
        wait_until(self.host.answers, "the gateway of the base", 330)

    def migrate(self, *more: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run the playbook."""
        return playbook(LAB, CHECKOUT / "playbooks/migrate.yml", *more, **self._given(variables))

    def _given(self, variables: dict[str, Any]) -> dict[str, Any]:
        given = {"openclaw_migrate_confirm": False, "openclaw_migrate_vars_file": str(VARS)}
        return {**self.variables, **given, **variables}

    def killed_when(self, phase: str) -> None:
        """Run the playbook, and kill it with all that it started here and there once the record has this phase."""
        program = (
            f"import sys; sys.path[:0] = {[str(CHECKOUT / 'tests')]!r}\n"
            "from lab_host import playbook; from pathlib import Path; import json\n"
            f"given = json.loads({json.dumps(self._given({}))!r})\n"
            f"playbook({LAB!r}, Path({str(CHECKOUT / 'playbooks/migrate.yml')!r}), **given)"
        )
        argv = [str(CHECKOUT / ".venv/bin/python"), "-c", program]
        run = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 240
        while self.host.run(f'grep -q \'"phase": "{phase}"\' {RECORD}').returncode != 0:
            assert time.monotonic() < end and run.poll() is None, "it did not come so far"
            time.sleep(0.1)
        kill_tree(run.pid)
        run.wait(30)
        # The module on the host has lost its controller, and is ended, too.
        self.host.run("pgrep -f AnsiballZ_base_deployment | xargs --no-run-if-empty kill -KILL")

    def running(self) -> list[str]:
        """Return the containers that run."""
        return sorted(self.host.check("docker ps --format '{{.Names}}'").split())

    def answer(self, token: str) -> str:
        """Return the HTTP code for a token."""
        return self.host.check(_ASK.format(token))

    def contents(self, state: str) -> list[Any]:
        """Return the cron job of a state (OpenClaw has its own beside it), and whether the login is in it."""
        return json.loads(self.host.check(_LOOK.format(state)))

    def content(self) -> list[str]:
        """Return the hash of each file of the compose base that its gateway does not write at start and stop."""
        kept = "! -path '*/state/*' ! -name '*.sqlite*' ! -name '*.lock'"
        find = f"find openclaw .openclaw/openclaw.json .openclaw/*.key .openclaw/agents work -type f {kept} -print0"
        return self.host.check(f"cd /home/alice; {find} | sort -z | xargs -0 sha256sum").splitlines()

    def taken_over(self) -> str:
        """Return what was written for the inventory."""
        return Path(VARS).read_text()
