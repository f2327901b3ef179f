"""Files of a deployment are found through its mounts; nothing on the way is followed, waited for or swallowed whole."""

from __future__ import annotations

import builtins
import json
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._docker.container_spec import Mount, Settings
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import files as subject
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import openclaw_config as configuration
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.files import Folder, Place

PROVIDER = {"gateway_token": {"source": "file", "path": "/run/secrets/gateway_token", "mode": "singleValue"}}


def settings(*mounts: Mount, **change: object) -> Settings:
    return Settings("openclaw-gateway", "docker inspect openclaw-gateway", mounts=mounts, user="1000:1000", **change)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """State, configuration and secret as the collection deploys them."""
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/openclaw.json").write_text(json.dumps({"secrets": {"providers": PROVIDER}}))
    (tmp_path / "etc/token").write_text("the token")
    (tmp_path / "etc/compose.yml").write_text("services: {}")
    return tmp_path


def deployed(world: Path, **change: object) -> Settings:
    return settings(
        Mount("bind", str(world / "state"), "/home/node/.openclaw"),
        Mount("bind", str(world / "etc/openclaw.json"), "/etc/openclaw/openclaw.json", read_only=True),
        Mount("bind", str(world / "etc/token"), "/run/secrets/gateway_token", read_only=True),
        Mount("tmpfs", "", "/tmp"),
        environment={"OPENCLAW_CONFIG_PATH": "/etc/openclaw/openclaw.json"},
        labels={"com.docker.compose.project.config_files": str(world / "etc/compose.yml")},
        **change,
    )


# --- a whole deployment -------------------------------------------------------------------------------------------


def test_everything_is_found_through_the_mounts(world):
    facts = subject.look(deployed(world), 0)
    assert (facts.uid, facts.gid) == (1000, 1000)
    assert (facts.state.path, facts.state.kind, facts.state.mode) == (str(world / "state"), "directory", 0o700)
    assert (facts.config.path, facts.config.read_only) == (str(world / "etc/openclaw.json"), True)
    assert facts.configuration["secrets"]["providers"] == PROVIDER
    assert [(place.path, place.text) for place in facts.secrets] == [(str(world / "etc/token"), "the token")]
    assert [place.text for place in facts.compose] == ["services: {}"]
    assert [folder.path for folder in facts.state.folders] == [
        "/",
        *(str(path) for path in reversed(world.parents) if str(path) != "/"),
        str(world),
    ]


def test_no_content_is_shown(world):
    assert "the token" not in repr(subject.look(deployed(world), 0))


def test_the_running_process_reports_who_and_where(world):
    facts = subject.look(settings(Mount("bind", str(world / "state"), "/x/.openclaw")), os.getpid())
    assert (facts.uid, facts.gid) == (os.geteuid(), os.getegid())
    assert facts.environment["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    ("mounts", "environment", "target", "path"),
    [
        ([("bind", "/srv/a", "/home/node/.openclaw", False)], {}, "/home/node/.openclaw", "/srv/a"),
        (
            [("volume", "/var/lib/docker/volumes/v/_data", "/data", False)],
            {"OPENCLAW_STATE_DIR": "/data/state"},
            "/data/state",
            "/var/lib/docker/volumes/v/_data/state",
        ),
        ([("bind", "/srv/home", "/home/node", False)], {}, "/home/node/.openclaw", "/srv/home/.openclaw"),
        (
            [("bind", "/srv/home", "/home/me/", False)],
            {"HOME": "/home/me"},
            "/home/me/.openclaw",
            "/srv/home/.openclaw",
        ),
        (
            [("bind", "/a", "/home/node/.openclaw", True), ("bind", "/b", "/x/.openclaw", False)],
            {},
            "/x/.openclaw",
            "/b",
        ),
        ([("bind", "/a", "/s", False)], {"OPENCLAW_STATE_DIR": "~/../s/../s"}, "/home/s", "/home/s"),
    ],
)
def test_where_the_state_is(mounts, environment, target, path):
    asked = settings(*(Mount(*mount[:3], read_only=mount[3]) for mount in mounts), environment=environment)
    state = subject.look(asked, 0).state
    assert (state.target, state.path) == (target, path)


def test_without_a_mount_the_container_itself_is_looked_at(world):
    facts = subject.look(settings(environment={"OPENCLAW_STATE_DIR": str(world / "state")}), os.getpid())
    assert (facts.state.kind, facts.state.inside, facts.state.target) == ("directory", True, str(world / "state"))
    stopped = subject.look(settings(environment={"OPENCLAW_STATE_DIR": str(world / "state")}), 0)
    assert (stopped.state.kind, stopped.state.trouble) == ("", "not running")
    assert stopped.configuration is None


def test_a_named_volume_is_where_the_kernel_mounted_it(monkeypatch):
    tables = {
        "/proc/7/mountinfo": [("8:1", "/volumes/a b/_data", "/home/node/.openclaw"), ("8:2", "/", "/")],
        "/proc/1/mountinfo": [
            ("8:2", "/", "/"),
            ("8:1", "/", "/mnt"),
            ("8:1", "/volumes", "/var/lib/docker/volumes"),
        ],
    }
    monkeypatch.setattr(subject, "_mount_table", lambda path: iter(tables.get(path, ())))
    asked = settings(Mount("volume", "a b", "/home/node/.openclaw"), Mount("bind", "/x", "/y"))
    mounts = subject._with_volumes(asked, 7).mounts
    assert [mount.source for mount in mounts] == ["/var/lib/docker/volumes/a b/_data", "/x"]
    assert subject._with_volumes(asked, 8) == asked


def test_the_kernels_table_of_mounts(tmp_path):
    table = tmp_path / "mountinfo"
    table.write_text("36 35 98:0 /mnt\\0401 /a\\134b rw,noatime master:1 - ext3 /dev/root rw\n")
    assert list(subject._mount_table(str(table))) == [("98:0", "/mnt 1", "/a\\b")]
    assert list(subject._mount_table("/none")) == []
    assert "/" in [point for _device, _root, point in subject._mount_table("/proc/self/mountinfo")]


def test_a_file_that_was_replaced_under_the_container_is_known_in_both_forms(world):
    old = world / "old"
    old.write_text("what it started with")
    asked = settings(Mount("bind", str(world / "etc/token"), str(old), read_only=True))
    place = subject.locate(asked, os.getpid(), str(old), read=True)
    assert (place.text, place.mounted) == ("the token", "what it started with")


@pytest.mark.parametrize(
    ("mounts", "read_only", "holder"),
    [
        ([("/h/o.json", "/c/o.json", True)], True, ""),
        ([("/h/o.json", "/c/o.json", False)], False, "/h/o.json"),
        ([("/h", "/c", False)], False, "/h"),
        ([("/h", "/c", True)], True, ""),
        # The same file through a second mount.
        ([("/h/o.json", "/c/o.json", True), ("/h", "/state", False)], False, "/h"),
        # The read-only mount lies over the only other way.
        ([("/h", "/c", False), ("/h/o.json", "/c/o.json", True)], True, ""),
    ],
)
def test_whether_the_container_can_write(mounts, read_only, holder):
    asked = settings(*(Mount("bind", source, target, read_only=ro) for source, target, ro in mounts))
    place = subject.locate(asked, 0, "/c/o.json")
    assert (place.path, place.read_only, place.holder) == ("/h/o.json", read_only, holder)


def test_foreign_are_named_but_for_mount_points(world, as_root):
    for name, owner in (("own", 1000), ("theirs", 4242), ("roots", 0), ("workspace", 0)):
        (world / "state" / name).mkdir()
        os.chown(world / "state" / name, owner, owner)
    asked = settings(
        Mount("bind", str(world / "state"), "/home/node/.openclaw"),
        Mount("bind", "/srv/w", "/home/node/.openclaw/workspace"),
    )
    facts = subject.look(asked, 0)
    assert (facts.foreign_ones, facts.entries) == ((("roots", 0), ("theirs", 4242)), 4)


def test_a_large_state_directory_ends_somewhere(world):
    for number in range(subject.MAX_ENTRIES + 20):
        (world / "state" / str(number)).touch()
    assert subject.look(deployed(world), 0).entries == subject.MAX_ENTRIES + 1


def test_secret_files_of_providers_and_mounts(world):
    tree = {
        "secrets": {
            "providers": {
                "a": {"source": "file", "path": "~/.openclaw/secrets.json"},
                "b": {"source": "env"},
                "c": {"source": "file", "path": 7},
                "d": "text",
                **PROVIDER,
            }
        }
    }
    found = subject.secret_paths(deployed(world), tree, "/home/node")
    assert found == ["/run/secrets/gateway_token", "/home/node/.openclaw/secrets.json"]
    for broken in ({"secrets": 1}, {"secrets": {"providers": []}}, {}):
        assert subject.secret_paths(settings(), broken, "/home/node") == []


def test_compose_files_that_are_gone_and_variables_beside_them(world):
    (world / "etc/.env").write_text("A=1")
    labels = {
        "com.docker.compose.project.config_files": f"{world}/etc/compose.yml,{world}/gone.yml,relative.yml",
        "com.docker.compose.project.working_dir": f"{world}/etc",
    }
    facts = subject.look(settings(labels=labels), 0)
    assert [(place.kind, bool(place.trouble)) for place in facts.compose] == [("file", False), ("", False), ("", True)]
    assert [place.text for place in facts.dotenv] == ["A=1"]


# --- one path -----------------------------------------------------------------------------------------------------


def test_links_are_named_and_never_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/file").write_text("x")
    (tmp_path / "way").symlink_to("real")
    (tmp_path / "real/last").symlink_to("file")
    on_the_way = subject.inspect(str(tmp_path / "way/file"), read=True)
    assert (on_the_way.link, on_the_way.kind, on_the_way.text) == (str(tmp_path / "way"), "", None)
    last = subject.inspect(str(tmp_path / "real/last"), read=True)
    assert (last.link, last.kind, last.text) == (str(tmp_path / "real/last"), "link", None)


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    assert subject.inspect(str(tmp_path / "fifo"), read=True).kind == "special"
    assert subject.inspect(str(tmp_path / "folder"), read=True).text is None
    assert subject.inspect(str(tmp_path / "fifo/below"), read=True).kind == ""
    assert subject.inspect(str(tmp_path / "none")).kind == ""
    assert subject.inspect("/").kind == "directory"


def test_a_large_file_is_not_read(tmp_path):
    (tmp_path / "large").write_bytes(b"x" * (subject.MAX_SIZE + 1))
    found = subject.inspect(str(tmp_path / "large"), read=True)
    assert (found.text, found.trouble) == (None, "more than 1 MB")


@pytest.mark.parametrize("path", ["", "a", "/a/../b", "/a//b", "/a/", "//a", "/a\0b"])
def test_only_the_shortest_spelling_is_walked(path):
    assert subject.inspect(path).trouble


def test_a_name_that_is_too_long_is_a_trouble_and_no_crash():
    assert subject.inspect("/" + "a" * 300).trouble


@pytest.mark.parametrize(
    ("mode", "gid", "replaceable"),
    [(0o755, 0, False), (0o775, 0, False), (0o775, 50, True), (0o777, 0, True), (0o1777, 0, False), (0o2755, 8, False)],
)
def test_which_directory_lets_others_exchange_things(mode, gid, replaceable):
    assert Folder("/x", 0, gid, mode).replaceable is replaceable


def test_a_closed_directory_on_the_way_seals_what_lies_below():
    assert Place("/a", folders=(Folder("/", 0, 0, 0o755), Folder("/v", 0, 0, 0o710))).sealed
    assert not Place("/a", folders=(Folder("/", 0, 0, 0o755),)).sealed
    assert not Place("/a", folders=(Folder("/", 0, 0, 0o755), Folder("/home", 1000, 1000, 0o700))).sealed


# --- the configuration --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '{"gateway": {"auth": {"mode": "token"}}}',
        "{gateway: {auth: {mode: 'token',},},}",
        "\n{ gateway: { 'auth': { mode: \"token\" } } }\n",
    ],
)
def test_json_and_the_json5_that_yaml_reads(text):
    assert configuration.parse(text) == {"gateway": {"auth": {"mode": "token"}}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "7",
        "not a configuration",
        "{",
        '{ // a comment\n "gateway": 1 }',
        '{ a: 1, /* "token": "x", */ b: 2 }',
        "{ a: 1, // c\n b: 2 }",
        '{mode:"token"}',
        "{port:18789}",
        "[" * 100_000,
        "{a:" * 100_000,
        "{a: &a [1], b: *c}",
        "{a: !!python/object/apply:os.system [ls]}",
        "{? [a] : b}",
        '{"a": ' + "9" * 5000 + "}",
    ],
)
def test_what_is_not_understood_is_not_guessed(text):
    assert configuration.parse(text) is None


def test_aliases_do_not_multiply():
    rows = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 30)]
    tree = configuration.parse("{l0: &l0 [{token: x}], " + ", ".join(rows) + "}")
    assert len(list(configuration.leaves(tree))) < 100


def test_entries_of_mappings_in_lists_are_walked():
    tree = {"a": [{"token": 1}, [{"b": 2}]], "c": {"d": None}}
    assert {path for path, _name, _value in configuration.leaves(tree)} == {"a", "a[0].token", "a[1][0].b", "c", "c.d"}


def test_the_owner_and_mode_are_those_of_the_last_name(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    path.chmod(0o640)
    os.link(path, tmp_path / "second")
    found = subject.inspect(str(path))
    assert (found.mode, found.nlink, found.size, found.uid) == (0o640, 2, 1, os.geteuid())
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert "links 2" in found.shown()


def test_an_environment_that_may_not_be_read_is_not_empty(monkeypatch):
    def refused(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    assert subject._environment(2**22 + 1) == {}  # it ended
    monkeypatch.setattr(builtins, "open", refused)
    with pytest.raises(PermissionError):
        subject._environment(1)
