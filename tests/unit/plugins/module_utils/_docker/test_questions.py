"""A question without the SDK is the one that the SDK would ask, and everything else is the SDK's."""

from __future__ import annotations

import ast
import inspect
import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import docker
import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.questions import Questions, QuestionsFirst

PLUGINS = Path(__file__).resolve().parents[5] / "plugins"
NAME = "openclaw:hardened"
VERSION = {"ApiVersion": "1.45", "Version": "26.1.5", "MinAPIVersion": "1.24"}
QUESTIONS = {
    "info": lambda api: api.info(),
    "inspect_image": lambda api: api.inspect_image(NAME),
    "history": lambda api: api.history(NAME),
    "images": lambda api: api.images(filters={"label": ["a=b c&d"]}),
    "inspect_container": lambda api: api.inspect_container("a-b"),
    "containers": lambda api: api.containers(),
    "containers, all": lambda api: api.containers(all=True, filters={"label": ["a", "b=c"]}),
    "containers of a network": lambda api: api.containers(filters={"network": "0123"}),
    "diff": lambda api: api.diff("a-b"),
    "networks": lambda api: api.networks(),
    "networks, by label": lambda api: api.networks(filters={"label": "a=b"}),
    "inspect_network": lambda api: api.inspect_network("0123"),
    "volumes": lambda api: api.volumes(),
    "volumes, by label": lambda api: api.volumes(filters={"label": "a=b"}),
    "logs": lambda api: api.logs("a-b", timestamps=True, tail=10, since=5),
}


class Daemon(socketserver.ThreadingUnixStreamServer):
    """Writes down what it is asked, and answers with as little as the SDK takes."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(path, Handler)
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Daemon

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        body = json.dumps(VERSION if self.path.endswith("/version") else {"Config": {"Tty": True}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def daemon(tmp_path):
    with Daemon(str(tmp_path / "docker.sock")) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(5)


def sdk(daemon: Daemon) -> docker.DockerClient:
    return docker.DockerClient(base_url=f"unix://{daemon.server_address}", version="1.45", timeout=5)


def plain(path: str) -> tuple[str, dict[str, str]]:
    """Return an address without the API version, and its parameters without those that say nothing."""
    parts = urlsplit(path)
    values = dict(parse_qsl(parts.query))
    silent = {"filters": "{}", "limit": "-1", **dict.fromkeys(("only_ids", "size", "trunc_cmd", "follow", "all"), "0")}
    return parts.path.removeprefix("/v1.45"), {k: v for k, v in values.items() if silent.get(k) != v}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_the_one_of_the_sdk(daemon, question):
    made = Questions(str(daemon.server_address), 5, lambda _version: sdk(daemon))
    daemon.asked.clear()
    QUESTIONS[question](made)
    own = list(map(plain, daemon.asked))
    daemon.asked.clear()
    QUESTIONS[question](sdk(daemon).api)
    assert own == list(map(plain, daemon.asked))
    assert made._made is None, "the SDK was asked for"


def test_each_question_is_compared():
    own = {name for name, _value in inspect.getmembers(Questions, inspect.isfunction) if not name.startswith("_")}
    assert {question.split(",")[0].split(" ")[0] for question in QUESTIONS} == own - {"find", "version"}


def test_each_call_of_the_collection_fits():
    """What a question is called with has to be among its parameters, or a rare path breaks on a host."""
    own = dict(inspect.getmembers(Questions, inspect.isfunction))
    wrong = []
    for path in sorted(PLUGINS.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in own:
                target = ast.unparse(node.func.value)
                if target in ("api.api", "self.api.api", "client", "self._api.api"):
                    parameters = inspect.signature(own[node.func.attr]).parameters
                    wrong += [f"{path.name}:{node.lineno} {k.arg}" for k in node.keywords if k.arg not in parameters]
    assert wrong == []


def test_what_is_no_question_is_the_sdks(daemon):
    made = []
    api = QuestionsFirst(Questions(str(daemon.server_address), 5, lambda version: made.append(version) or sdk(daemon)))
    assert made == []
    assert api.ping is not None
    assert made == ["1.45"]
