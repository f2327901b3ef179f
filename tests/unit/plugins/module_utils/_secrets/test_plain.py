"""Secrets in plain text in a configuration of OpenClaw: each is found by its path, what is ordinary is left alone."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets import plain

CANARY = "c4nary-V4lue-0815"
BOT = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1"


def config(path: str, value: object) -> dict:
    """A configuration with one value at a path; a number is a place in a list."""
    tree: object = value
    for name in reversed(path.split(".")):
        tree = [tree] if name.isdecimal() else {name: tree}
    assert isinstance(tree, dict)
    return tree


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("channels.telegram.botToken", CANARY),
        ("channels.telegram.accounts.main.botToken", BOT),
        ("channels.telegram.webhookSecret", CANARY),
        ("channels.discord.token", CANARY),
        ("channels.slack.appToken", CANARY),
        ("channels.slack.signingSecret", CANARY),
        ("channels.googlechat.serviceAccount.private_key", "-----BEGIN PRIVATE KEY-----\nMII\n"),
        ("channels.msteams.appPassword", CANARY),
        ("channels.nostr.privateKey", CANARY),
        ("channels.irc.nickserv.password", CANARY),
        ("channels.zalo.webhookUrl", f"https://hooks.slack.com/services/T000/B000/{CANARY}"),
        ("channels.x.url", "https://discord.com/api/webhooks/1234567890/abcDEF-ghi_123"),
        ("channels.x.url", f"https://example.org/notify?token={CANARY}"),
        ("channels.x.url", f"https://me:{CANARY}@example.org/"),
        ("channels.x.notifyWebhook", "https://example.org/in/9f8e7d6c5b4a39281706"),
        ("gateway.auth.token", CANARY),
        ("gateway.auth.password", 12345678),
        ("gateway.remote.token", CANARY),
        ("hooks.token", CANARY),
        ("models.providers.openai.apiKey", "sk-abcdefghijklmnopqrstuvwx"),
        ("models.providers.own.apiKey", CANARY),
        ("models.providers.own.headers.Authorization", f"Bearer {CANARY}"),
        ("models.providers.own.headers.authorization", f"Basic {CANARY}"),
        ("models.providers.own.headers.X-Api-Key", CANARY),
        ("models.providers.own.headers.Cookie", f"session={CANARY}"),
        ("models.providers.own.headers.X-Own-Token", CANARY),
        ("models.providers.own.accessToken", CANARY),
        ("models.providers.own.apiKeys.0", CANARY),
        ("mcp.servers.github.env.GITHUB_TOKEN", CANARY),
        ("mcp.servers.db.env.PGPASSWORD", CANARY),
        ("mcp.servers.db.env.OPENAI_KEY", CANARY),
        ("mcp.servers.db.env.DATABASE_URL", f"postgres://me:{CANARY}@db/x"),
        ("mcp.servers.db.env.TOKEN_MAIN", CANARY),
        ("env.vars.ANTHROPIC_API_KEY", CANARY),
        ("env.SMTP_PASS", CANARY),
        ("skills.entries.images.apiKey", CANARY),
        ("skills.entries.images.env.GEMINI_API_KEY", CANARY),
        ("plugins.entries.voice-call.config.twilio.authToken", CANARY),
        ("tools.web.search.apiKey", CANARY),
        ("messages.tts.elevenlabs.apiKey", CANARY),
        ("browser.cdpUrl", f"wss://browser.example.org?token={CANARY}"),
        ("agents.list.0.env.SECRET_KEY", CANARY),
        ("secrets.providers.x.tokens.0", CANARY),
        ("models.providers.own.apiKey", "${OPENAI_API_KEY}-and-more-9876"),
    ],
)
def test_a_secret_is_found_by_its_path_and_never_shown(path: str, value: object) -> None:
    found = plain.find({"gateway": {"port": 1}, **config(path, value)})
    assert [place.replace("[0]", ".0") for place, _reason in found] == [path]
    assert str(value) not in repr(found)
    assert CANARY not in repr(found)


@pytest.mark.parametrize(
    "argv",
    [["server", "--api-key", CANARY], ["server", f"--token={CANARY}"], ["-e", f"BOT_TOKEN={CANARY}"]],
)
@pytest.mark.parametrize("key", ["args", "command"])
def test_a_secret_on_a_command_line(key: str, argv: list[str]) -> None:
    ((path, reason),) = plain.find({"mcp": {"servers": {"x": {key: argv}}}})
    assert (path, reason) == (f"mcp.servers.x.{key}", plain.ARGUMENT)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("channels.telegram.botToken", {"source": "file", "provider": "provider_telegram", "id": "value"}),
        ("channels.telegram.botToken", {"source": "env", "provider": "default", "id": "TELEGRAM_BOT_TOKEN"}),
        ("channels.telegram.botToken", {"source": "exec", "provider": "vault", "id": "bot/token"}),
        ("channels.telegram.botToken", "${TELEGRAM_BOT_TOKEN}"),
        ("channels.telegram.botToken", ""),
        ("channels.telegram.botToken", None),
        ("channels.telegram.tokenFile", "/run/secrets/provider_telegram"),
        ("channels.telegram.webhookUrl", "https://openclaw.example.org/telegram-webhook"),
        ("channels.telegram.webhookPath", "/telegram"),
        ("channels.telegram.allowFrom", ["123456789", "tg:123456789"]),
        ("channels.whatsapp.allowFrom", ["+491701234567"]),
        ("channels.imessage.cliPath", "/usr/local/bin/imsg"),
        ("channels.matrix.keyPath", "/home/node/.openclaw/key.pem"),
        ("gateway.auth.mode", "token"),
        ("gateway.auth.allowTailscale", False),
        ("gateway.auth.rateLimit", {"maxAttempts": 10, "windowMs": 60000, "lockoutMs": 300000}),
        ("gateway.tls.keyPath", "/etc/openclaw/tls/key.pem"),
        ("gateway.trustedProxies", ["10.0.0.1"]),
        ("gateway.controlUi.allowedOrigins", ["https://openclaw.example.org"]),
        ("models.providers.own.baseUrl", "http://172.18.0.1:11434/v1"),
        ("models.providers.own.api", "openai-completions"),
        ("models.providers.own.apiKey", "${OPENAI_API_KEY}"),
        ("models.providers.own.headers.Authorization", "Bearer ${OPENAI_API_KEY}"),
        ("models.providers.own.headers.X-Title", "OpenClaw of the house"),
        ("models.providers.own.authHeader", True),
        ("models.providers.own.models", [{"id": "m", "name": "m", "contextWindow": 128000, "maxTokens": 4096}]),
        ("agents.defaults.model.primary", "anthropic/claude-opus-4-6"),
        ("agents.defaults.maxTokens", 4096),
        ("agents.defaults.thinking.budgetTokens", 1024),
        ("agents.defaults.workspace", "~/.openclaw/workspace"),
        ("agents.defaults.compaction.reserveTokensFloor", 20000),
        ("agents.defaults.params.stopTokens", ["</s>"]),
        ("session.dmScope", "per-channel-peer"),
        ("session.mainKey", "main"),
        ("session.sessionKey", "agent:main:main"),
        ("secrets.providers.x", {"source": "file", "path": "/run/secrets/provider_x", "mode": "singleValue"}),
        ("secrets.providers.x", {"source": "env", "allowlist": ["OPENAI_API_KEY"]}),
        ("secrets.defaults.env", "default"),
        ("mcp.servers.x.env.LOG_LEVEL", "info"),
        ("mcp.servers.x.env.TOKEN_FILE", "/run/secrets/x"),
        ("mcp.servers.x.env.MAX_TOKENS", "4096"),
        ("mcp.servers.x.env.GITHUB_TOKEN", "${GITHUB_TOKEN}"),
        ("mcp.servers.x.env.TOKENIZERS_PARALLELISM", "false"),
        ("mcp.servers.x.args", ["-y", "@modelcontextprotocol/server-filesystem", "/home/node/.openclaw"]),
        ("mcp.servers.x.args", ["--token-file", "/run/secrets/x"]),
        ("mcp.servers.x.args", ["--token", "${GITHUB_TOKEN}"]),
        ("messages.responsePrefix", "[{model}]"),
        ("logging.redactPatterns", ["token=([a-z]+)"]),
        ("auth.profiles", {"anthropic:manual": {"provider": "anthropic", "mode": "token"}}),
        ("tools.exec.security", "allowlist"),
        ("plugins.allow", ["telegram"]),
        ("cron.enabled", True),
        ("broadcast.strategy", "parallel"),
    ],
)
def test_what_is_ordinary_is_left_alone(path: str, value: object) -> None:
    assert plain.find(config(path, value)) == []


def test_the_id_of_a_reference_may_be_a_secret_itself() -> None:
    reference = {"source": "env", "provider": "default", "id": "sk-abcdefghijklmnopqrstuvwx"}
    assert plain.find({"models": {"providers": {"x": {"apiKey": reference}}}}) == [
        ("models.providers.x.apiKey.id", plain.SHAPED)
    ]


def test_a_key_that_is_a_secret_is_not_shown() -> None:
    ((path, _reason),) = plain.find({"env": {"sk-abcdefghijklmnopqrstuvwx": {"token": CANARY}}})
    assert path == "env.….token"


@pytest.mark.parametrize("whole", [None, {}, [], "", "text", 5])
def test_what_is_no_configuration_holds_nothing(whole: object) -> None:
    assert plain.find(whole) == []


def test_a_tree_that_holds_itself_comes_to_an_end() -> None:
    tree: dict = {"token": CANARY}
    tree["again"] = tree
    assert plain.find(tree) == [("token", plain.NAMED)]
