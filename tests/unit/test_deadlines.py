"""Every wait has a deadline of its own: all code that runs on hosts and on the controller is walked for those without.

Each rule names the calls that can wait without end and what makes them end. An exception is one place, with its reason.
"""

from __future__ import annotations

import ast
import os
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.openclaw.hardening.plugins.module_utils._files import regular
from ansible_collections.openclaw.hardening.plugins.module_utils._system.deadline import within

from .source_place import place

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*(ROOT / "plugins").rglob("*.py"), *(ROOT / "roles").glob("*/files/*.py")])
# The notifier and the monitor end with their units (RuntimeMaxSec or TimeoutStartSec).
UNITS = sorted((ROOT / "roles").glob("*/templates/*.service.j2"))
SHELL = sorted(
    path
    for path in (ROOT / "roles").glob("*/*/*")
    if path.parent.name in ("files", "templates") and path.is_file() and path.read_text().startswith("#!/bin/sh")
)
TASKS = sorted([*(ROOT / "roles").glob("*/tasks/**/*.yml"), *(ROOT / "roles").glob("*/handlers/*.yml"),
                *(ROOT / "playbooks").rglob("*.yml")])  # fmt: skip

# (file, function or class that has it, what it calls): why it ends all the same.
EXCEPTIONS = {
    ("_system/command.py", "execute", "subprocess.Popen"): "the one place: its caller waits until a deadline",
    ("_image/build.py", "_run", "subprocess.Popen"): "waited for by wait(timeout), then ended",
    ("_system/packet_filter.py", "kernel_takes_it", "socket.socket"): "netlink, with a timeout",
    ("_deploy/port.py", "_free", "socket.socket"): "bound, never connected",
    ("_preflight/host.py", "_has_address", "socket.socket"): "bound, never connected",
    ("_docker/access.py", "_connect", "socket.socket"): "a timeout before connect(), nothing is read",
    ("_backup/archive.py", "run", "subprocess.Popen"): "a timer ends all of them, and each wait has a limit",
    ("_deploy/confined.py", "run", "subprocess.Popen"): "a timer kills it, and what it answers is bounded",
    (
        "_docker/client.py",
        "connect",
        "docker.DockerClient",
    ): "the one place: within() a deadline, and bounded from then on",
    ("_system/http.py", "request", "http.client.HTTPConnection"): "never connects: it gets a channel with a deadline",
    ("_system/http.py", "_connect", "socket.socket"): "the one place: a timeout before connect()",
    ("_system/http.py", "_connect_unix", "socket.socket"): "the same of a Unix socket",
    ("_system/http.py", "addresses", "socket.getaddrinfo"): "the one place: within() a deadline, or of a number only",
    ("files/gateway_firewall.py", "notify", "socket.socket"): "a datagram to systemd, whose watchdog ends it otherwise",
    ("files/gateway_firewall.py", "main", "socket.socket"): "netlink, never blocking: waited for by select() with POLL",
    ("files/auth_notifier.py", "*", "opener.open"): "ended by the unit's TimeoutStartSec",
    ("files/auth_notifier.py", "connected", "socket.getaddrinfo"): "ended by the unit's TimeoutStartSec",
    ("files/auth_notifier.py", "connected", "socket.socket"): "ended by the unit's TimeoutStartSec",
    ("files/auth_monitor.py", "_apart", "os.waitpid"): "ended by the unit's TimeoutStartSec",
}


def text_of(node: ast.AST) -> str:
    return ast.unparse(node)


def calls(source: str) -> Iterator[tuple[str, str, ast.Call]]:
    """Yield each call: the function that has it, the name that is called, the call."""

    def walk(node: ast.AST, owner: str) -> Iterator[tuple[str, str, ast.Call]]:
        for child in ast.iter_child_nodes(node):
            inner = child.name if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) else owner
            if isinstance(child, ast.Call):
                yield inner, text_of(child.func), child
            yield from walk(child, inner)

    yield from walk(ast.parse(source), "")


def has(call: ast.Call, *names: str) -> bool:
    """Return whether one of these keywords is given, and is not None."""
    return any(
        keyword.arg in names and not (isinstance(keyword.value, ast.Constant) and keyword.value.value is None)
        for keyword in call.keywords
    )


def never(_call: ast.Call) -> bool:
    return False


def with_timeout(call: ast.Call) -> bool:
    return has(call, "timeout")


def with_an_argument(call: ast.Call) -> bool:
    return bool(call.args or call.keywords) and not (
        call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value is None
    )


def without_blocking(call: ast.Call) -> bool:
    return any(word in text_of(call) for word in ("LOCK_NB", "LOCK_UN"))


# What can wait: a pattern for the name that is called, and what makes a call end.
WAITING: list[tuple[str, Callable[[ast.Call], bool]]] = [
    (r".*\.run_command", never),
    (r"os\.(system|popen|spawn\w*|wait|wait3|waitpid|waitid|posix_spawnp?)", never),
    (r"subprocess\.Popen", never),
    (r"subprocess\.(run|call|check_call|check_output|getoutput|getstatusoutput)", with_timeout),
    (r".*\.(wait|join|communicate|acquire)", with_an_argument),
    (r"socket\.(socket|getaddrinfo|gethostby\w+|getfqdn|getnameinfo|socketpair)", never),
    (r"socket\.create_connection", lambda call: has(call, "timeout") or len(call.args) > 1),
    (r"(urllib\.request\.)?(urlopen|urlretrieve)|.*opener\.open", with_timeout),
    (r"http\.client\.HTTPS?Connection", never),
    (r"requests\.\w+", with_timeout),
    (r"docker\.(DockerClient|APIClient|from_env)", never),
    (r"fcntl\.(flock|lockf)", without_blocking),
    (r"select\.select|.*selector\.select", with_an_argument),
    (r"input|getpass\.getpass", never),
]
# What the SDK hands out piece by piece has to be read inside of _docker.streamed.
STREAMS = re.compile(r"api\.api\.(get_image|load_image|pull|push|build|logs|events|attach|export)")


def waits(source: str) -> list[tuple[str, str, int]]:
    """Return the calls of a source that may wait without end: function, what is called, line."""
    found = []
    for owner, name, call in calls(source):
        for pattern, ends in WAITING:
            if re.fullmatch(pattern, name) and not ends(call):
                found.append((owner, name, call.lineno))
    return found


def excepted(path: Path, owner: str, name: str) -> bool:
    return (place(path), owner, name) in EXCEPTIONS or (place(path), "*", name) in EXCEPTIONS


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_waits_without_a_deadline(path):
    found = [(owner, name, line) for owner, name, line in waits(path.read_text()) if not excepted(path, owner, name)]
    assert found == []


def test_every_exception_is_still_needed():
    used = {
        (place(path), owner if (place(path), owner, name) in EXCEPTIONS else "*", name)
        for path in SOURCES
        for owner, name, _line in waits(path.read_text())
    }
    assert set(EXCEPTIONS) - used - {("files/auth_notifier.py", "*", "opener.open")} == set()


@pytest.mark.parametrize(
    "line",
    [
        "module.run_command(['true'])",
        "subprocess.run(['true'])",
        "subprocess.run(['true'], timeout=None)",
        "subprocess.Popen(['true'])",
        "process.wait()",
        "process.communicate()",
        "thread.join()",
        "event.wait(None)",
        "socket.create_connection(('h', 1))",
        "urllib.request.urlopen('x')",
        "opener.open(request)",
        "http.client.HTTPConnection('h', timeout=5)",
        "docker.from_env()",
        "fcntl.flock(f, fcntl.LOCK_EX)",
        "socket.getaddrinfo('h', 1)",
        "lock.acquire()",
    ],
)
def test_the_walk_finds_what_waits(line):
    """A test that cannot fail is a defect."""
    assert waits(f"def f():\n    {line}\n")


def streams(source: str) -> list[str]:
    """Return the streams of a source that nobody reads within a deadline."""
    guarded = {
        argument.id
        for _owner, name, call in calls(source)
        if name.endswith("streamed")
        for argument in call.args
        if isinstance(argument, ast.Name)
    }
    inside = set()
    for _owner, name, call in calls(source):
        if name.endswith("streamed"):
            inside |= {text_of(part.func) for part in ast.walk(call) if isinstance(part, ast.Call)}
    return [
        f"{owner}: {name}"
        for owner, name, call in calls(source)
        if STREAMS.fullmatch(name)
        and owner not in guarded | inside
        and not (name.endswith("logs") and not has(call, "stream", "follow"))
    ]


@pytest.mark.parametrize("path", SOURCES, ids=place)
def test_a_stream_of_the_daemon_is_read_within_a_deadline(path):
    assert streams(path.read_text()) == []


def test_a_stream_without_a_deadline_is_found():
    assert streams("def f(api):\n    for x in api.api.pull('a'): pass\n")
    assert not streams("def f(api):\n    def g():\n        api.api.pull('a')\n    streamed(api, 'x', g)\n")


# --- files that may be something else -------------------------------------------------------------------------------

FLAGS = re.compile(r"O_NONBLOCK|O_DIRECTORY|O_PATH|O_EXCL")


def constants() -> set[str]:
    """Return the names of constants that have one of these flags."""
    found = set()
    for path in SOURCES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and FLAGS.search(text_of(node.value)):
                found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


FLAGGED = re.compile(rf"{FLAGS.pattern}|\b({'|'.join(sorted(constants()))})\b")
# Only root writes there, or the kernel.
ROOTS_OWN = re.compile(r"f?'/(proc|sys|etc)/")
# (file, function): why nobody else can put a FIFO there.
OWN_FILES = {
    ("_system/lock.py", "lock"): "O_RDWR never waits for the other end of a FIFO",
    ("_system/lock.py", "_locks"): "below /proc",
    ("_system/nft.py", "_read"): "of a descriptor that O_NONBLOCK opened",
    ("_deploy/history.py", "host_id"): "/etc/machine-id",
    ("_image/build.py", "_run"): "the build log, in a directory of root; O_TRUNC of a file that this run made",
    ("_image/build.py", "build"): "the same",
    ("_image/build.py", "_followed"): "the same",
    ("_image/base.py", "distribution"): "/etc/os-release",
    ("_image/base.py", "_write"): "in a temporary directory of root; O_EXCL",
    ("_image/base.py", "_digest"): "in a temporary directory of root",
    ("_system/accounts.py", "_lines"): "/etc/passwd, /etc/group",
    ("_evidence/account.py", "_subordinate"): "/etc/subuid, /etc/subgid",
    ("_diagnose/look.py", "_counted"): "below /sys/fs/cgroup",
    ("_evidence/files.py", "_mount_table"): "/proc/PID/mountinfo",
    ("_evidence/files.py", "_last"): "of a descriptor that O_NONBLOCK opened",
    ("_system/proc.py", "read_listeners"): "/proc/PID/net",
    ("_evidence/processes.py", "_read"): "/proc/PID",
    ("_evidence/files.py", "_reopen"): "flags have O_PATH or O_DIRECTORY",
    ("_evidence/packet_filter.py", "_declared"): "of a descriptor that O_NONBLOCK opened",
    ("_evidence/packet_filter.py", "_value"): "/proc/sys/net",
    ("_docker/access.py", "elsewhere"): "root's own home",
    ("_files/descent.py", "open_here"): "its callers give O_DIRECTORY or O_NONBLOCK (test below)",
    ("_files/safe_path.py", "opened"): "its callers give O_DIRECTORY or O_NONBLOCK (test below)",
    ("_files/regular.py", "regular"): "of a descriptor that O_NONBLOCK opened",
    ("_report/html.py", "_part"): "a file of the collection",
    ("files/gateway_firewall.py", "main"): "beside the program, in a directory of root",
    ("files/auth_notifier.py", "load_memory"): "in the unit's own StateDirectory",
    ("files/auth_notifier.py", "sockets"): "/proc/net",
    ("files/auth_monitor.py", "read_text"): "of a descriptor that O_NONBLOCK opened",
    ("files/auth_notifier.py", "credential"): "a credential, from systemd",
    ("files/maintenance_notifier.py", "_load"): "in the unit's own StateDirectory",
}


def blocking_opens(source: str) -> list[tuple[str, str]]:
    """Return the opens that wait for the other end of a FIFO: function, call."""
    found = []
    for owner, name, call in calls(source):
        whole = text_of(call)
        if name == "open" and (ROOTS_OWN.match(text_of(call.args[0])) or re.search(r"'[wx]b?'", whole)):
            continue
        if name == "os.open" and FLAGGED.search(whole):
            continue
        if name in ("open", "os.open"):
            found.append((owner, whole))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=place)
def test_a_fifo_holds_nobody(path):
    if (
        place(path) == "plugin_utils/_archive_cache.py"
    ):  # the controller's own cache folder: flags are of O_CREAT | O_RDWR
        return
    flagged = {
        "_files/transaction.py",
        "_files/atomic.py",
        "_deploy/state_copy.py",
    }  # flags, in a variable: all of them make a file (O_EXCL)
    found = [
        (owner, whole)
        for owner, whole in blocking_opens(path.read_text())
        if (place(path), owner) not in OWN_FILES and not (place(path) in flagged and ", flags, " in whole)
    ]
    assert found == []


def test_the_files_of_others_are_opened_without_waiting():
    for path in SOURCES:
        for owner, name, call in calls(path.read_text()):
            position = {"opened": 3, "safe_path.opened": 3, "open_here": 1, "descent.open_here": 1}.get(name)
            if position and len(call.args) > position:
                assert FLAGGED.search(text_of(call.args[position])), (path.name, owner, text_of(call))


def test_a_fifo_and_a_growing_file_have_an_end(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for name in ("fifo", "."):
        with pytest.raises(OSError, match=r"no regular file|Is a directory"):
            within(5, lambda name=name: regular.read_text(str(tmp_path / name)))
    (tmp_path / "grows").write_bytes(b"x" * 10)
    with regular.regular(str(tmp_path / "grows")) as file:
        pieces = regular.pieces(file)
        with open(tmp_path / "grows", "ab") as more:
            more.write(b"y" * 10)
        assert b"".join(pieces) in (b"x" * 10, b"x" * 10 + b"y" * 10)
    stop = threading.Event()

    def grow() -> None:
        with open(tmp_path / "grows", "ab", buffering=0) as more:
            while not stop.wait(0.001):
                more.write(b"z" * 4096)

    writer = threading.Thread(target=grow, daemon=True)
    writer.start()
    try:
        with regular.regular(str(tmp_path / "grows")) as file:
            assert within(10, lambda: sum(map(len, regular.pieces(file)))) > 0
    finally:
        stop.set()
        writer.join(5)
    assert regular.read_text(os.devnull) == ""


# --- shell, units, tasks ----------------------------------------------------------------------------------------------

# Lasts as long as what it does: an operator sees it, and ends it; or the supervisor, whose unit ends it.
LASTING = {"docker wait": "as long as the gateway runs", "docker exec": "an operator's command"}


@pytest.mark.parametrize("path", SHELL, ids=lambda path: path.name)
def test_a_program_on_the_host_asks_docker_with_a_deadline(path):
    found = []
    for line in path.read_text().splitlines():
        code = re.sub(r"(echo|printf|log) .*|#\s.*", "", line)
        for match in re.finditer(r"(?<![\w/-])docker (container \w+|[a-z]+)", code):
            bounded = re.search(r"timeout [^;|&]*$", code[: match.start()])
            if not bounded and not any(match[0].startswith(lasting) for lasting in LASTING):
                found.append(line.strip())
    assert found == []


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_that_runs_once_ends(path):
    """Without it the start of this type has no timeout (systemd.service(5)); every stop has one by default."""
    text = path.read_text()
    assert "Type=oneshot" not in text or re.search(r"(?m)^TimeoutStartSec=", text)
    assert "infinity" not in text


ENDING = {
    "apt": "lock_timeout",
    "apt_repository": "lock_timeout",
    "package": "",
    "pause": "seconds",
    "wait_for": "timeout",
    "wait_for_connection": "timeout",
    "uri": "timeout",
    "get_url": "timeout",
}


def tasks(node: object) -> Iterator[dict]:
    for entry in node if isinstance(node, list) else []:
        if isinstance(entry, dict):
            yield entry
            for key in ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers"):
                yield from tasks(entry.get(key))


@pytest.mark.parametrize("path", TASKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_task_that_waits_reports_how_long(path):
    for task in tasks(yaml.safe_load(path.read_text())):
        for module, option in ENDING.items():
            given = task.get(f"ansible.builtin.{module}", {})
            if f"ansible.builtin.{module}" in task and option:
                # A person who is asked may take the time that it takes.
                asked = (module, task.get("name")) == ("pause", "Ask before the base is stopped")
                assert asked or option in given or (module == "apt" and "deb" in given), (task.get("name"), option)
        for word in ("command", "shell", "raw", "script"):
            assert f"ansible.builtin.{word}" not in task or "timeout" in task, task.get("name")
