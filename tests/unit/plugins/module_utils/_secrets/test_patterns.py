"""Names and values that give a secret away, beyond those that ``_evidence`` tries."""

from __future__ import annotations

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._secrets import patterns

VALUE = "c4nary-V4lue-0815"


@pytest.mark.parametrize(
    "name",
    [
        *("PGPASSWORD", "MYSQLPASSWORD", "SSHPASS", "DB_PASS", "SMTP_PASSWD", "REDIS_PW", "OPENAI_KEY", "GROQ_KEY"),
        *("STRIPE_KEY", "API_KEY_2", "BOTTOKEN", "TOKEN_TELEGRAM", "SECRET_VALUE", "PASSWORD_1", "SESSION_COOKIE"),
        *("SUPABASE_JWT", "WIFI_PSK", "SECRET_KEY_BASE", "AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_a_variable_of_this_name_holds_a_secret(name: str) -> None:
    assert patterns.in_environment({name: VALUE}) == [name]
    assert patterns.in_environment({name: "/run/secrets/x"}) == []
    assert patterns.in_environment({name: "${FROM_ELSEWHERE}"}) == []


@pytest.mark.parametrize(
    "name",
    [
        *("PUBLIC_KEY", "CACHE_KEY", "SESSION_KEY", "GPG_KEY", "SORT_KEY", "SSH_KNOWN_HOSTS", "KEYBOARD_LAYOUT"),
        *("TOKEN_TTL", "PASSWORD_POLICY", "SECRETS_DIR", "TOKENIZERS_PARALLELISM", "MAX_TOKENS", "COMPASS", "BYPASS"),
        *("TOKEN_LIMIT", "AUTH_MODE", "PATH", "HOSTNAME", "LANG"),
    ],
)
def test_a_variable_of_this_name_does_not(name: str) -> None:
    assert patterns.in_environment({name: VALUE}) == []


@pytest.mark.parametrize(
    "value",
    [
        "https://hooks.slack.com/services/T00/B00/xxxxxxxxxxxx",
        "https://discord.com/api/webhooks/123456789/abcDEF_123-x",
        f"https://api.telegram.org/bot123456789:{'A' * 35}/sendMessage",
        "https://acme.webhook.office.com/webhookb2/1234@5678/IncomingWebhook/abc/def",
        "https://oapi.dingtalk.com/robot/send?access_token=abcdef0123456789",
        "https://chat.googleapis.com/v1/spaces/x/messages?key=abcdefgh1234",
        "https://mattermost.example.org/hooks/abcdefghij0123456789abcdef",
        "https://0123456789abcdef0123456789abcdef@sentry.example.org/1",
        "Server=db;Database=x;User Id=me;Password=hunter22;",
        "glpat-abcdefghijklmnopqrst",
        "hf_abcdefghijklmnopqrstuvwxyzABCDEF",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijklmno",
    ],
)
def test_a_value_gives_itself_away(value: str) -> None:
    assert patterns.in_environment({"INNOCENT": value}) == ["INNOCENT"]


@pytest.mark.parametrize(
    "value",
    [
        "https://example.org/hooks/telegram",
        "https://example.org/?page=2&lang=en",
        "https://example.org/?token=$TOKEN",
        "https://example.org/?key=${KEY}",
        "https://user@example.org/",
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "a sentence about a password and a token",
    ],
)
def test_a_value_that_does_not(value: str) -> None:
    assert patterns.in_environment({"INNOCENT": value}) == []


def test_the_address_of_a_webhook_is_a_secret_where_nobody_could_guess_it() -> None:
    guess = {"ALERT_WEBHOOK_URL": "https://example.org/in/9f8e7d6c5b4a39281706"}
    assert patterns.in_environment(guess) == ["ALERT_WEBHOOK_URL"]
    assert patterns.in_environment({"ALERT_WEBHOOK_URL": "https://example.org/alerts"}) == []
    assert patterns.in_environment({"HOME_PAGE": "https://example.org/in/9f8e7d6c5b4a39281706"}) == []
