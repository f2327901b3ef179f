"""The credential is found where OpenClaw finds it, its value is looked for everywhere, and shown nowhere."""

from __future__ import annotations

import json

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import secrets as subject
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.files import FileFacts, Place
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.processes import Process
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets import patterns as words
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets import strength as token

STRONG = "3f9c1ab2" * 7 + "00d4e6f7"
OTHER = "b1946ac92492d2347c6235b4d2611184" * 2
# Put together, so that no scanner takes this file for a leak.
SHAPED = "sk-" + "ant-" + "a1" * 15
REFERENCE = {"source": "file", "provider": "gateway_token", "id": "value"}
PROVIDERS = {"gateway_token": {"source": "file", "path": "/run/secrets/gateway_token", "mode": "singleValue"}}
DEPLOYED = {"gateway": {"auth": {"mode": "token", "token": REFERENCE}}, "secrets": {"providers": PROVIDERS}}
SECRET = Place("/etc/openclaw/secrets/gateway_token", "/run/secrets/gateway_token", "file", text=STRONG)
STATE = Place("/srv/state", "/home/node/.openclaw", "directory")


def process(*argv: str, pid: int = 7, **environment: str) -> Process:
    return Process(pid, "node", (1000,), (1000,), (), {}, True, 2, argv=argv, environment=environment)


def look(
    tree: dict | None = None,
    *processes: Process,
    secrets: tuple[Place, ...] = (SECRET,),
    dotenv: tuple[Place, ...] = (),
    compose: str = "",
    config: str | None = None,
    attrs: dict | None = None,
    log: str | None = "",
    understood: bool = True,
    **change: object,
) -> subject.SecretFacts:
    settings = Settings("openclaw", "docker inspect openclaw", **change)
    text = json.dumps(tree) if config is None else config
    files = FileFacts(
        1000,
        1000,
        STATE,
        config=Place("/etc/openclaw/openclaw.json", "/etc/openclaw/openclaw.json", "file", text=text),
        configuration=(tree or {}) if understood else None,
        secrets=secrets,
        compose=(Place("/etc/openclaw/compose.yml", kind="file", text=compose),),
        dotenv=dotenv,
    )
    return subject.look(settings, attrs or {}, files, processes, log)


def auth(**entries: object) -> dict:
    return {"gateway": {"auth": entries}}


# --- where the credential comes from ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tree", "more", "kept", "origin", "value"),
    [
        (DEPLOYED, {}, "file", "file /run/secrets/gateway_token", STRONG),
        (auth(token=OTHER), {}, "configuration", "gateway.auth.token of the configuration", OTHER),
        (
            auth(token=OTHER),
            {"environment": {"OPENCLAW_GATEWAY_TOKEN": STRONG}},
            "configuration",
            "gateway.auth.token of the configuration",
            OTHER,
        ),
        (
            {},
            {"environment": {"OPENCLAW_GATEWAY_TOKEN": STRONG}},
            "environment",
            "environment variable OPENCLAW_GATEWAY_TOKEN",
            STRONG,
        ),
        (auth(token="${MY_T}"), {"environment": {"MY_T": OTHER}}, "environment", "environment variable MY_T", OTHER),
        (auth(token="$MY_T"), {"environment": {"MY_T": OTHER}}, "environment", "environment variable MY_T", OTHER),
        (
            auth(token={"source": "env", "provider": "default", "id": "MY_T"}),
            {"environment": {"MY_T": OTHER}},
            "environment",
            "environment variable MY_T",
            OTHER,
        ),
        (
            auth(token=OTHER),
            {"command": ("node", "openclaw.mjs", "gateway", "--token", STRONG)},
            "arguments",
            "option --token of the command line",
            STRONG,
        ),
        (
            {},
            {"command": ("sh", "-c", f"exec openclaw gateway --token={STRONG}")},
            "arguments",
            "option --token of the command line",
            STRONG,
        ),
        ({"env": {"OPENCLAW_GATEWAY_TOKEN": OTHER}}, {}, "environment", None, OTHER),
        ({"env": {"vars": {"OPENCLAW_GATEWAY_TOKEN": OTHER}}}, {}, "environment", None, OTHER),
        (
            {},
            {
                "dotenv": (
                    Place(
                        "/srv/state/.env",
                        "/home/node/.openclaw/.env",
                        "file",
                        text=f'A=1\nOPENCLAW_GATEWAY_TOKEN="{OTHER}"',
                    ),
                )
            },
            "environment",
            "OPENCLAW_GATEWAY_TOKEN in /home/node/.openclaw/.env",
            OTHER,
        ),
    ],
)
def test_the_order_is_that_of_openclaw(tree, more, kept, origin, value):
    found = look(tree, **more).credential
    assert (found.kind, found.kept, found.value) == ("token", kept, value)
    assert origin in (None, found.origin)


def test_an_option_of_a_process_counts_when_it_is_the_gateway():
    assert look({}, process("node", "openclaw.mjs", "gateway", "--token", STRONG)).credential.value == STRONG
    assert look({}, process("node", "openclaw.mjs", "tui", "--token", STRONG)).credential is None


def test_variables_of_compose_are_not_those_of_the_container():
    beside = Place("/etc/openclaw/.env", kind="file", text=f"OPENCLAW_GATEWAY_TOKEN={OTHER}")
    assert look({}, dotenv=(beside,)).credential is None


@pytest.mark.parametrize(
    ("entries", "more", "mode", "kind"),
    [
        ({"mode": "password", "password": "hunter2", "token": STRONG}, {}, "password", "password"),
        ({"password": "hunter2"}, {"environment": {"OPENCLAW_GATEWAY_TOKEN": STRONG}}, "password", "password"),
        ({}, {"environment": {"OPENCLAW_GATEWAY_PASSWORD": "hunter2"}}, "password", "password"),
        ({"mode": "token"}, {"environment": {"OPENCLAW_GATEWAY_PASSWORD": "hunter2"}}, "token", None),
        ({"mode": "none", "token": STRONG}, {}, "none", None),
        ({"mode": "trusted-proxy"}, {}, "trusted-proxy", None),
        ({"token": STRONG}, {"command": ("openclaw", "gateway", "--auth", "none")}, "none", None),
        ({"mode": ["token"]}, {}, "['token']", None),
        ({}, {}, "token", None),
    ],
)
def test_the_mode_decides_which_one_guards(entries, more, mode, kind):
    facts = look(auth(**entries), **more)
    assert facts.mode == mode
    assert (facts.credential.kind if facts.credential else None) == kind
    assert facts.trouble == ""


@pytest.mark.parametrize(
    ("tree", "more", "trouble"),
    [
        ({}, {"understood": False}, "could not be understood"),
        (auth(token={"source": "exec", "provider": "vault", "id": "x"}), {}, "'exec', which was not asked"),
        (auth(token={"source": "store", "id": "X"}), {}, "'store'"),
        (auth(token={}), {}, "without a name"),
        (DEPLOYED, {"secrets": ()}, "could not be read"),
        (DEPLOYED, {"secrets": (Place(SECRET.path, SECRET.target, trouble="gone"),)}, "could not be read"),
        (DEPLOYED, {"secrets": (Place(SECRET.path, SECRET.target, "file", text="\n"),)}, "holds nothing"),
        (auth(token=REFERENCE), {}, "provider 'gateway_token' could not be read"),
        ({**DEPLOYED, "secrets": 7}, {}, "could not be read"),
        (auth(token="${NONE}"), {}, "NONE, which is not set"),
        (auth(token="a${B}"), {}, "put together"),
        ({"gateway": {"$include": "./auth.json5"}}, {}, "includes other files"),
        ({"gateway": {"remote": {"token": STRONG}}}, {}, "only gateway.remote"),
        (auth(mode="password"), {"command": ("openclaw", "gateway", "--password-file", "/p")}, "comes from /p"),
    ],
)
def test_what_is_not_known_is_output(tree, more, trouble):
    facts = look(tree, **more)
    assert facts.credential is None
    assert trouble in facts.trouble


@pytest.mark.parametrize("broken", [{"gateway": 1}, {"gateway": {"auth": "x"}}, {"env": 7}, {"secrets": []}])
def test_a_broken_configuration_is_read_as_far_as_it_goes(broken):
    assert look(broken).credential is None


def test_json_secret_files_are_pointed_into():
    text = json.dumps({"gateway": {"to/ken": STRONG}, "other": "another secret"})
    tree = {
        **auth(token={"source": "file", "id": "/gateway/to~1ken"}),
        "secrets": {
            "providers": {"main": {"source": "file", "path": "~/.openclaw/secrets.json"}},
            "defaults": {"file": "main"},
        },
    }
    place = Place("/srv/state/secrets.json", "/home/node/.openclaw/secrets.json", "file", text=text)
    facts = look(tree, secrets=(place,))
    assert facts.credential.value == STRONG
    assert {STRONG, "another secret"} <= set(facts.values)
    for broken in ("[]", "{", '{"gateway": 1}', '{"gateway": {"to/ken": 1}}', "[" * 100_000):
        assert look(tree, secrets=(Place(place.path, place.target, "file", text=broken),)).credential is None


def test_the_running_containers_file_wins_and_both_are_masked():
    place = Place(SECRET.path, SECRET.target, "file", text=STRONG, mounted=OTHER)
    facts = look(DEPLOYED, secrets=(place,))
    assert facts.token == OTHER
    assert {STRONG, OTHER} <= set(facts.values)


# --- where it turned up -------------------------------------------------------------------------------------------


def test_nowhere():
    facts = look(DEPLOYED, process("node", A="1"), attrs={"Config": {"Env": ["A=1"]}}, compose="services:", log="hello")
    assert facts.surfaces == ()
    assert facts.searched == (
        "docker inspect",
        "environment of the processes",
        "command lines of the processes",
        "/etc/openclaw/compose.yml",
        "/etc/openclaw/openclaw.json",
        "log",
    )
    assert facts.processes == 1


@pytest.mark.parametrize(
    ("more", "surface"),
    [
        ({"attrs": {"Config": {"Env": ["X=" + STRONG]}}}, "docker inspect (Config.Env)"),
        ({"attrs": {"Config": {"Labels": {"x": f"a {STRONG} b"}}}}, "docker inspect (Config.Labels.x)"),
        ({"attrs": {"Config": {"Labels": {STRONG: ""}}}}, "docker inspect (Config.Labels)"),
        (
            {"attrs": {"State": {"Health": {"Log": [{"Output": f"?token={STRONG}"}]}}}},
            "docker inspect (State.Health.Log[0].Output)",
        ),
        ({"compose": f"  T: {STRONG}"}, "/etc/openclaw/compose.yml"),
        ({"config": f"// {STRONG}"}, "/etc/openclaw/openclaw.json"),
        ({"log": f"http://127.0.0.1:18789/#token={STRONG}"}, "log"),
        ({"dotenv": (Place("/etc/.env", kind="file", text=f"T={STRONG}"),)}, "/etc/.env"),
    ],
)
def test_where_it_turned_up(more, surface):
    assert look(DEPLOYED, **more).surfaces == (surface,)


def test_in_processes():
    facts = look(DEPLOYED, process("sh", f"-c echo {STRONG}"), process("x", pid=8, INNOCENT=STRONG))
    assert facts.surfaces == (
        "command lines of the processes (process 7)",
        "environment of the processes (INNOCENT of process 8)",
    )


def test_what_children_inherit_is_named_once():
    facts = look(DEPLOYED, *(process("node", pid=pid, X=STRONG) for pid in (7, 8, 9)))
    assert facts.surfaces == ("environment of the processes (X of process 7)",)


def test_in_another_spelling():
    password = 'pass"word/with signs'
    for log in (json.dumps({"p": password}), "password=pass%22word%2Fwith%20signs"):
        assert look(auth(password=password), config="{}", log=log).surfaces == ("log",)


def test_a_short_value_is_not_searched_for_and_its_place_is_known():
    facts = look(auth(token="abc"), log="abcdef", secrets=())
    assert (facts.surfaces, facts.searched) == (("gateway.auth.token of the configuration",), ())
    assert facts.values == ()


def test_a_log_that_was_not_read_was_not_searched():
    assert "log" not in look(DEPLOYED, log=None).searched


def test_names_of_variables_options_and_entries():
    tree = {
        **DEPLOYED,
        "channels": {"telegram": {"botToken": "123:abc", "tokenFile": "/run/secrets/t"}},
        "models": [{"apiKey": "${OPENAI_API_KEY}", "headers": {"Authorization": "Bearer abcdefgh"}, "maxTokens": 7}],
    }
    gateway = process("node", "gateway", "--password", "a password", ANTHROPIC_API_KEY="value-one", HOME="/")
    child = process("sh", pid=8, ANTHROPIC_API_KEY="value-one")
    facts = look(tree, gateway, child)
    assert set(facts.literals) == {"channels.telegram.botToken", "models[0].headers.Authorization"}
    assert facts.environment == (("/proc/7/environ", "ANTHROPIC_API_KEY"),)
    assert facts.arguments == (("/proc/7/cmdline", "--password"),)
    assert {"value-one", "a password", "Bearer abcdefgh"} <= set(facts.values)


def test_no_value_is_shown():
    gateway = process("gateway", "--password", "the password", MY_TOKEN="the variable")
    facts = look(DEPLOYED, gateway, config=STRONG, log=STRONG)
    shown = repr(facts)
    assert not [value for value in facts.values if value in shown]
    assert [len(value) for value in facts.values] == sorted((len(value) for value in facts.values), reverse=True)


# --- strength -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "strong", "output"),
    [
        ("token", STRONG, True, "256 bits"),
        ("token", STRONG[:32], False, "32 hexadecimal digits"),
        ("token", "0" * 64, False, "different digits"),
        ("token", "change-me", False, "known default"),
        ("token", "OpenClaw", False, "known default"),
        ("token", "YOUR_TOKEN_HERE", False, "known default"),
        ("token", "hunter2hu", False, "9 characters"),
        ("token", "", False, "0 characters"),
        ("token", "Zm9vYmFyYmF6cXV4Y29ycmVjdGhvcnNlYmF0dGVyeXN0", True, "44 characters"),
        ("token", "xyz!" * 12, False, "4 different characters"),
        ("token", "abcdefghijklmnopqrstuvwxyz" * 2, False, "repeats"),
        ("password", "kV9-wq_Tz3!mPr7x@Lb2", True, "20 characters"),
        ("password", "kV9-wq_Tz3", False, "10 characters"),
        ("password", "1234567890" * 2, False, "repeats"),
        ("password", "3f9c1ab200d4e6f75811", True, "20 characters"),
    ],
)
def test_strength(kind, value, strong, output):
    found = token.strength(kind, value)
    assert found[0] is strong
    assert output in found[1]
    assert not value or value not in found[1]


# --- names and shapes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("OPENCLAW_GATEWAY_TOKEN", "botToken", "apiKey", "APIKey", "OPENAI_API_KEY", "--password", "SECRET", "DB_PWD"),
        *("signingSecret", "AWS_SECRET_ACCESS_KEY", "TOKEN_2", "clientSecret", "private-key"),
    ],
)
def test_names_of_secrets(name):
    assert words.is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *("OPENCLAW_GATEWAY_TOKEN_FILE", "tokenFile", "GPG_KEY", "PWD", "OLDPWD", "KEY", "maxTokens", "sessionKey", ""),
        *("SECRETS_DIR", "authMode", "PUBLIC_KEY", "KEYRING", "keyPath", "com.docker.compose.config-hash", "123"),
    ],
)
def test_names_of_other_things(name):
    assert not words.is_secret_name(name)


@pytest.mark.parametrize("value", ["hunter2", "abc", "123456", "/a+b/c==", "a b", "https://x"])
def test_literals(value):
    assert words.is_literal(value)


@pytest.mark.parametrize(
    "value",
    ["", " ", "true", "0", "$TOKEN", "${TOKEN:-x}", "/run/secrets/x", "~/a/b", "null", "***", "<your-token>"],
)
def test_references_and_switches(value):
    assert not words.is_literal(value)


@pytest.mark.parametrize(
    "value",
    [
        *(SHAPED, "ghp_abcdefghijklmnopqrstuvwxyz0123456789", "AKIAABCDEFGHIJKLMNOP"),
        *("http://me:password@proxy:3128", "redis://:password@host", "-----BEGIN RSA PRIVATE KEY-----"),
    ],
)
def test_shapes(value):
    assert words.in_environment({"INNOCENT": value}) == ["INNOCENT"]


@pytest.mark.parametrize(
    "value", ["http://proxy:3128", "http://127.0.0.1:18789", "task-queue-of-a-very-long-name", "a@b"]
)
def test_no_shapes(value):
    assert words.in_environment({"INNOCENT": value}) == []


@pytest.mark.parametrize(
    ("argv", "names"),
    [
        (("node", "gateway", "--token", "abc"), ["--token"]),
        (("node", "gateway", "--token=abc"), ["--token"]),
        (("--auth", "token", "--token-file", "/run/x", "--password-file=/p"), []),
        (("--token", "--verbose"), []),
        (("--token", "$TOKEN"), []),
        (("--token",), []),
        (("env", "BOT_TOKEN=abc", "node"), ["BOT_TOKEN"]),
        (("sh", "-c", "export BOT_TOKEN='abc'; node gateway --password 'x y'"), ["BOT_TOKEN", "--password"]),
        (("sh", "-c", "echo TOKEN is missing; test -n $TOKEN"), []),
        (("CMD-SHELL", 'curl -H "Authorization: Bearer abcdefghij" http://x'), ["a bearer token"]),
        (("CMD-SHELL", 'curl -H "Authorization: Bearer $TOKEN" http://x'), []),
        (("CMD", "node", "-e", "const token=process.env.T; fetch('http://127.0.0.1:'+(p||18789))"), []),
        (("x", SHAPED), [words.SHAPED]),
        (("bad name TOKEN=abc",), ["TOKEN"]),
    ],
)
def test_options_with_secrets(argv, names):
    assert words.in_arguments(argv) == names
