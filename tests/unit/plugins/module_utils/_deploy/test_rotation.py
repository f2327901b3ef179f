"""What a rotation writes, what it leaves to a deployment, what is shown of a device; the real one is in Molecule."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import rotation as subject
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import rotation_manager as manager
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy.health import SERVING, Health, Probe, Reply
from ansible_collections.openclaw.hardening.plugins.module_utils._files.managed import FileState

TOKEN, KEY = "/etc/openclaw/secrets/gateway_token", "/etc/openclaw/secrets/provider_openai"
STRONG = "3f9c1ab2" * 7 + "00d4e6f7"


def state(content: bytes = b"old", kind: str = "file", nlink: int = 1) -> FileState:
    return FileState(kind, content, 0o400, 1000, 1000, nlink)


def decide(files, wanted=None, stale=(), serves=""):
    return subject.decide(wanted or {TOKEN: b"new"}, files, frozenset(stale), serves)


def test_what_differs_is_written():
    plan = subject.decide({TOKEN: b"new", KEY: b"same"}, {TOKEN: state(), KEY: state(b"same")}, frozenset(), "")
    assert (plan.contents, plan.needs_deployment) == ({TOKEN: b"new"}, "")


def test_nothing_new_is_nothing_to_do_even_when_the_gateway_is_down():
    plan = decide({TOKEN: state(b"new")}, serves="the gateway does not run")
    assert (plan.contents, plan.needs_deployment) == ({}, "")


@pytest.mark.parametrize(
    ("files", "stale", "serves", "words"),
    [
        ({TOKEN: None}, (), "", "a new file"),
        ({TOKEN: state()}, (TOKEN,), "", "still has an earlier"),
        ({TOKEN: state()}, (), "the gateway does not run", "does not run"),
    ],
)
def test_what_the_running_container_cannot_get_needs_a_deployment(files, stale, serves, words):
    assert words in decide(files, stale=stale, serves=serves).needs_deployment


def test_another_file_that_the_container_has_an_earlier_one_of_does_not_matter():
    assert decide({TOKEN: state()}, stale=(KEY,)).needs_deployment == ""


@pytest.mark.parametrize("there", [state(kind="link"), state(kind="directory"), state(nlink=2)])
def test_no_regular_file_with_one_name_is_refused(there):
    with pytest.raises(HardeningError, match="regular file with one name"):
        decide({TOKEN: there})


def test_a_device_is_shown_without_its_tokens_and_keys():
    answer = {
        "paired": [
            {
                "deviceId": "abc",
                "displayName": "Anna\x1b[2J's phone",
                "publicKey": "canary",
                "platform": "ios",
                "tokens": [
                    {"role": "operator", "token": "canary"},
                    {"role": "node", "revokedAtMs": 5},
                    "canary",
                ],
            },
            {"displayName": "no id"},
            "canary",
        ]
    }
    (device,) = subject.devices(answer)
    assert device["id"] == "abc"
    assert device["roles"] == ["operator"]
    assert "canary" not in json.dumps(device)
    assert "\x1b" not in device["name"]


@pytest.mark.parametrize("answer", [None, [], {}, {"paired": None}, {"paired": "x"}, {"paired": [{"deviceId": 5}]}])
def test_an_answer_without_devices_has_none(answer):
    assert subject.devices(answer) == []


@pytest.mark.parametrize(
    ("wanted", "expected"), [(["all"], ["a"]), (["a", "a"], ["a"]), (["b"], []), ([], []), (["b", "a"], ["a"])]
)
def test_only_devices_with_tokens_are_revoked(wanted, expected):
    paired = [{"id": "a", "roles": ["operator"]}, {"id": "b", "roles": []}]
    assert [device["id"] for device in manager.to_revoke(wanted, paired)] == expected


def test_a_token_is_made_strong_and_never_the_same():
    first, second = manager.new_token("", None), manager.new_token("", None)
    assert len(first) == 64
    assert first != second
    assert manager.new_token(STRONG, state()) == STRONG.encode()


# --- act ----------------------------------------------------------------------------------------------------------


class Gateway:
    """One that has read its token at its start, and reads it again when it is asked to; what it does wrong."""

    def __init__(self, folder: Path, fault: str) -> None:
        self.token_file, self.fault, self.calls = folder / "gateway_token", fault, 0
        self.token = self.token_file.read_bytes()

    def call(self, _module, _host, _container, token, method):
        assert method == "secrets.reload"
        assert token.encode() == self.token, "called with a token that is not valid at that moment"
        self.calls += 1
        if self.fault == "does not know the method":
            raise HardeningError("openclaw gateway call", "unknown method", "an answer")
        if self.fault != "reads nothing":
            self.token = self.token_file.read_bytes()
        if self.fault == "answers too late" and self.calls == 1:
            raise HardeningError("openclaw gateway call", "no end after 120 seconds", "an end")
        return {"ok": True, "warningCount": 0}

    def ask(self, probe, _port, _questions):
        known = Path(probe.token_file).read_bytes() == self.token
        return Health({SERVING: Reply(known, "200" if known else "401")})


@pytest.fixture
def rotation(tmp_path, monkeypatch, as_root):
    """Return a function that gives a rotation, and the gateway with a fault."""

    def make(fault=""):
        for name, content in (("gateway_token", b"old"), ("provider", b"old key")):
            (tmp_path / name).write_bytes(content)
        (tmp_path / "records").mkdir(exist_ok=True)
        gateway = Gateway(tmp_path, fault)
        monkeypatch.setattr(subject.rpc, "call", gateway.call)
        monkeypatch.setattr(subject, "ask", gateway.ask)
        probe = Probe("127.0.0.1", 1, 0, serving="/x", token_file=str(tmp_path / "gateway_token"))
        module = SimpleNamespace(warn=pytest.fail)
        made = subject.Rotation(module, "", SimpleNamespace(id="c"), probe, None, str(tmp_path / "records"))
        return made, gateway

    return make


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def new(folder: Path) -> dict[str, bytes]:
    return {str(folder / "gateway_token"): b"new", str(folder / "provider"): b"new key"}


@pytest.mark.parametrize("fault", ["", "answers too late"])
def test_a_gateway_that_reads_the_secrets_has_the_new_ones(rotation, tmp_path, fault):
    made, gateway = rotation(fault)
    assert made.apply(new(tmp_path)) == ""
    assert (files(tmp_path), gateway.token) == ({"gateway_token": b"new", "provider": b"new key"}, b"new")
    assert list((tmp_path / "records").iterdir()) == []


def test_one_that_cannot_keeps_the_old_ones(rotation, tmp_path):
    made, gateway = rotation("does not know the method")
    assert "unknown method" in made.apply(new(tmp_path))
    assert (files(tmp_path), gateway.token) == ({"gateway_token": b"old", "provider": b"old key"}, b"old")
    assert list((tmp_path / "records").iterdir()) == []


def test_one_that_answers_and_reads_nothing_is_found_out(rotation, tmp_path):
    made, gateway = rotation("reads nothing")
    with pytest.raises(HardeningError, match="the new token accepted and the old one refused"):
        made.apply(new(tmp_path))
    assert (files(tmp_path), gateway.token) == ({"gateway_token": b"old", "provider": b"old key"}, b"old")


def test_a_file_that_cannot_be_written_leaves_all_as_they_were(rotation, tmp_path, monkeypatch):
    made, _gateway = rotation()
    real, calls = subject.overwrite, []

    def overwrite(path, content):
        calls.append(path)
        if len(calls) == 2:
            raise HardeningError(path, "No space left on device", "a file that can be written")
        real(path, content)

    monkeypatch.setattr(subject, "overwrite", overwrite)
    with pytest.raises(HardeningError, match="No space left"):
        made.apply(new(tmp_path))
    assert files(tmp_path) == {"gateway_token": b"old", "provider": b"old key"}
    assert list((tmp_path / "records").iterdir()) == []


@pytest.mark.parametrize("restarted", [True, False])
def test_a_run_that_was_cut_off_is_finished_whether_the_gateway_was_restarted_or_not(rotation, tmp_path, restarted):
    made, gateway = rotation()
    made._keep(new(tmp_path))
    for path, content in new(tmp_path).items():
        Path(path).write_bytes(content)
    gateway.token = b"new" if restarted else b"old"
    assert len(made.pending) == 2
    assert made.finish() == ""
    assert (files(tmp_path), gateway.token) == ({"gateway_token": b"new", "provider": b"new key"}, b"new")
    assert made.pending == ()
