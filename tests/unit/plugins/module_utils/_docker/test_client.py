"""The Docker helper: what it accepts from outside, and how it reports that no daemon is there."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import threading
import time
from contextlib import suppress

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import access, client
from unit.hostile_server import HOLDING, LONGEST, repeat, serving

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize("host", ["unix:///var/run/docker.sock", "tcp://192.0.2.1:2375"])
def test_a_socket_is_named_first_on_every_command_line(host):
    assert client.cli(host) == ["docker", "--host", host]


@pytest.mark.parametrize(
    "host", ["", "docker.sock", "unix://relative", "ssh://host", "unix:///a b", "unix:///a\n", "--host"]
)
def test_other_addresses_are_refused(host):
    with pytest.raises(HardeningError, match="docker_host"):
        client.docker_host(host)


@pytest.mark.parametrize("ref", ["openclaw:hardened", "openclaw-acme:hardened", "registry.example:5000/a/b_c:1.2-3"])
def test_a_reference_with_a_tag_is_accepted(ref):
    assert client.reference("name", ref) == ref


@pytest.mark.parametrize(
    "ref",
    [
        "openclaw",
        "Openclaw:x",
        "openclaw:",
        ":x",
        "-o:x",
        "a:b\n",
        "a:b c",
        f"a@{DIGEST}",
        f"a:b@{DIGEST}",
        "a:" + "b" * 129,
    ],
)
def test_a_reference_without_exactly_one_tag_is_refused(ref):
    with pytest.raises(HardeningError, match="name: found"):
        client.reference("name", ref)


def test_a_pinned_reference_needs_its_digest():
    assert client.reference("ref", f"debian@{DIGEST}", digest=True) == f"debian@{DIGEST}"
    for ref in ("debian:13", "debian", f"debian@{DIGEST[:-1]}", "debian@sha256:" + "Z" * 64):
        with pytest.raises(HardeningError, match="digest-pinned"):
            client.reference("ref", ref, digest=True)


def test_a_daemon_that_is_not_there_is_named(tmp_path):
    socket = f"unix://{tmp_path}/docker.sock"
    with pytest.raises(HardeningError, match=r"no socket .*running Docker daemon"):
        client.client(socket)
    assert f"no socket {tmp_path}/docker.sock" in refusal(socket)


def refusal(host: str) -> str:
    with pytest.raises(HardeningError) as raised:
        client.client(host)
    return str(raised.value)


def test_a_socket_without_a_listener_is_reported_from_one_that_is_not_docker(tmp_path):
    path = f"{tmp_path}/docker.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        assert f"nothing that listens on {path}" in refusal(f"unix://{path}")
        server.listen(8)
        threading.Thread(target=answer_once, args=(server,), daemon=True).start()
        assert "no answer (" in refusal(f"unix://{path}")


def answer_once(server: socket.socket) -> None:
    with suppress(OSError):  # it is closed in the end
        while True:
            with server.accept()[0] as peer, suppress(BrokenPipeError, ConnectionResetError):  # _connect only knocks
                peer.recv(4096)
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


def test_without_the_sdk_the_interpreter_is_named_and_nothing_is_absent(monkeypatch):
    monkeypatch.setattr(client, "has_sdk", lambda: False)
    monkeypatch.setattr(access, "not_installed", lambda _host: False)
    with pytest.raises(HardeningError) as raised:
        client.client_if_installed()
    for words in (sys.executable, f"Python 3.{sys.version_info[1]}", "No module named 'docker'",
                  "python3-docker is for /usr/bin/python3", "set 'ansible_python_interpreter'"):  # fmt: skip
        assert words in str(raised.value)


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A host without Docker: no program, no process, no socket."""
    monkeypatch.setattr(access, "find_program", lambda _name: None)
    monkeypatch.setattr(access, "_engines", lambda: ())
    return f"unix://{tmp_path}/docker.sock"


def test_only_a_host_without_program_process_and_listener_has_no_docker(bare):
    assert access.not_installed(bare)
    assert client.client_if_installed(bare) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("find_program", lambda _name: "/usr/sbin/dockerd"),
        ("_engines", lambda: (17,)),
        # The processes of others are hidden.
        ("_engines", lambda: None),
        ("_connect", lambda _path: errno.EACCES),
        ("_connect", lambda _path: errno.EAGAIN),
        ("_connect", lambda _path: errno.ETIMEDOUT),
        ("_connect", lambda _path: 0),
    ],
)
def test_what_cannot_be_seen_is_not_absent(bare, monkeypatch, name, value):
    monkeypatch.setattr(access, name, value)
    assert not access.not_installed(bare)
    with pytest.raises(HardeningError, match=r"needed a running Docker daemon|needed root"):
        client.client_if_installed(bare)


def test_a_daemon_elsewhere_is_not_absent(bare):
    assert not access.not_installed("tcp://192.0.2.1:2375")


def test_a_socket_that_is_a_link_left_over_is_nobody(bare):
    os.symlink("/nonexistent/docker.sock", bare[len("unix://") :])
    assert access.not_installed(bare)


def test_where_else_docker_is_comes_into_the_message(tmp_path, monkeypatch):
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker/config.json").write_text('{"currentContext": "rootless"}')
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", "unix:///run/user/1000/docker.sock")
    monkeypatch.setattr(access.glob, "glob", lambda _pattern: ["/run/user/1000/docker.sock"])
    reported = refusal(f"unix://{tmp_path}/docker.sock")
    for words in ("a rootless Docker of uid 1000", "DOCKER_HOST is unix:///run/user/1000", "the context rootless",
                  "one of a user or of a context is not used"):  # fmt: skip
        assert words in reported


VERSION = json.dumps({"ApiVersion": "1.44", "Version": "26.1"}).encode()


def answered(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize("talk", HOLDING.values(), ids=HOLDING)
def test_a_daemon_that_holds_is_not_taken_for_none(tmp_path, talk):
    """It runs, and what it runs is not known: no reason to say that there is nothing."""
    began = time.monotonic()
    with serving(talk, unix=f"{tmp_path}/docker.sock"):
        for connect in (client.client, client.client_if_installed):
            with pytest.raises(HardeningError, match=r"no answer within 0\.5 seconds"):
                connect(f"unix://{tmp_path}/docker.sock", timeout=0.5)
    assert time.monotonic() - began < LONGEST / 2


STALLS = [*HOLDING.values(), repeat(b" ", 0.1, b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")]


@pytest.mark.parametrize("talk", STALLS)
def test_a_daemon_that_holds_later_is_given_up_in_time(tmp_path, talk):
    output: list[int] = []

    def first_well(peer: socket.socket) -> None:
        if not output:
            output.append(1)
            peer.sendall(answered(VERSION))
            peer.recv(65536)
        talk(peer)

    with serving(first_well, unix=f"{tmp_path}/docker.sock"):
        api = client.client(f"unix://{tmp_path}/docker.sock", timeout=1, stream_timeout=1)
        began = time.monotonic()
        calls = (
            lambda: client.find_image(api, "a:b"),
            lambda: client.settings(api),
            lambda: client.streamed(api, "docker pull a", lambda: list(api.api.pull("a", tag="b", stream=True))),
            lambda: client.streamed(api, "docker save a", lambda: list(api.api.get_image("a"))),
        )
        for call in calls:
            with pytest.raises((OSError, HardeningError), match="within 1 seconds"):
                call()
        assert time.monotonic() - began < LONGEST


def test_a_stream_that_goes_on_without_end_is_given_up(tmp_path):
    output: list[int] = []

    def talk(peer: socket.socket) -> None:
        if not output:
            output.append(1)
            peer.sendall(answered(VERSION))
            peer.recv(65536)
        line = b'{"status":"Downloading"}\r\n'
        repeat(b"%x\r\n%s\r\n" % (len(line), line), 0.1, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")(peer)

    with serving(talk, unix=f"{tmp_path}/docker.sock"):
        api = client.client(f"unix://{tmp_path}/docker.sock", timeout=1, stream_timeout=1)
        with pytest.raises(HardeningError, match=r"docker pull a: found no end .*set 'timeout'"):
            client.streamed(api, "docker pull a", lambda: list(api.api.pull("a", tag="b", stream=True, decode=True)))
