# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The daemon's command line, file and ports are read as dockerd and the kernel mean them."""

from __future__ import annotations

import http.server
import os
import socket
import threading

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import daemon
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.daemon import Daemon
from ansible_collections.openclaw.hardening.plugins.module_utils._system import proc


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], {}),
        (["-H", "fd://", "--containerd=/c.sock"], {"hosts": ["fd://"], "containerd": "/c.sock"}),
        (["-H=tcp://a:1", "-Htcp://b:2", "--host", "c"], {"hosts": ["tcp://a:1", "tcp://b:2", "c"]}),
        (["-D", "-l", "debug", "--iptables=false"], {"debug": True, "log-level": "debug", "iptables": False}),
        (["--tlsverify", "--tls=0", "--group", "ops"], {"tlsverify": True, "tls": False, "group": "ops"}),
        (["--insecure-registry", "a", "--insecure-registry=b"], {"insecure-registries": ["a", "b"]}),
        (["--seccomp-profile"], {"seccomp-profile": ""}),
        (["stray", "--", "-s", "vfs"], {"storage-driver": "vfs"}),
    ],
)
def test_the_command_line(words, found):
    assert daemon.parse_arguments(words) == found


def test_the_file(tmp_path):
    path = tmp_path / "daemon.json"
    assert daemon._config(str(path)) == ({}, "")
    path.write_text('{"mtu": 1400}')
    assert daemon._config(str(path)) == ({"mtu": 1400}, "")
    path.write_text("")
    assert daemon._config(str(path)) == ({}, "")
    path.write_text("[1]")
    assert "no JSON object" in daemon._config(str(path))[1]
    path.write_text("{")
    assert "could not be read" in daemon._config(str(path))[1]
    path.unlink()
    path.mkdir()
    assert "could not be read" in daemon._config(str(path))[1]


def test_the_seccomp_profile(tmp_path):
    path = tmp_path / "profile.json"
    assert daemon._seccomp_default(str(path)).startswith("unreadable")
    for text, found in (('{"defaultAction": "SCMP_ACT_ERRNO"}', "SCMP_ACT_ERRNO"), ("{}", "nothing")):
        path.write_text(text)
        assert daemon._seccomp_default(str(path)) == found
    path.write_text("[]")
    assert daemon._seccomp_default(str(path)).startswith("unreadable")


def test_only_the_daemons_own_listeners_are_declared(monkeypatch):
    """Sockets of others are not; one that is gone, or cannot be reported, is not a daemon without a port."""
    there = (
        proc.Listener("127.0.0.1", 2375, 0, 77),
        proc.Listener("0.0.0.0", 2376, 0, 78),
        proc.Listener("::1", 2375, 0, 77),
        proc.Listener("::1", 2375, 0, 79),
    )
    monkeypatch.setattr(proc, "socket_inodes", lambda pid: {77, 79})
    monkeypatch.setattr(proc, "read_listeners", lambda folder: there)
    monkeypatch.setattr(daemon, "_probe", lambda address, port: "plain")
    found = daemon._listeners(1)
    assert [str(entry) for entry in found or ()] == ["127.0.0.1:2375", "[::1]:2375"]
    assert daemon._listeners(2**22 + 1) == found
    monkeypatch.setattr(proc, "socket_inodes", lambda pid: set())
    assert daemon._listeners(1) is None


class Api(http.server.BaseHTTPRequestHandler):
    """Reports OK to the process that asks."""

    version = "1.45"

    def do_GET(self):
        self.send_response(200)
        if self.version:
            self.send_header("Api-Version", self.version)
        self.end_headers()

    def log_message(self, *arguments):
        """Say nothing."""


class Other(Api):
    """Another program."""

    version = ""


@pytest.mark.parametrize(("handler", "answers"), [(Api, "plain"), (Other, "other")])
def test_own_ports_are_found_and_declared(handler, answers):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        found = daemon._listeners(os.getpid())
        server.shutdown()
    assert daemon.Listener("127.0.0.1", server.server_port, answers) in found


def test_a_silent_port_is_no_api(monkeypatch):
    monkeypatch.setattr(daemon, "_PROBE_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert daemon._probe("0.0.0.0", server.getsockname()[1]) == "other"
    assert daemon._listeners(2**22 + 1) is None


class Client:
    """A daemon that is asked by the SDK."""

    def info(self):
        return {"SecurityOptions": ["name=seccomp,profile=builtin"], "Driver": "overlay2"}

    def version(self):
        return {"Version": "26.1.5"}


def test_a_look_joins_command_line_and_file(monkeypatch, tmp_path):
    config = tmp_path / "daemon.json"
    config.write_text('{"hosts": ["tcp://b:1"], "debug": true}')
    argv = ["/usr/sbin/dockerd", "-H", "fd://", f"--config-file={config}"]
    texts = {"cmdline": argv, "environ": ["DOCKER_INSECURE_NO_IPTABLES_RAW=1", "SECRET=x"]}
    monkeypatch.setattr(daemon, "_find", lambda path: os.getpid())
    monkeypatch.setattr(proc, "strings", lambda pid, name: texts[name])
    monkeypatch.setattr(daemon, "_listeners", lambda pid: ())
    monkeypatch.setattr(daemon, "_files", lambda *arguments: [str(config)])
    found = daemon.look(object(), Client())
    assert (found.version, found.pid, found.uid, found.rootless) == ("26.1.5", os.getpid(), os.getuid(), False)
    assert found.options["hosts"] == ["fd://", "tcp://b:1"]
    assert found.sources["hosts"] == f"command line of dockerd and {config}"
    assert (found.options["debug"], found.sources["debug"]) == (True, str(config))
    assert found.environment == ("DOCKER_INSECURE_NO_IPTABLES_RAW",)
    assert list(found.files) == [str(config)]
    assert "/var/run/docker.sock" in found.sockets


def test_a_daemon_that_is_not_found_is_a_fact(monkeypatch):
    monkeypatch.setattr(daemon, "_find", lambda path: 0)
    monkeypatch.setattr(daemon, "_files", lambda *arguments: [])
    found = daemon.look(object(), Client())
    assert (found.pid, found.listeners, found.environment) == (0, None, ())


def test_rootless():
    assert Daemon(info={"SecurityOptions": ["name=rootless"]}).rootless
    assert not Daemon(info={"SecurityOptions": None}).rootless


@pytest.mark.parametrize("name", ["cmdline", "environ"])
def test_a_process_that_may_not_be_read_is_no_daemon_without_options(monkeypatch, name):
    def read(path: str) -> str:
        if path.endswith(f"/{name}"):
            raise PermissionError(13, "Permission denied", path)
        return ""

    monkeypatch.setattr(daemon, "_find", lambda path: os.getpid())
    monkeypatch.setattr(proc, "read_text", read)
    with pytest.raises(PermissionError):
        daemon.look(object(), Client())


def test_a_table_of_sockets_that_may_not_be_read_is_not_an_empty_one(monkeypatch):
    def read(path: str) -> str:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(proc, "socket_inodes", lambda pid: {1})
    monkeypatch.setattr(proc, "read_listeners", read)
    with pytest.raises(PermissionError):
        daemon._listeners(1)
