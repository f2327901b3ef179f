"""Checking secrets and files: each fault is found and named without its value, and a good deployment has none."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_settings import Hook, Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.baseline import Baseline
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.files import FileFacts, Folder, Place
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.secrets import Credential, SecretFacts
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rule import SEVERITIES, Result
from ansible_collections.openclaw.hardening.plugins.module_utils._policy.rules import secrets as subject

ROOT = (Folder("/", 0, 0, 0o755), Folder("/etc", 0, 0, 0o755), Folder("/etc/openclaw", 0, 0, 0o755))
OPEN = (Folder("/", 0, 0, 0o755), Folder("/tmp", 0, 0, 0o777))
THEIRS = (Folder("/", 0, 0, 0o755), Folder("/home/alice", 1001, 1001, 0o755))
SEALED = (*ROOT, Folder("/var/lib/docker", 0, 0, 0o710))

SECRET = Place("/etc/openclaw/token", "/run/secrets/token", "file", 1000, 1000, 0o400, 1, 64, folders=ROOT)
CONFIG = Place("/etc/openclaw/o.json", "/c/o.json", "file", 1000, 1000, 0o400, 1, 9, folders=ROOT, read_only=True)
STATE = Place("/srv/state", "/home/node/.openclaw", "directory", 1000, 1000, 0o700, folders=ROOT)
COMPOSE = Place("/etc/openclaw/compose.yml", "", "file", 0, 0, 0o644, 1, 9, folders=ROOT)
FILES = FileFacts(1000, 1000, STATE, (), 7, CONFIG, {}, (SECRET,), (COMPOSE,))
VALUE = "the value that nobody sees"
TOKEN = Credential("token", "file", "file /run/secrets/token", True, "strong: 256 bits", VALUE)
SEARCHED = ("docker inspect", "log")
SECRETS = SecretFacts("token", TOKEN, searched=SEARCHED, processes=3, token=VALUE, values=(VALUE,))
SETTINGS = Settings("openclaw", "docker inspect openclaw", environment={"HOME": "/", "TOKEN_FILE": "/run/secrets/t"})
RULES = {rule.id: rule for rule in subject.RULES}


def check(number: str, files: FileFacts = FILES, secrets: SecretFacts = SECRETS) -> Result:
    rule = RULES[f"OCH-SEC-{number}"]
    parts = {"files": files, "secrets": secrets}
    found = rule.effective(*(parts[name] for name in rule.needs), Baseline())
    assert VALUE not in repr(found)
    return found


def ask(number: str, **change: object) -> Result:
    return RULES[f"OCH-SEC-{number}"].declared(replace(SETTINGS, **change), Baseline())


def secrets(**change: object) -> SecretFacts:
    return replace(SECRETS, **change)


def secret(**change: object) -> FileFacts:
    return replace(FILES, secrets=(replace(SECRET, **change),))


def config(**change: object) -> FileFacts:
    return replace(FILES, config=replace(CONFIG, **change))


def state(**change: object) -> FileFacts:
    return replace(FILES, state=replace(STATE, **change))


def compose(**change: object) -> FileFacts:
    return replace(FILES, compose=(replace(COMPOSE, **change),))


def test_the_table():
    assert list(RULES) == [f"OCH-SEC-{number:02}" for number in range(1, 9)]
    for rule in subject.RULES:
        assert (rule.area, rule.severity in SEVERITIES, bool(rule.refs)) == ("secrets", True, True)
        assert "\n" not in rule.expected
        assert rule.remediation


@pytest.mark.parametrize("number", [f"{number:02}" for number in range(1, 9)])
def test_a_good_deployment_passes_with_evidence(number):
    found = check(number)
    assert (found.status, bool(found.evidence)) == ("pass", True)


@pytest.mark.parametrize("number", ["02", "03"])
def test_a_good_definition_passes_with_evidence(number):
    found = ask(number)
    assert (found.status, bool(found.evidence)) == ("pass", True)


# --- the credential and other secrets -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "facts", "status", "words"),
    [
        ("01", secrets(credential=replace(TOKEN, strong=False, strength="weak: 9 characters")), "fail", "9 characters"),
        ("01", secrets(credential=None), "fail", "no token in configuration"),
        ("01", secrets(credential=None, mode="password"), "fail", "no password in"),
        ("01", secrets(credential=None, mode="none"), "fail", "authentication is 'none'"),
        ("01", secrets(credential=None, mode="trusted-proxy"), "skip", "trusted proxy"),
        ("01", secrets(credential=None, trouble="not understood"), "error", "not understood"),
        ("02", secrets(environment=(("/proc/7/environ", "A_TOKEN"),)), "fail", "A_TOKEN (/proc/7/environ)"),
        ("02", secrets(processes=0), "error", "no process"),
        ("03", secrets(arguments=(("/proc/7/cmdline", "--token"),)), "fail", "--token (/proc/7/cmdline)"),
        ("03", secrets(processes=0), "error", "no process"),
        ("08", secrets(surfaces=("log",)), "fail", "the token is in log"),
        ("08", secrets(surfaces=tuple(f"place {n}" for n in range(20))), "fail", "and 12 more"),
        ("08", secrets(credential=None), "skip", "no token"),
        ("08", secrets(credential=None, trouble="not understood"), "error", "not understood"),
        ("08", secrets(searched=()), "error", "too short"),
        ("08", secrets(searched=("docker inspect",)), "error", "log could not be read"),
    ],
)
def test_secrets(number, facts, status, words):
    found = check(number, secrets=facts)
    assert found.status == status
    assert words in found.actual


@pytest.mark.parametrize(
    ("number", "change", "words"),
    [
        ("02", {"environment": {"OPENCLAW_GATEWAY_TOKEN": VALUE}}, "variable OPENCLAW_GATEWAY_TOKEN"),
        ("02", {"labels": {"api_key": VALUE}}, "label api_key"),
        ("02", {"environment": {"HTTPS_PROXY": "http://me:hidden@proxy"}}, "variable HTTPS_PROXY"),
        ("02", {"environment": {"PGPASSWORD": VALUE}}, "variable PGPASSWORD"),
        ("02", {"annotations": {"api_token": VALUE}}, "annotation api_token"),
        ("02", {"log_options": {"splunk-token": VALUE}}, "logging option splunk-token"),
        ("02", {"build_arguments": {"NPM_TOKEN": VALUE}}, "build argument NPM_TOKEN"),
        ("02", {"hooks": (Hook("post_start", environment={"A_TOKEN": VALUE}),)}, "post_start variable A_TOKEN"),
        ("02", {"contents": {"settings": f"password: {VALUE}"}}, "the content of config settings"),
        ("03", {"hooks": (Hook("pre_stop", command=("x", "--token", VALUE)),)}, "--token of pre_stop"),
        ("03", {"command": ("gateway", "--token", VALUE)}, "--token of the entrypoint and command"),
        ("03", {"entrypoint": ("env", "A_TOKEN=hidden")}, "A_TOKEN of the entrypoint and command"),
        ("03", {"healthcheck": ("CMD", "curl", "--password=hidden")}, "--password of the health check"),
    ],
)
def test_definitions(number, change, words):
    found = ask(number, **change)
    assert found.status == "fail"
    assert words in found.actual
    assert VALUE not in repr(found)
    assert "hidden" not in repr(found)


# --- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "files", "words"),
    [
        ("04", secret(mode=0o444), "mode 0444"),
        ("04", secret(mode=0o640), "mode 0640"),
        ("04", secret(uid=0), "owned by uid 0, not by the container's 1000"),
        ("04", secret(nlink=2), "2 names"),
        ("04", secret(kind="", link="/etc/openclaw"), "/etc/openclaw is a link"),
        ("04", secret(kind="directory"), "is directory"),
        ("04", secret(kind=""), "is not there"),
        ("04", secret(folders=OPEN), "/tmp can be changed by others"),
        ("04", secret(folders=THEIRS), "/home/alice can be changed by others (owner 1001"),
        ("05", config(read_only=False), "the service can write /c/o.json"),
        ("05", config(read_only=False, uid=0, gid=1000, mode=0o460), "the service can write"),
        ("05", config(read_only=False, uid=0, mode=0o442), "the service can write"),
        (
            "05",
            config(
                read_only=False,
                uid=0,
                mode=0o440,
                holder="/srv/state",
                path="/srv/state/o.json",
                folders=(*ROOT, Folder("/srv/state", 1000, 1000, 0o700)),
            ),
            "the service can write",
        ),
        (
            "05",
            config(
                read_only=False,
                kind="",
                holder="/srv/state",
                folders=(*ROOT, Folder("/srv/state", 1000, 1000, 0o700)),
            ),
            "the service can make",
        ),
        ("05", config(mode=0o404), "read by others (mode 0404)"),
        ("05", config(mode=0o440, gid=50), "read by others (mode 0440)"),
        ("05", config(kind="link", link="/etc/openclaw/o.json"), "is a link"),
        ("05", config(folders=OPEN), "/tmp can be changed"),
        ("06", state(uid=0), "owned by uid 0, not by the container's 1000"),
        ("06", state(mode=0o755), "open to others (mode 0755)"),
        ("06", state(mode=0o750, gid=50), "open to others (mode 0750)"),
        ("06", state(link="/srv"), "/srv is a link"),
        ("06", state(kind=""), "is not there"),
        ("06", state(kind="file"), "is file"),
        ("06", state(folders=THEIRS), "/home/alice can be changed"),
        ("06", replace(FILES, foreign_ones=(("x", 0), ("y", 33))), "owned by others: x (uid 0), y (uid 33)"),
        ("07", compose(uid=1000), "can be changed by others (owner 1000"),
        ("07", compose(mode=0o664), "mode 0664"),
        ("07", compose(kind="", link="/etc"), "/etc is a link"),
        ("07", compose(folders=THEIRS), "/home/alice can be changed"),
        ("07", compose(kind="", folders=THEIRS), "/home/alice can be changed"),
        (
            "07",
            replace(FILES, dotenv=(replace(COMPOSE, path="/etc/openclaw/.env", mode=0o666),)),
            "/etc/openclaw/.env can be changed",
        ),
    ],
)
def test_files(number, files, words):
    found = check(number, files)
    assert found.status == "fail"
    assert words in found.actual
    assert found.evidence


def test_literal_secrets_in_the_configuration():
    found = check("05", secrets=secrets(literals=("models.openai.apiKey",)))
    assert found.status == "fail"
    assert "it holds secrets: models.openai.apiKey" in found.actual


@pytest.mark.parametrize(
    ("number", "files", "status"),
    [
        ("04", replace(FILES, secrets=()), "skip"),
        ("04", secret(trouble="Permission denied"), "error"),
        ("04", replace(FILES, uid=-1), "error"),
        ("05", replace(FILES, config=None), "error"),
        ("05", replace(FILES, configuration=None), "error"),
        ("05", config(trouble="more than 1 MB"), "error"),
        ("05", config(kind=""), "skip"),
        ("05", replace(config(read_only=False), uid=-1), "error"),
        ("06", replace(FILES, state=None), "error"),
        ("06", replace(FILES, uid=-1), "error"),
        ("06", state(kind="", trouble="not running"), "error"),
        ("07", replace(FILES, compose=()), "skip"),
        ("07", compose(kind=""), "error"),
        ("07", compose(kind="", trouble="not an absolute path"), "error"),
    ],
)
def test_what_is_not_proven_and_what_does_not_apply(number, files, status):
    assert check(number, files).status == status


@pytest.mark.parametrize(
    ("number", "files"),
    [
        ("04", secret(mode=0o600)),
        # Docker's own directories keep everybody out of a volume, whatever its mode is.
        ("06", state(mode=0o755, folders=SEALED)),
        # The service's own home above it is as trustworthy as itself.
        ("06", state(folders=(*ROOT, Folder("/var/lib/openclaw", 1000, 1000, 0o750)))),
        ("06", state(mode=0o755, inside=True)),
        ("05", config(read_only=False, uid=0, gid=0, mode=0o440)),
        ("05", config(mode=0o444, folders=SEALED)),
        ("05", config(mode=0o440)),
        ("07", compose(folders=(*ROOT, Folder("/tmp", 0, 0, 0o1777)))),
    ],
)
def test_no_false_alarm(number, files):
    assert check(number, files).status == "pass"
