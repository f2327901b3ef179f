"""The auth monitor on a real host, with its real units: an impostor at the gateway's port, and a hostile state."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from check import read
from hostile_host import ON_HOST, HostileHost, Module, requests
from options import put

READER, NOTIFIER, TIMER = (f"openclaw-auth-{name}" for name in ("monitor.service", "notifier.service", "monitor.timer"))
LIB = "/usr/local/lib/openclaw-hardening"
STATE = "/var/lib/openclaw/.openclaw"
STATUS = "/run/openclaw-auth-monitor/status.json"
TOLD = "/var/lib/private/openclaw-auth-notifier/reported.json"
RECORDS = "/run/hostile-monitor"
LISTENER = f"{RECORDS}/listener.py"
PORT, NTFY_PORT = 18789, 8098
AS_SERVICE = "setpriv --reuid=openclaw --regid=openclaw --clear-groups"
PAUSES = "PAUSES = (5.0, 10.0)"
NOT_PROVEN = "Not sent by phone, and no token shown"


@pytest.fixture(scope="module", autouse=True)
def deployed(host: HostileHost, serve: Callable[[str], Module]) -> Iterator[None]:
    """Have both channels configured and no tick of the timer; afterwards, everything as it was."""
    host.check(f"mkdir -p -m 1777 {RECORDS}")
    host.write(LISTENER, (ON_HOST / "listener.py").read_text())
    good = request_of(host, TIMER)
    unit = [found["name"] for found in good["units"]].index(NOTIFIER)
    text = good["units"][unit]["content"]
    phone = "SetCredential=status:none\nLoadCredential=gateway_token:/etc/openclaw/secrets/gateway_token\n"
    changed = put(good, ("units", unit, "content"), text.replace("SetCredential=status:none\n", phone))
    settings = good["secrets"][0]["value"].replace("NOTIFY_PHONE=", "NOTIFY_PHONE=4242")
    settings = settings.replace("NOTIFY_NTFY=", f"NOTIFY_NTFY=http://127.0.0.1:{NTFY_PORT}/alerts")
    listen(host, "ntfy", NTFY_PORT, "127.0.0.1")
    try:
        done = read(serve("systemd_unit").run(put(changed, ("secrets", 0, "value"), settings), check=False))
        assert not done.get("failed"), done
        # Its patience with a channel that is down is not what is tested here, and waited for by nearly every test.
        host.check(
            f"grep -qx '{PAUSES}' {LIB}/auth-notifier; sed -i 's/^{PAUSES}$/PAUSES = (0.2, 0.2)/' {LIB}/auth-notifier"
        )
        host.check(f"systemctl stop {TIMER}; rm -f {TOLD}")
        yield
    finally:
        host.check("systemctl stop 'hostile-monitor-*'")
        assert not read(serve("systemd_unit").run(good, check=False)).get("failed")
        host.check(f"rm -rf {RECORDS} {TOLD}; systemctl start {TIMER}; systemctl start {READER} {NOTIFIER}")


def request_of(host: HostileHost, unit: str) -> dict[str, Any]:
    """Return the options that the roles gave for the set with this unit."""
    return next(found for found in requests(host, "systemd_unit") if unit in str(found["units"]))


def listen(host: HostileHost, name: str, port: int, address: str, *flags: str, uid: str = "root") -> None:
    """Let an account listen, and write down all that it is sent; an answer is what a gateway and ntfy would say."""
    host.check(
        f"rm -f {RECORDS}/{name}\n"
        f"systemd-run --quiet --collect --unit=hostile-monitor-{name} --uid={uid} "
        f"python3 {LISTENER} {RECORDS}/{name} {port} {address} {' '.join(flags)}\n"
        f"for _ in $(seq 100); do [ -e {RECORDS}/{name} ] && exit 0; sleep 0.1; done; exit 1"
    )


def received(host: HostileHost, name: str) -> str:
    return host.check(f"cat {RECORDS}/{name}")


def journal(host: HostileHost, unit: str) -> str:
    run = host.check(f"systemctl show -P InvocationID {unit}")
    return host.check(f"journalctl --sync; journalctl --no-pager --output=cat _SYSTEMD_INVOCATION_ID={run}")


# --- an impostor ------------------------------------------------------------------------------------------------------


@pytest.fixture
def down(host: HostileHost) -> Iterator[None]:
    """The gateway is down, and its port free."""
    host.check("systemctl stop openclaw-gateway.service; docker stop --time 5 openclaw-gateway >/dev/null")
    host.check(f"systemctl start {READER} {NOTIFIER} || true; rm -f {TOLD}")
    yield
    host.check(
        "systemctl stop 'hostile-monitor-impostor*'; docker start openclaw-gateway >/dev/null\n"
        "systemctl reset-failed; systemctl start openclaw-gateway.service\n"
        "for _ in $(seq 200); do\n"
        "curl -sf -o /dev/null --max-time 2 http://127.0.0.1:18789/healthz && exit 0; sleep 0.1; done; exit 1"
    )


IMPOSTORS: dict[str, tuple[str, ...]] = {
    "that address": ("127.0.0.1",),
    "every address": ("0.0.0.0",),  # noqa: S104
    "every address of IPv6": ("::",),
    "shared": ("127.0.0.1", "--reuse-port"),
    "that accepts nobody": ("127.0.0.1", "--deaf"),
    "that waits for data": ("127.0.0.1", "--defer"),
    "of MPTCP": ("127.0.0.1", "--mptcp"),
    "that answers nothing": ("127.0.0.1", "--silent"),
}


@pytest.mark.parametrize("flags", IMPOSTORS.values(), ids=IMPOSTORS)
def test_an_impostor_gets_no_token_and_is_reported_of(host, down, flags):
    token = host.check("cat /etc/openclaw/secrets/gateway_token")
    listen(host, "impostor", PORT, *flags, uid="nobody")
    before = len(received(host, "ntfy"))
    host.check(f"! systemctl start {NOTIFIER} 2>/dev/null")
    assert token not in received(host, "impostor")
    assert "Authorization" not in received(host, "impostor")
    assert NOT_PROVEN in received(host, "ntfy")[before:]
    assert "phone: NOT DELIVERED" in journal(host, NOTIFIER)


def test_the_gateway_itself_gets_it(host):
    """Otherwise the notifier would be safe, and of no use. The gateway has no such tool, and reports so."""
    host.check(f"rm -f {TOLD}; systemctl start {READER}; systemctl start {NOTIFIER} || true")
    output = journal(host, NOTIFIER)
    assert "phone: delivered" in output or "the gateway did not send it" in output or "HTTP 4" in output, output
    assert "inconclusive" not in output
    assert "no token shown" not in output


def test_who_takes_turns_with_root_gets_nothing(host, down):
    """The port changes hands hundreds of times while a token is shown: only root's listener ever sees it."""
    turns = json.loads(host.check(f"python3 {LISTENER} --turns {LIB}/auth-notifier {PORT}"))
    assert turns["impostor"] == 0
    assert turns["root"] >= 1, turns
    assert turns["refused"] >= 1, turns


# --- a hostile state --------------------------------------------------------------------------------------------------

PRELUDE = f"""
import fcntl, json, os, signal, sqlite3, sys, time
state = {STATE!r}
os.chdir(state)
os.makedirs("state", exist_ok=True)
path = "state/openclaw.sqlite"
def database(*statements, name=path):
    made = sqlite3.connect(name, isolation_level=None)
    for statement in statements:
        made.execute(statement)
    made.close()
TABLE = "CREATE TABLE config_machine_state (state_key TEXT PRIMARY KEY, value_json TEXT)"
def store(profiles):
    text = json.dumps({{"version": 1, "profiles": profiles}})
    database(TABLE, "INSERT INTO config_machine_state VALUES ('authProfiles.store', '" + text.replace("'", "''") + "')")
late = {{"type": "token", "provider": "x", "token": "t", "expires": 1}}
"""
STATES: dict[str, tuple[str, str, str]] = {
    "computed column": (
        'database("CREATE TABLE config_machine_state (state_key TEXT, value_json TEXT AS (hex(zeroblob(100000000))))",'
        ' "INSERT INTO config_machine_state (state_key) VALUES (\'authProfiles.store\')")',
        "unreadable", "computed column",
    ),
    "view": (
        'database("CREATE VIEW config_machine_state AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n)'
        ' SELECT 1 AS state_key, x AS value_json FROM n")',
        "unreadable", "not a plain table",
    ),
    "sparse log": ('store({}); open(path + "-wal", "w").truncate(300 << 20)', "unreadable", "more than"),
    "10 GB": ('store({}); open(path, "a").truncate(10 << 30)', "unreadable", "more than"),
    "pipe": ("os.mkfifo(path)", "unreadable", "not a regular file"),
    "pipe as a log": ('store({}); os.mkfifo(path + "-wal")', "unreadable", "not a regular file"),
    "link": ('os.symlink("/dev/zero", path)', "unreadable", "not a regular file"),
    "folder behind a link": ('os.rmdir("state"); os.symlink("/", "state")', "unreadable", "not a directory"),
    "a million rows": (
        'database("CREATE TABLE config_machine_state (state_key TEXT, value_json TEXT)",'
        ' "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n LIMIT 1000000)'
        ' INSERT INTO config_machine_state SELECT x, x FROM n")',
        "missing", "no login",
    ),
    "16 MB of JSON": ('open("auth-profiles.json", "w").write("[" * (16 << 20))', "unreadable", "more than"),
    "names": ('store({"\\ud800\\n<0>x http://evil.example": late, "\\u202e": late})', "expired", "evil[.]example"),
    "folder that is not text": (
        'os.makedirs(b"agents/\\xff\\n/agent"); os.mkfifo(b"agents/\\xff\\n/agent/openclaw-agent.sqlite")',
        "unreadable", r"\udcff\x0a",
    ),
    "6,000 profiles": ('store({f"p{n}": late for n in range(6000)})', "expired", "and 5990 more"),
}  # fmt: skip


@pytest.fixture
def emptied(host: HostileHost) -> Iterator[None]:
    """A state without logins, before and after."""
    clean = f"rm -rf {STATE}/state {STATE}/agents {STATE}/auth-profiles.json"
    host.check(f"mkdir -p /root/kept; cp -a {STATE}/. /root/kept/; {clean}")
    yield
    host.check(f"{clean}; cp -a /root/kept/. {STATE}/; rm -rf /root/kept; systemctl reset-failed {READER} {NOTIFIER}")


def spoil(host: HostileHost, code: str) -> None:
    host.check(f"{AS_SERVICE} python3 - <<'PYTHON'\n{PRELUDE}\n{code}\nPYTHON")


def checked(host: HostileHost, fails: bool) -> dict[str, Any]:
    """Let both units run; return the status, which the notifier got as well."""
    host.check(f"rm -f {TOLD}; {'! ' if fails else ''}timeout 100 systemctl start {READER} 2>/dev/null")
    host.check(f"systemctl start {NOTIFIER} 2>/dev/null || true")
    assert int(host.check(f"stat -c %s {STATUS}")) < 1 << 20
    return json.loads(host.check(f"cat {STATUS}"))


@pytest.mark.parametrize(("code", "state", "words"), STATES.values(), ids=STATES)
def test_a_hostile_state_is_a_bounded_report(host, emptied, code, state, words):
    spoil(host, code)
    before = len(received(host, "ntfy"))
    status = checked(host, fails=state == "unreadable")
    assert status["state"] == state
    assert words in status["summary"]
    reported = received(host, "ntfy")[before:]
    assert f"login {state}" in reported
    assert "http://evil" not in reported


def test_a_lease_on_the_store_holds_nobody_up(host, emptied):
    spoil(host, "store({})")
    code = (
        "import fcntl, os, signal, time; signal.signal(signal.SIGIO, lambda *_: None); "
        f"f = os.open('{STATE}/state/openclaw.sqlite', os.O_RDWR); fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK); "
        f"open('{RECORDS}/lease', 'w'); end = time.time() + 60\n"
        "while time.time() < end: time.sleep(1)"
    )
    host.write(f"{RECORDS}/lease.py", code)
    host.check(
        f"systemd-run --quiet --collect --unit=hostile-monitor-lease --uid=openclaw python3 {RECORDS}/lease.py\n"
        f"for _ in $(seq 100); do [ -e {RECORDS}/lease ] && exit 0; sleep 0.1; done; exit 1"
    )
    try:
        assert "holds a lease" in checked(host, fails=True)["summary"]
    finally:
        host.check(f"systemctl stop hostile-monitor-lease; rm -f {RECORDS}/lease*")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("held = bytearray(1 << 30)", "more memory"),
        ("held = [bytes([1]) * (1 << 20) for _ in range(4000)]", "signal 9"),
        ("while True: pass", "not within"),
        ("open('/tmp/full', 'wb').write(bytes(2 << 20))", "cannot be read"),
    ],
    ids=["memory at once", "memory bit by bit", "time", "disk"],
)
def test_a_reader_that_is_taken_over_is_limited_by_its_unit(host, emptied, line, words):
    """What the program's own checks forgot is stopped by the kernel; the status reports so, and nothing of it is
    left.
    """
    program = f"{LIB}/auth-monitor"
    spoil(host, "store({})")
    source = host.check(f"cp -p {program} /root/auth-monitor; cat {program}")
    begin = "    document = _parsed(text)\n    version ="
    assert source.count(begin) == source.count("\nSTORE_SECONDS = 20.0\n") == 1
    taken = source.replace(begin, f"    {line}\n{begin}").replace("\nSTORE_SECONDS = 20.0\n", "\nSTORE_SECONDS = 4.0\n")
    host.write(program, f"{taken}\n")
    try:
        status = checked(host, fails=True)
        assert words in status["summary"]
        assert int(host.check("systemctl show -P MemoryMax openclaw-auth-monitor.service")) == 320 << 20
    finally:
        host.check(f"mv /root/auth-monitor {program}")
