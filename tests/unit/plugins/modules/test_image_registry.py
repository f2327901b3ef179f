"""Addresses, logins, CAs and what a daemon's settings make of a registry; the rest runs in tests/transfer."""

from __future__ import annotations

import json

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._docker import registry as subject
from ansible_collections.openclaw.hardening.plugins.modules import image_registry

pytestmark = pytest.mark.usefixtures("without_docker")

IDENTITY = f"sha256:{'1' * 64}"
PEM = "-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----\n"
CANARY = "canary-0123456789"


@pytest.mark.parametrize(
    ("value", "host"),
    [
        ("registry.example:5000/openclaw", "registry.example:5000"),
        ("registry.example/team/openclaw", "registry.example"),
        ("localhost:5000/openclaw", "localhost:5000"),
        ("localhost/openclaw", "localhost"),
        ("10.1.2.3:5000/a", "10.1.2.3:5000"),
        ("registry:5000/a", "registry:5000"),
    ],
)
def test_a_repository_names_its_registry(value, host):
    assert subject.repository("repository", value) == subject.Repository(value, host)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "openclaw",
        "team/openclaw",
        "http://registry.example/a",
        "registry.example/a:tag",
        f"registry.example/a@{IDENTITY}",
        "registry.example/../a",
        "registry.example/A",
        "-registry.example/a",
        "registry.example:5000",
        "registry.example/a\n",
        "registry.example:x/a",
        "registry.example//a",
        "user@registry.example/a",
        "registry.example/" + "a" * 300,
    ],
)
def test_what_is_no_repository_is_refused(value):
    with pytest.raises(HardeningError, match="repository"):
        subject.repository("repository", value)


@pytest.mark.parametrize("value", ["", "latest", "hardened", "sha256:1", IDENTITY.upper(), IDENTITY + "\n", "1" * 64])
def test_a_tag_is_no_digest(value):
    with pytest.raises(HardeningError, match="digest"):
        subject.digest("digest", value)


@pytest.mark.parametrize(
    ("host", "addresses", "is_open"),
    [
        ("registry.example:5000", ["192.0.2.1"], False),
        ("plain.example:5000", ["192.0.2.1"], True),
        ("registry.example:5000", ["10.1.2.3"], True),
        ("registry.example:5000", ["192.0.2.1", "10.1.2.3"], True),
        ("registry.example:5000", ["fd00::1"], True),
        ("registry.example:5000", [], False),
        ("localhost:5000", ["127.0.0.1", "::1"], False),
        ("127.0.0.1:5000", ["127.0.0.1"], False),
        # A name that another user answers for is not this host because one of its addresses is.
        ("rebound.example", ["127.0.0.1", "192.0.2.1"], True),
    ],
)
def test_what_the_daemon_would_ask_without_tls(host, addresses, is_open):
    settings = {
        "InsecureRegistryCIDRs": ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"],
        "IndexConfigs": {
            "docker.io": {"Name": "docker.io", "Secure": True},
            "plain.example:5000": {"Name": "plain.example:5000", "Secure": False},
        },
    }
    assert subject.is_open(host, addresses, settings) is is_open


def test_a_login_shows_its_password_to_nobody_but_the_daemon(tmp_path, as_root):
    path = tmp_path / "password"
    path.write_text(f"{CANARY}\n")
    path.chmod(0o400)
    for who in (subject.login("me", CANARY, ""), subject.login("me", "", str(path))):
        assert who.auth_config() == {"username": "me", "password": CANARY}
        assert CANARY not in f"{who} {who!r}"
        assert who.hidden(f"wrong password {CANARY}!") == "wrong password ********!"
    assert subject.login("", "", "").auth_config() == {}


@pytest.mark.parametrize(
    ("username", "password", "password_file"),
    [
        ("me", "", ""),
        ("", CANARY, ""),
        ("", "", "/x"),
        ("me", CANARY, "/x"),
        ("me:you", CANARY, ""),
        ("-me", CANARY, ""),
    ],
)
def test_half_a_login_and_two_passwords_are_refused(username, password, password_file):
    with pytest.raises(HardeningError) as refused:
        subject.login(username, password, password_file)
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o604])
def test_a_password_that_others_can_read_is_refused(tmp_path, as_root, mode):
    path = tmp_path / "password"
    path.write_text(CANARY)
    path.chmod(mode)
    with pytest.raises(HardeningError, match=f"mode {mode:04o}") as refused:
        subject.login("me", "", str(path))
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines\n", b"\xff\xfe"])
def test_a_file_without_one_password_is_refused(tmp_path, as_root, content):
    path = tmp_path / "password"
    path.write_bytes(content)
    path.chmod(0o400)
    with pytest.raises(HardeningError, match="no password"):
        subject.login("me", "", str(path))


@pytest.mark.parametrize("text", ["", PEM, PEM + PEM, PEM.rstrip(), "\n" + PEM + "\n\n"])
def test_certificates_are_taken(text):
    assert subject.certificate("ca", text).decode().count("BEGIN") == text.count("BEGIN")


@pytest.mark.parametrize(
    "text",
    [
        "x",
        PEM + "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n",
        PEM + "x",
        PEM.replace("MIIB", "MII$"),
        PEM.replace("MIIB", "MIIBA"),
        PEM * 20_000,
    ],
)
def test_what_is_not_certificates_is_refused(text):
    with pytest.raises(HardeningError, match="ca: found"):
        subject.certificate("ca", text)


@pytest.mark.parametrize(
    "options",
    [
        {"state": "pushed", "image": ""},
        {"state": "pushed", "image": "a"},
        {"state": "pushed", "image": "a:b", "repository": "openclaw"},
        {"state": "pushed", "image": "a:b", "ca": "x"},
        {"state": "pulled", "image_id": IDENTITY, "name": "a:b", "digest": "hardened"},
        {"state": "pulled", "image_id": IDENTITY, "name": "a:b", "digest": ""},
        {"state": "pulled", "image_id": "", "name": "a:b", "digest": IDENTITY},
        {"state": "pulled", "image_id": IDENTITY, "name": "", "digest": IDENTITY},
        {"state": "pulled", "image_id": IDENTITY, "name": "a:b", "digest": IDENTITY, "record_dir": "/dev/x"},
    ],
)
def test_options_are_checked_before_docker_is_declared(run_module, options):
    given = {"repository": "registry.example/a", "username": "me", "password": CANARY, **options}
    answer = run_module(image_registry, docker_host="unix:///nowhere", **given)
    assert answer["failed"]
    assert "Docker at" not in answer["msg"]
    assert CANARY not in json.dumps(answer)


@pytest.mark.parametrize(
    "options",
    [
        {"state": "pushed", "image": ""},
        {"state": "pushed", "image": IDENTITY},
        {"state": "pulled", "image_id": "", "name": "a:b"},
        {"state": "pulled", "image_id": IDENTITY, "name": "a:b", "digest": IDENTITY},
    ],
)
def test_without_a_daemon_or_an_image_a_change_is_predicted(run_module, options):
    answer = run_module(
        image_registry, check=True, docker_host="unix:///nowhere", repository="registry.example/a", **options
    )
    assert answer["changed"]
