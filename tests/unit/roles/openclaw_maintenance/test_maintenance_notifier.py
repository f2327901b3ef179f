# Copyright: (c) 2026, OpenClaw Hardening maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The notifier of the maintenance jobs: each channel gets every alert exactly once, whatever the file has in it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROLES = Path(__file__).parents[4] / "roles"
PROGRAM = ROLES / "openclaw_maintenance/files/maintenance_notifier.py"
AUTH = ROLES / "openclaw_auth_monitor/files/auth_notifier.py"


def loaded(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


auth_notifier = sys.modules.get("auth_notifier") or loaded(AUTH)
notifier = loaded(PROGRAM)


def entry(number: int, /, **changes: Any) -> dict[str, Any]:
    return {"number": number, "at": 5, "job": "audit", "title": f"title {number}", "body": f"body {number}",
            "urgent": True, **changes}  # fmt: skip


def written(*numbers: int, origin: str = "a", **changes: Any) -> str:
    return json.dumps({"version": 1, "origin": origin, "next": 99, "alerts": [entry(n, **changes) for n in numbers]})


class Channel:
    """Takes messages, or is down; it is asked without a pause."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.down = False
        self.breaks_after = -1

    def __call__(self, text: Any) -> None:
        if self.down or len(self.got) == self.breaks_after:
            raise auth_notifier.DeliveryError("it is away")
        self.got.append(text)

    @property
    def titles(self) -> list[str]:
        return [text.title.partition(": ")[2] for text in self.got]


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(auth_notifier, "retried", lambda send: send())
    return str(tmp_path / "sent.json")


# --- what is in the file ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "none of it",
        "[]",
        "{}",
        "null",
        '{"version":1}',
        '{"version":2,"origin":"a","alerts":[]}',
        '{"version":1,"origin":"a","alerts":5}',
        '{"version":1,"origin":"a","alerts":[5]}',
        '{"version":1,"origin":"a","alerts":[{"number":1}]}',
        written(1, number=None),
        written(1, number="x"),
        written(1, number=float("inf")),
        written(1, number=float("nan")),
        written(1, at=[]),
        written(1).replace('"at": 5', '"at": 1' + "0" * 400),
        "[" * 100_000,
        written(1)[:-20],
    ],
)
def test_a_file_that_is_not_one_of_the_jobs_is_a_failure(
    text: str, memory: str, capsys: pytest.CaptureFixture[str]
) -> None:
    channel = Channel()
    assert notifier.notify(text, {"ntfy": channel}, memory, "openclaw") == 1
    assert channel.got == []
    assert "the alerts cannot be read" in capsys.readouterr().out
    assert not os.path.exists(memory)


def test_hostile_text_is_one_line_without_links(memory: str) -> None:
    channel = Channel()
    hostile = "a\n\x1b[2J\u202e <b> https://evil.example @all" + "x" * 9000
    assert notifier.notify(written(1, title=hostile, body=hostile), {"ntfy": channel}, memory, "openclaw") == 0
    (text,) = channel.got
    for part in (text.title, text.body):
        assert part.isprintable()
        assert part.isascii()
        assert not [word for word in ("<", "https://", "evil.example", " @all") if word in part]
    assert len(text.title) < 300
    assert len(text.body) <= auth_notifier.MAX_MESSAGE


@pytest.mark.parametrize(("value", "urgent"), [(True, True), (False, False), (None, True), ("no", True), (0, True)])
def test_only_what_is_clearly_not_urgent_is_not(value: object, urgent: bool, memory: str) -> None:
    channel = Channel()
    notifier.notify(written(1, urgent=value), {"ntfy": channel}, memory, "openclaw")
    assert channel.got[0].urgent is urgent


# --- exactly once -------------------------------------------------------------------------------------------------


def test_each_alert_is_sent_once_in_order(memory: str) -> None:
    channel = Channel()
    for text in (written(2, 1), written(1, 2), written(1, 2, 3)):
        assert notifier.notify(text, {"ntfy": channel}, memory, "openclaw") == 0
    assert channel.titles == ["title 1", "title 2", "title 3"]
    assert channel.got[0].title.startswith("openclaw on ")


def test_a_channel_that_is_away_gets_everything_later_once_and_the_other_at_once(memory: str) -> None:
    ntfy, phone = Channel(), Channel()
    ntfy.down = True
    outlets = {"ntfy": ntfy, "phone": phone}
    assert notifier.notify(written(1, 2), outlets, memory, "openclaw") == 1
    assert notifier.notify(written(1, 2, 3), outlets, memory, "openclaw") == 1
    ntfy.down = False
    assert notifier.notify(written(1, 2, 3), outlets, memory, "openclaw") == 0
    assert notifier.notify(written(1, 2, 3), outlets, memory, "openclaw") == 0
    assert ntfy.titles == phone.titles == ["title 1", "title 2", "title 3"]


def test_a_channel_that_breaks_between_two_messages_goes_on_there(memory: str) -> None:
    channel = Channel()
    channel.breaks_after = 1
    assert notifier.notify(written(1, 2, 3), {"ntfy": channel}, memory, "openclaw") == 1
    channel.breaks_after = -1
    notifier.notify(written(1, 2, 3), {"ntfy": channel}, memory, "openclaw")
    assert channel.titles == ["title 1", "title 2", "title 3"]


def test_numbers_that_begin_again_are_another_sequence(memory: str) -> None:
    channel = Channel()
    notifier.notify(written(1, 2, 3), {"ntfy": channel}, memory, "openclaw")
    notifier.notify(written(1, origin="b"), {"ntfy": channel}, memory, "openclaw")
    notifier.notify(written(1, origin="b"), {"ntfy": channel}, memory, "openclaw")
    assert channel.titles == ["title 1", "title 2", "title 3", "title 1"]


def test_many_are_a_few_messages_that_name_all_of_them(memory: str) -> None:
    channel = Channel()
    numbers = range(1, 101)
    assert notifier.notify(written(*numbers), {"ntfy": channel}, memory, "openclaw") == 0
    assert channel.titles == [f"title {number}" for number in range(1, notifier.MOST)] + ["96 more alerts"]
    assert channel.got[-1].body.startswith("title 5; title 6; ")
    notifier.notify(written(*numbers, 101), {"ntfy": channel}, memory, "openclaw")
    assert channel.titles[notifier.MOST :] == ["title 101"]


def test_as_many_as_fit_are_sent_one_by_one(memory: str) -> None:
    channel = Channel()
    notifier.notify(written(*range(1, notifier.MOST + 1)), {"ntfy": channel}, memory, "openclaw")
    assert channel.titles == [f"title {number}" for number in range(1, notifier.MOST + 1)]


def test_without_a_channel_they_are_in_the_journal_once(memory: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert notifier.notify(written(1, 2), {}, memory, "openclaw") == 0
    assert capsys.readouterr().out.count("<4>nobody is notified") == 2
    assert notifier.notify(written(1, 2), {}, memory, "openclaw") == 0
    assert capsys.readouterr().out == ""


def test_a_channel_that_is_added_later_gets_what_was_kept(memory: str) -> None:
    channel = Channel()
    notifier.notify(written(1, 2), {}, memory, "openclaw")
    notifier.notify(written(1, 2), {"ntfy": channel}, memory, "openclaw")
    assert channel.titles == ["title 1", "title 2"]


@pytest.mark.parametrize("damaged", ["", "[]", "{", '{"ntfy": 5}', '{"ntfy": {"number": "x", "origin": "a"}}'])
def test_a_damaged_memory_sends_again_and_never_keeps_silent(memory: str, damaged: str) -> None:
    Path(memory).write_text(damaged)
    channel = Channel()
    assert notifier.notify(written(1), {"ntfy": channel}, memory, "openclaw") == 0
    assert channel.titles == ["title 1"]


# --- as systemd starts it -----------------------------------------------------------------------------------------


@pytest.fixture
def ntfy() -> Iterator[SimpleNamespace]:
    """A real HTTP receiver that can refuse."""
    here = SimpleNamespace(got=[], code=200)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if here.code == 200:
                here.got.append((self.headers.get("Title"), body, self.headers.get("Authorization")))
            self.send_response(here.code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_PUT = do_POST  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here.address = f"http://127.0.0.1:{server.server_address[1]}/topic"
    yield here
    server.shutdown()
    server.server_close()


def started(folder: Path, **credentials: str) -> subprocess.CompletedProcess[str]:
    (folder / "credentials").mkdir(exist_ok=True)
    (folder / "state").mkdir(exist_ok=True)
    for name, content in credentials.items():
        (folder / "credentials" / name).write_text(content)
    environment = {"CREDENTIALS_DIRECTORY": f"{folder}/credentials", "STATE_DIRECTORY": f"{folder}/state"}
    code = f"import sys; sys.path[:0] = [{str(AUTH.parent)!r}, {str(PROGRAM.parent)!r}]; " \
           "import maintenance_notifier as m; sys.exit(m.main())"  # fmt: skip
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def settings(address: str) -> str:
    return f"# Managed\nNAME=openclaw\nNOTIFY_NTFY={address}\nNOTIFY_PHONE=\nNOTIFY_CHANNEL=\nGATEWAY_PORT=1\n"


def test_alerts_reach_a_receiver(tmp_path: Path, ntfy: SimpleNamespace) -> None:
    done = started(tmp_path, settings=settings(ntfy.address), alerts=written(1, 2))
    assert (done.returncode, len(ntfy.got)) == (0, 2), done.stdout
    done = started(tmp_path, settings=settings(ntfy.address), alerts=written(1, 2))
    assert (done.returncode, len(ntfy.got)) == (0, 2), done.stdout


def test_no_alert_was_ever_written(tmp_path: Path, ntfy: SimpleNamespace) -> None:
    done = started(tmp_path, settings=settings(ntfy.address), alerts="none")
    assert (done.returncode, done.stdout, ntfy.got) == (0, "", [])


def test_alerts_that_are_too_long_are_a_failure(tmp_path: Path, ntfy: SimpleNamespace) -> None:
    done = started(tmp_path, settings=settings(ntfy.address), alerts=written(1, body="x" * notifier.MAX_ALERTS))
    assert done.returncode == 1
    assert "cannot be read" in done.stdout


def test_without_settings_it_fails(tmp_path: Path) -> None:
    done = started(tmp_path, alerts=written(1))
    assert done.returncode == 1
    assert "no settings" in done.stdout
