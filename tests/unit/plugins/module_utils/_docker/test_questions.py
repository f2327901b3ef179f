"""Questions to the daemon without the SDK: the same answers and errors as with it, and its import only where needed."""

from __future__ import annotations

import ast
import inspect
import json
import socketserver
import struct
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.questions import Questions

VERSION = {"ApiVersion": "1.44", "Version": "26.1"}
CHECKOUT = Path(__file__).resolve().parents[5]


def frame(stream: int, text: bytes) -> bytes:
    return struct.pack(">BxxxL", stream, len(text)) + text


LOG = frame(1, b"one\n") + frame(2, b"two\n")
ANSWERS = {
    "/version": (200, VERSION),
    "/info": (200, {"Name": "host"}),
    "/images/a:b/json": (200, {"Id": "sha256:1", "RepoTags": ["a:b"], "Config": {"Labels": {"x": "y"}}}),
    "/images/gone:b/json": (404, {"message": "No such image: gone:b"}),
    "/images/sick:b/json": (500, {"message": "out of order"}),
    "/containers/c/json": (200, {"Id": "1", "Name": "/c", "Image": "sha256:1", "Config": {"Tty": False}}),
    "/containers/gone/json": (404, {"message": "No such container: gone"}),
    "/containers/json": (200, [{"Id": "c"}]),
    "/containers/c/logs": (200, LOG),
    "/containers/t/json": (200, {"Id": "t", "Name": "/t", "Config": {"Tty": True}}),
    "/containers/t/logs": (200, b"plain\n"),
    "/networks": (200, [{"Id": "n", "Name": "bridge"}]),
    "/networks/n": (200, {"Id": "n", "Name": "bridge"}),
    "/volumes": (200, {"Volumes": []}),
    "/images/json": (200, [{"Id": "a:b"}]),
    "/images/a:b/history": (200, [{"CreatedBy": "RUN true"}]),
    "/containers/c/changes": (200, [{"Kind": 0, "Path": "/etc"}]),
}


class Handler(BaseHTTPRequestHandler):
    """Answers like a daemon; the SDK puts the API version in front of each path."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/v1.44")
        status, answer = ANSWERS.get(path, (404, {"message": "page not found"}))
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if isinstance(answer, bytes) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def host(tmp_path):
    with Server(f"{tmp_path}/docker.sock", Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"unix://{tmp_path}/docker.sock"
        server.shutdown()


QUESTIONS = {
    "info": lambda api: api.info(),
    "version": lambda api: api.version(),
    "inspect_image": lambda api: api.inspect_image("a:b"),
    "history": lambda api: api.history("a:b"),
    "images": lambda api: api.images(filters={"label": "x=y"}),
    "inspect_container": lambda api: api.inspect_container("c"),
    "containers": lambda api: api.containers(all=True, filters={"label": ["x", "y=z"]}),
    "diff": lambda api: api.diff("c"),
    "logs": lambda api: api.logs("c", timestamps=True, tail=10, since=1),
    "logs of a terminal": lambda api: api.logs("t", timestamps=True, tail=10, since=1),
    "networks": lambda api: api.networks(),
    "some networks": lambda api: api.networks(filters={"label": "x=y"}),
    "inspect_network": lambda api: api.inspect_network("n"),
    "volumes": lambda api: api.volumes(),
    "some volumes": lambda api: api.volumes(filters={"label": "x=y"}),
}


def test_every_call_in_the_code_is_one_that_a_question_takes():
    """The client may be the SDK's or this one, so that no type checker sees it."""
    options = {
        name: set(inspect.signature(method).parameters)
        for name, method in vars(Questions).items()
        if inspect.isfunction(method) and not name.startswith("_")
    }
    observed = set()
    for path in (CHECKOUT / "plugins").rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
                continue
            receiver = ast.unparse(call.func.value)
            if call.func.attr in options and receiver in ("api", "api.api", "client", "self.api", "self.api.api"):
                observed.add(call.func.attr)
                assert {keyword.arg for keyword in call.keywords} <= options[call.func.attr], (path, call.lineno)
    assert {"networks", "volumes", "containers", "logs", "inspect_network"} <= observed


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
def test_each_answer_is_that_of_the_sdk(host, ask):
    api = client.client(host).api
    assert isinstance(api, Questions)
    assert ask(api) == ask(api.sdk.api)


def test_what_is_not_there_is_none_and_what_fails_is_the_sdks_error(host):
    api = client.client(host)
    assert client.find_image(api, "a:b").id == "sha256:1"
    assert client.find_container(api, "c").name == "c"
    assert client.find_image(api, "gone:b") is None
    assert client.find_container(api, "gone") is None
    with pytest.raises(HardeningError, match="image sick:b: found the daemon's answer out of order"):
        client.find_image(api, "sick:b")
    # 404 of something that is no daemon, or of another version of the API.
    with pytest.raises(HardeningError, match="page not found"):
        client.find_image(api, "other:b")


@pytest.mark.parametrize("body", [b"\x01\0\0\0\0\0\0", frame(1, b"one\n")[:-1]])
def test_a_log_that_is_cut_is_left_to_the_sdk(host, monkeypatch, body):
    monkeypatch.setitem(ANSWERS, "/containers/c/logs", (200, body))
    api = client.client(host).api
    whole = SimpleNamespace(logs=lambda *_names, **_options: b"from the SDK")
    monkeypatch.setattr(api, "_made", SimpleNamespace(api=whole))
    assert api.logs("c", timestamps=True, tail=1, since=1) == b"from the SDK"


def test_a_name_that_is_empty_is_refused_as_the_sdk_refuses_it(host):
    api = client.client(host)
    for ask in (lambda: client.find_image(api, ""), lambda: api.api.inspect_network("")):
        with pytest.raises(Exception, match="Resource ID was not provided"):
            ask()


@pytest.mark.parametrize("answer", [(200, b"hello"), (200, []), (404, {"message": "x"}), (200, {"ApiVersion": 1})])
def test_what_is_no_daemon_is_refused(host, monkeypatch, answer):
    monkeypatch.setitem(ANSWERS, "/version", answer)
    with pytest.raises(HardeningError, match="no answer"):
        client.client(host)


def test_a_run_that_only_asks_does_not_import_the_sdk(host):
    program = f"""
import sys
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import client
api = client.client({host!r})
client.find_image(api, "a:b"), client.find_image(api, "gone:b"), client.find_container(api, "c"), client.settings(api)
client.containers_by_label(api, "x"), api.version(), api.api.logs("c", timestamps=True, tail=1, since=1)
assert not any(name.partition(".")[0] in ("docker", "requests", "urllib3") for name in sys.modules)
api.api.sdk
assert "docker" in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=CHECKOUT / ".collections")
