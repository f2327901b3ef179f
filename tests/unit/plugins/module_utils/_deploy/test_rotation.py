"""What a rotation writes, what it leaves to a deployment, what is shown of a device; the real one is in Molecule."""

from __future__ import annotations

import json

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import rotation as subject
from ansible_collections.openclaw.hardening.plugins.module_utils._deploy import rotation_manager as manager
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
