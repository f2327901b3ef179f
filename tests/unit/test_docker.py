"""The Docker helper: what it accepts from outside, and how it says that no daemon is there."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils import _docker
from ansible_collections.openclaw.hardening.plugins.module_utils._errors import HardeningError

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize("host", ["unix:///var/run/docker.sock", "tcp://192.0.2.1:2375"])
def test_a_socket_is_named_first_on_every_command_line(host):
    assert _docker.cli(host) == ["docker", "--host", host]


@pytest.mark.parametrize(
    "host", ["", "docker.sock", "unix://relative", "ssh://host", "unix:///a b", "unix:///a\n", "--host"]
)
def test_other_addresses_are_refused(host):
    with pytest.raises(HardeningError, match="docker_host"):
        _docker.docker_host(host)


@pytest.mark.parametrize("ref", ["openclaw:hardened", "openclaw-acme:hardened", "registry.example:5000/a/b_c:1.2-3"])
def test_a_reference_with_a_tag_is_accepted(ref):
    assert _docker.reference("name", ref) == ref


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
        _docker.reference("name", ref)


def test_a_pinned_reference_needs_its_digest():
    assert _docker.reference("ref", f"debian@{DIGEST}", digest=True) == f"debian@{DIGEST}"
    for ref in ("debian:13", "debian", f"debian@{DIGEST[:-1]}", "debian@sha256:" + "Z" * 64):
        with pytest.raises(HardeningError, match="digest-pinned"):
            _docker.reference("ref", ref, digest=True)


def test_a_daemon_that_is_not_there_is_named(tmp_path):
    socket = f"unix://{tmp_path}/docker.sock"
    with pytest.raises(HardeningError, match=r"no answer .*running Docker daemon"):
        _docker.client(socket)
    assert _docker.try_client(socket) is None
