"""Faults in how the token, the configuration and the state are kept."""

from __future__ import annotations

from harness import SeededFault
from proof import proof

TOKEN = "/etc/openclaw/secrets/gateway_token"
CONFIG = "/etc/openclaw/openclaw.json"
STATE = "/var/lib/openclaw/.openclaw"
# The file keeps its inode, which is mounted; the gateway reads it when it starts.
TOKEN_BECOMES = (
    "[ -e /root/token ] || cp -p $TOKEN /root/token; printf %s {} > $TOKEN; docker restart $C >/dev/null; stabilize"
)
TOKEN_BACK = "cat /root/token > $TOKEN; rm /root/token; docker restart $C >/dev/null; stabilize"
IN_ENVIRONMENT = "tr '\\0' '\\n' < /proc/$(pid)/environ | grep -q '^{}='"
OWNER = "[ \"$(stat -c '%U' {0})\" = {1} ]"
MODE = "[ $(stat -c %a {}) = {} ]"
HOME = "/var/lib/openclaw"


def mode(name: str, expected: str, path: str, wrong: str, right: str, way: int = 0) -> SeededFault:
    """Return a file or directory with the wrong mode."""
    return SeededFault(
        name, expected, MODE.format(path, wrong), do=f"chmod {wrong} {path}", undo=f"chmod {right} {path}",
        way=way, values={"PATH": path.replace("$TOKEN", TOKEN)},
    )  # fmt: skip


def owner(name: str, expected: str, path: str, wrong: str, right: str) -> SeededFault:
    """Return a file or directory of the wrong owner."""
    return SeededFault(
        name, expected, OWNER.format(path, wrong), do=f"chown {wrong} {path}", undo=f"chown {right} {path}",
        values={"PATH": path.replace("$TOKEN", TOKEN)},
    )  # fmt: skip


SEEDED_FAULTS = (
    SeededFault(
        "weak token", "OCH-SEC-01", "[ $(wc -c < $TOKEN) -lt 20 ]",
        do=TOKEN_BECOMES.format("hunter2hunter2"), undo=TOKEN_BACK,
        values={"PATH": TOKEN},
    ),
    SeededFault(
        "token change-me", "OCH-SEC-01", "grep -q change-me $TOKEN",
        do=TOKEN_BECOMES.format("change-me"), undo=TOKEN_BACK,
        values={"PATH": TOKEN},
    ),
    SeededFault(
        "long token of one letter", "OCH-SEC-01", "grep -q aaaaaaaaaaaa $TOKEN",
        do=TOKEN_BECOMES.format("$(printf 'a%.0s' $(seq 64))"), undo=TOKEN_BACK,
        values={"PATH": TOKEN},
    ),
    SeededFault(
        "token in the environment, too", "OCH-SEC-02", IN_ENVIRONMENT.format("OPENCLAW_GATEWAY_TOKEN"),
        lambda d: d.gateway["environment"].update(OPENCLAW_GATEWAY_TOKEN=d.facts["token"]),
        values={"VARIABLE": "OPENCLAW_GATEWAY_TOKEN"},
    ),
    SeededFault(
        "provider key in the environment", "OCH-SEC-02", IN_ENVIRONMENT.format("ANTHROPIC_API_KEY"),
        lambda d: d.gateway["environment"].update(ANTHROPIC_API_KEY="sk-ant-4242deadbeef"),
        values={"VARIABLE": "ANTHROPIC_API_KEY"},
    ),
    SeededFault(
        "secret in the environment of another process", "OCH-SEC-02",
        "tr '\\0' '\\n' < /proc/$(pgrep -x -f 'sleep 603')/environ | grep -q ^DB_PASSWORD=",
        do="docker exec --detach --env DB_PASSWORD=hunter2hunter2 $C sleep 603; sleep 0.3",
        undo="kill $(pgrep -x -f 'sleep 603')",
        values={"VARIABLE": "DB_PASSWORD"},
    ),
    SeededFault(
        "token on the command line", "OCH-SEC-03", "tr '\\0' ' ' < /proc/$(pid)/cmdline | grep -q -- --token",
        lambda d: d.gateway.update(command=["node", "openclaw.mjs", "gateway", "--token", d.facts["token"]]),
        values={"OPTION": "--token"},
    ),
    SeededFault(
        "password on the command line of another process", "OCH-SEC-03", "pgrep -f 'password=hunter2' >/dev/null",
        do="docker exec --detach $C sh -c 'sleep 604; true' --password=hunter2hunter2; sleep 0.3",
        undo="kill $(pgrep -x -f 'sleep 604')",
        values={"OPTION": "--password"},
    ),
    mode("token readable by the group", "OCH-SEC-04", "$TOKEN", "440", "400"),
    owner("token of root", "OCH-SEC-04", "$TOKEN", "root", "openclaw"),
    SeededFault(
        "token behind a link", "OCH-SEC-04", "[ -L $TOKEN ]",
        do="mv $TOKEN /etc/openclaw/token; ln -s /etc/openclaw/token $TOKEN",
        undo="rm $TOKEN; mv /etc/openclaw/token $TOKEN",
        way=2, values={"PATH": TOKEN},
    ),
    SeededFault(
        "token with a second name", "OCH-SEC-04", "[ $(stat -c %h $TOKEN) = 2 ]",
        do="ln $TOKEN /etc/openclaw/token", undo="rm /etc/openclaw/token",
        way=3, values={"PATH": TOKEN},
    ),
    mode("secrets directory writable", "OCH-SEC-04", "/etc/openclaw/secrets", "777", "711", way=1),
    SeededFault(
        "config mounted writable", "OCH-SEC-05",
        "awk '$5 == \"/etc/openclaw/openclaw.json\" {print $6}' /proc/$(pid)/mountinfo | grep -q ^rw",
        lambda d: next(
            mount for mount in d.gateway["volumes"] if mount["target"] == "/etc/openclaw/openclaw.json"
        ).update(read_only=False),
        way=1, values={"TARGET": "/etc/openclaw/openclaw.json"},
    ),
    mode("config readable by others", "OCH-SEC-05", CONFIG, "444", "400"),
    owner("directory of the settings is the service's", "OCH-SEC-07", "/etc/openclaw", "openclaw", "root"),
    SeededFault(
        "secret in the config", "OCH-SEC-05", f"grep -q sk-ant-4242 {CONFIG}",
        do=f"""
cp -p {CONFIG} /root/openclaw.json
jq '.models.providers.anthropic.apiKey="sk-ant-4242deadbeef4242deadbeef"' /root/openclaw.json > {CONFIG}
""",
        undo=f"cat /root/openclaw.json > {CONFIG}",
        way=2, values={"SETTING": "models.providers.anthropic.apiKey"},
    ),
    SeededFault(
        "token in the config", "OCH-SEC-05", f"jq -r .gateway.auth.token {CONFIG} | grep -qx $(cat $TOKEN)",
        do=f"""
cp -p {CONFIG} /root/openclaw.json
jq --arg token $(cat $TOKEN) '.gateway.auth.token=$token' /root/openclaw.json > {CONFIG}
""",
        undo=f"cat /root/openclaw.json > {CONFIG}",
        way=2,
        values={"SETTING": "gateway.auth.token",
                "REFERENCE": '{"source": "file", "provider": "gateway_token", "id": "value"}'},
    ),
    mode("state directory readable by others", "OCH-SEC-06", STATE, "755", "700"),
    owner("state directory of another user", "OCH-SEC-06", STATE, "nobody", "openclaw"),
    SeededFault(
        "file of root in the state directory", "OCH-SEC-06", f"[ -e {STATE}/left-behind ]",
        do=f"touch {STATE}/left-behind", undo=f"rm {STATE}/left-behind",
        values={"PATH": "/var/lib/openclaw/.openclaw"},
    ),
    mode("home writable by everybody", "OCH-SEC-06", HOME, "777", "750", way=1),
    mode("compose file writable by everybody", "OCH-SEC-07", "/etc/openclaw/docker-compose.hardened.yml", "666", "644"),
    owner("compose file of another user", "OCH-SEC-07", "/etc/openclaw/docker-compose.hardened.yml", "nobody", "root"),
    mode("directory of the compose file writable by everybody", "OCH-SEC-07", "/etc/openclaw", "777", "755"),
    SeededFault(
        "token in a label", "OCH-SEC-08", "container '{{json .Config.Labels}}' | grep -q $(cat $TOKEN)",
        lambda d: d.gateway["labels"].update({"org.example.note": d.facts["token"]}),
        values={"PATH": TOKEN},
    ),
    SeededFault(
        "token in the compose file", "OCH-SEC-08", "grep -q $(cat $TOKEN) /etc/openclaw/docker-compose.hardened.yml",
        do="echo \"# token: $(cat $TOKEN)\" >> /etc/openclaw/docker-compose.hardened.yml",
        undo="sed -i '/^# token: /d' /etc/openclaw/docker-compose.hardened.yml",
        values={"PATH": TOKEN},
    ),
    SeededFault(
        "token in the log", "OCH-SEC-08", "docker logs $C 2>&1 | grep -q $(cat $TOKEN)",
        do="echo \"token: $(cat $TOKEN)\" | docker exec -i $C sh -c 'cat > /proc/1/fd/1'; sleep 0.3",
        anew=True,
        values={"PATH": TOKEN},
    ),
)  # fmt: skip

test_it_is_found = proof(SEEDED_FAULTS)
