"""hardened_image on a host that is mounted, connected or configured in another way: it works, or says why at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from harness import LONG
from lab_host import LabHost
from test_image_build import Images, images  # noqa: F401  # pylint: disable=unused-import  # (a fixture)

PLACE = "/srv/fault-build"
# No base that is there: it would have to be made.
BASE = {"source": "debian", "packages": ["netbase"]}
MOUNTS = {
    "noexec": "mounted noexec",
    "nodev": "mounted nodev",
    "noexec,nodev,nosuid": "mounted noexec and nodev",
    "ro": "mounted read-only",
    "size=64m": "MiB free",
    "nr_inodes=1000": "inodes free",
    "uid=1000": "another user than root can change it",
    "mode=0777": "another user than root can change it",
}


@contextmanager
def mounted(host: LabHost, place: str, options: str) -> Iterator[None]:
    host.check(f"mkdir -p {place}; mount -t tmpfs -o size=2g,mode=755,{options} fault-build {place}")
    try:
        yield
    finally:
        host.check(f"umount {place}")


def refused(images: Images, **how: Any) -> str:  # noqa: F811
    """Run it in check mode and for real; return the message, which is the same, and nothing is changed."""
    before = images.look()
    recipe = images.recipe(999, base=BASE, **how)
    answers = [images.host.module("hardened_image", recipe, check=check) for check in (True, False)]
    messages = {answer.get("msg", "") for answer in answers}
    assert len(messages) == 1
    assert images.look() == before
    return messages.pop()


@pytest.mark.parametrize("options", MOUNTS)
def test_a_place_that_was_chosen_and_cannot_be_used_is_refused_before_anything(images, options):  # noqa: F811
    with mounted(images.host, PLACE, options):
        message = refused(images, build_dir=PLACE, hints={"build_dir": "openclaw_image_build_dir"})
    assert MOUNTS[options] in message
    assert PLACE in message
    assert "set 'build_dir' (openclaw_image_build_dir)" in message


def test_a_place_that_is_not_there(images):  # noqa: F811
    assert "no such file or directory" in refused(images, build_dir="/srv/none")


def test_without_a_choice_the_next_usual_place_is_taken(images):  # noqa: F811
    with mounted(images.host, "/var/tmp", "noexec,nodev,nosuid"):
        answer = images.host.module("hardened_image", images.recipe(999, base=BASE), check=True)
    assert answer["actions"][-3:] == ["build", "verify", "tag"]


@contextmanager
def apt_source(host: LabHost, line: str) -> Iterator[None]:
    host.check(f"cp -p /etc/apt/sources.list /root/sources.before; echo '{line}' > /etc/apt/sources.list")
    try:
        yield
    finally:
        host.check("mv /root/sources.before /etc/apt/sources.list")


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("mirror+file:/etc/apt/mirrors/none.list", "No such file or directory"),
        ("mirror+file:/dev/null", "it names no mirror"),
        ("file:/srv/none", "No such directory"),
    ],
)
def test_a_source_that_is_not_there_is_refused_before_anything(images, uri, reason):  # noqa: F811
    with apt_source(images.host, f"deb {uri} trixie main"):
        message = refused(images)
    assert f"{uri}: {reason}" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("proxy", "http://me:canary@proxy.example:3128"),
        ("proxy", "http://127.0.0.1:3128"),
        ("no_proxy", ["a,b"]),
        ("ca", "-----BEGIN PRIVATE KEY-----\ncanary"),
    ],
)
def test_a_way_out_that_cannot_be_one_is_refused_before_anything(images, name, value):  # noqa: F811
    message = refused(images, **{name: value})
    assert message.startswith(f"{name}: found ")
    assert "canary" not in message


PROXY = """
import http.server, urllib.request
class Proxy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open("/run/fault-proxy.log", "a") as log:
            print(self.path, file=log)
        names = ("If-Modified-Since", "Range")
        asked = urllib.request.Request(self.path, headers={n: self.headers[n] for n in names if self.headers[n]})
        try:
            answer = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked)
        except urllib.error.HTTPError as error:
            answer = error
        body = answer.read()
        self.send_response(answer.status)
        for name in ("Last-Modified", "Content-Range"):
            if answer.headers[name]:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", 3142), Proxy).serve_forever()
"""


@pytest.mark.skipif(not LONG, reason="makes two bases; FAULTS=long")
def test_lists_of_mirrors_and_a_proxy_of_apt_alone_and_then_a_repaired_source(images):  # noqa: F811
    """The proxy is on loopback, as apt-cacher-ng is, and found by a program; then other sources make another base."""
    new, host = images.next(), images.host
    mirror = host.check("awk '$1 == \"deb\" { print $2; exit }' /etc/apt/sources.list")
    host.write("/root/fault-proxy.py", PROXY)
    host.check(
        f"mkdir -p /etc/apt/mirrors; echo '{mirror}' > /etc/apt/mirrors/fault.list\n"
        "printf '#!/bin/sh\\necho http://127.0.0.1:3142\\n' > /usr/local/bin/fault-proxy; "
        "chmod 755 /usr/local/bin/fault-proxy\n"
        "echo 'Acquire::http::Proxy-Auto-Detect \"/usr/local/bin/fault-proxy\";' > /etc/apt/apt.conf.d/99fault\n"
        "systemd-run --unit=fault-proxy --collect python3 /root/fault-proxy.py"
    )
    try:
        with apt_source(host, "deb mirror+file:/etc/apt/mirrors/fault.list trixie main"):
            answer = images.run(new, base=BASE)
            assert "msg" not in answer, answer
            assert f"{mirror}/dists/trixie/InRelease" in host.check("cat /run/fault-proxy.log")
        made = [name for name in images.look().images if name.startswith("openclaw-hardening-base:")]
        kept = "; ".join(
            ["cat /etc/apt/sources.list /etc/apt/mirrors/*", "ls /etc/apt/apt.conf.d /etc/apt/auth.conf.d"]
        )
        (base,) = [name for name in made if name not in images.before.images]
        inside = host.check(f"docker run --rm {base} sh -c '{kept}'")
        assert "fault-proxy" not in inside
        assert "openclaw-base" not in inside
        answer = images.run(new + 1, base=BASE)  # the host's own sources again
        assert "msg" not in answer, answer
        now = [name for name in images.look().images if name.startswith("openclaw-hardening-base:")]
        assert base not in now
    finally:
        host.check("systemctl stop fault-proxy; rm -f /etc/apt/apt.conf.d/99fault /etc/apt/mirrors/fault.list")
        names = [name for name in images.look().images if name.startswith("openclaw-hardening-base:")]
        host.run(f"docker rmi {' '.join(name for name in names if name not in images.before.images)}")
    images.version = images.highest = new + 1
    images.clean()
