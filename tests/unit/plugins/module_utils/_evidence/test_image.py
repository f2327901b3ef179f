"""Real trees, real links and a daemon of a few methods: what a container's owner may have put there."""

from __future__ import annotations

import gc
import json
import os
import stat
from types import SimpleNamespace

import pytest
from ansible_collections.openclaw.hardening.plugins.module_utils._core.errors import HardeningError
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence import container_tree, image
from ansible_collections.openclaw.hardening.plugins.module_utils._evidence.image import Record

ME = os.getuid()
RECORD = {
    "image_id": "sha256:1",
    "ref": "openclaw:hardened",
    "base": "b" * 64,
    "content_hash": "c",
    "verified": "2026-11-22T19:10:02+00:00",
    "report": {},
}


@pytest.fixture
def root(tmp_path):
    """A container's file system with a program and nothing wrong."""
    root = tmp_path / "root"
    for path in ("app/node_modules/lib/bin/gcc", "app/openclaw.mjs", "usr/bin/node", "etc/passwd"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")
    for folder, _folders, _files in os.walk(tmp_path):
        os.chmod(folder, 0o755)
    return root


def walk(root, *skipped, workdir="/app", uid=ME):
    return container_tree.walk(os.open(root, container_tree.DIRECTORY), skipped, workdir, uid)


def test_a_good_tree(root):
    before = len(os.listdir("/proc/self/fd"))
    tree = walk(root)
    assert (tree.setuid, tree.tools, tree.cut) == ((), (), "")
    assert [(found.path, found.files, found.faults) for found in tree.programs] == [("/app", 2, ())]
    assert tree.entries == 11
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("mode", [0o4755, 0o2755])
@pytest.mark.parametrize("path", ["usr/bin/su", "app/node_modules/lib/x"])
def test_setuid_files_are_found_everywhere(root, path, mode):
    (root / path).write_text("x")
    (root / path).chmod(mode)
    assert walk(root).setuid == (f"/{path}",)


def test_build_tools_are_found(root):
    for name in ("x86_64-linux-gnu-gcc-13", "apt-get", "harmless"):
        (root / "usr/bin" / name).write_text("x")
    (root / "usr/bin/make").symlink_to("/nowhere")
    npm = root / "usr/lib/node_modules/npm/package.json"
    npm.parent.mkdir(parents=True)
    npm.write_text("{}")
    assert walk(root).tools == (
        "/usr/bin/apt-get",
        "/usr/bin/make",
        "/usr/bin/x86_64-linux-gnu-gcc-13",
        "/usr/lib/node_modules/npm/package.json",
    )


def test_links_lead_nowhere(root, tmp_path):
    outside = tmp_path / "outside/bin"
    outside.mkdir(parents=True)
    (outside / "su").write_text("x")
    (outside / "su").chmod(0o4755)
    (root / "usr/link").symlink_to(outside)
    (root / "usr/node_modules").symlink_to(outside)
    (root / "usr/bin/su").symlink_to(outside / "su")
    assert walk(root).setuid == ()


def test_a_directory_exchanged_for_a_link_is_not_followed(root, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "su").write_text("x")
    (outside / "su").chmod(0o4755)
    observed = []
    everything = container_tree._Walk()
    for directory in everything.below(os.open(root, container_tree.DIRECTORY)):
        if not directory.path:
            (root / "etc").rename(root / "old")
            (root / "etc").symlink_to(outside)
        observed.append(directory.path)
    assert "/etc" not in observed
    assert everything.cut.startswith("/etc could not be opened")


def test_mounts_are_left_out(root):
    (root / "state").mkdir()
    (root / "state/su").write_text("x")
    (root / "state/su").chmod(0o4755)
    assert walk(root, "/state").setuid == ()


def test_other_file_systems_are_left_out(root, monkeypatch):
    real = os.fstat
    inner = os.stat(root / "usr").st_ino

    def fstat(handle):
        found = real(handle)
        other = found.st_ino == inner
        return SimpleNamespace(st_dev=-1, st_mode=0, st_uid=0) if other else found

    monkeypatch.setattr(os, "fstat", fstat)
    (root / "usr/bin/su").write_text("x")
    (root / "usr/bin/su").chmod(0o4755)
    assert walk(root).setuid == ()


def test_a_deep_tree_is_output_to_be_cut(root):
    path = root
    for _level in range(container_tree.MAX_DEPTH + 5):
        path /= "d"
    path.mkdir(parents=True)
    gc.collect()  # what earlier tests left open is not counted
    before = len(os.listdir("/proc/self/fd"))
    assert "directories in one another" in walk(root).cut
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_endless_tree_is_output_to_be_cut(root, monkeypatch):
    monkeypatch.setattr(container_tree, "MAX_ENTRIES", 3)
    assert walk(root).cut == "there are more than 3 entries"


def test_odd_names_do_no_harm(root):
    (root / os.fsdecode(b"\xff\n\x1b[31m")).write_text("x")
    (root / os.fsdecode(b"\xff\n\x1b[31m")).chmod(0o4755)
    assert len(walk(root).setuid) == 1


@pytest.mark.parametrize(
    ("path", "mode", "fault"),
    [
        ("app/openclaw.mjs", 0o646, "/app/openclaw.mjs has the mode 0646"),
        ("app/node_modules/lib/bin/gcc", 0o664, "/app/node_modules/lib/bin/gcc has the mode 0664"),
        ("app/node_modules", 0o777, "/app/node_modules has the mode 0777"),
        ("app", 0o775, "/app has the mode 0775"),
        (".", 0o757, "/ has the mode 0757"),
    ],
)
def test_a_program_that_others_can_change(root, path, mode, fault):
    (root / path).chmod(mode)
    (program,) = walk(root).programs
    assert program.faults[0] == fault


def test_a_program_of_another_owner(root):
    (program,) = walk(root, uid=ME + 1).programs
    assert program.faults[0] == f"/ belongs to uid {ME}"
    assert f"/app/openclaw.mjs belongs to uid {ME}" in program.faults


def test_a_sticky_directory_above_a_program_is_fine(root):
    root.chmod(0o1777)
    (program,) = walk(root).programs
    assert program.faults == ()


def test_a_program_elsewhere_counts_more_than_the_working_directory(root):
    (root / "app/openclaw.mjs").unlink()
    (root / "home").mkdir(mode=0o777)
    start = root / "usr/lib/node_modules/openclaw/openclaw.mjs"
    start.parent.mkdir(parents=True)
    start.write_text("x")
    start.chmod(0o666)
    (program,) = walk(root, workdir="/home").programs
    assert program.path == "/usr/lib/node_modules/openclaw"
    assert program.faults == ("/usr/lib/node_modules/openclaw/openclaw.mjs has the mode 0666",)


def test_without_a_start_file_the_working_directory_is_the_program(root):
    (root / "app/openclaw.mjs").unlink()
    assert [program.path for program in walk(root).programs] == ["/app"]
    assert walk(root, workdir="").programs == ()


# --- the writable layer -------------------------------------------------------------------------------------------


def test_changes_of_a_writable_layer(root):
    found = container_tree.changes(os.open(root, container_tree.DIRECTORY))
    assert ("A", "/app/openclaw.mjs") in found
    assert list(found) == sorted(found, key=lambda change: change[1])


def test_whiteouts_and_copied_files(as_root, root):
    try:
        os.mknod(root / "etc/gone", stat.S_IFCHR, os.makedev(0, 0))
        os.setxattr(root / "etc/passwd", "trusted.overlay.origin", b"x")
    except OSError as error:
        pytest.skip(f"overlayfs's marks cannot be made here: {error}")
    found = {path: kind for kind, path in container_tree.changes(os.open(root, container_tree.DIRECTORY))}
    assert (found["/etc/gone"], found["/etc/passwd"], found["/usr"]) == ("D", "C", "A")


def test_many_changes_never_look_like_few(root, monkeypatch):
    monkeypatch.setattr(container_tree, "MAX_DRIFT", 2)
    assert ("A", "and more") in container_tree.changes(os.open(root, container_tree.DIRECTORY))


MOUNTINFO = """\
1 0 0:1 / / rw,relatime - overlay overlay rw,lowerdir=/l1:/l2,upperdir={upper},workdir=/w
2 1 0:2 / /proc rw - proc proc rw
3 1 0:3 / /x rw - overlay overlay rw,upperdir=/wrong
"""


@pytest.mark.parametrize(
    ("text", "upper"),
    [
        (MOUNTINFO.format(upper="/var/lib/c/1/fs"), "/var/lib/c/1/fs"),
        (MOUNTINFO.format(upper="relative"), ""),
        (MOUNTINFO.format(upper="/with\\054comma"), ""),
        ("1 0 8:1 / / rw - ext4 /dev/sda rw\n", ""),
        ("", ""),
        ("\n", ""),
    ],
)
def test_the_writable_layer_by_the_kernel(text, upper):
    assert image.upper_in(text) == upper


# --- secrets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "labels", "history", "found"),
    [
        (["GATEWAY_TOKEN=abcdefgh"], {}, [], ("environment", "GATEWAY_TOKEN")),
        (["X=ghp_" + "a1" * 18], {}, [], ("environment", "X (a GitHub token)")),
        ([], {"db.password": "hunter2"}, [], ("label", "db.password")),
        ([], {}, ["FROM x", "|1 NPM_TOKEN=abcdefgh /bin/sh -c npm ci"], ("history, step 2", "NPM_TOKEN")),
        ([], {}, ["RUN git clone https://me:pass@host/x"], ("history, step 1", "a login in an address")),
        ([], {}, ["RUN curl -H 'Authorization: Bearer abcdefghij' x"], ("history, step 1", "a login in a header")),
        ([], {}, ["RUN npm config set //r/:_authToken=abcdefgh"], ("history, step 1", "//r/:_authToken")),
        ([], {}, ["COPY <<EOF\n-----BEGIN RSA PRIVATE KEY-----"], ("history, step 1", "a private key")),
    ],
)
def test_secrets_are_named_and_never_shown(environment, labels, history, found):
    reported = image.secrets_of(environment, labels, history)
    assert reported == (found,)


def test_what_only_sounds_like_a_secret():
    environment = ["TOKEN=", "API_KEY_FILE=/run/secrets/key", "TOKENIZERS_PARALLELISM=false", "MAX_TOKENS=4096", "A"]
    labels = {"org.opencontainers.image.title": "token", "requires.token": "true"}
    history = [
        "RUN --mount=type=secret,id=npm_token,env=NPM_TOKEN npm ci",
        'RUN TOKEN="$(cat /run/secrets/x)" && NPM_TOKEN=$TOKEN npm ci',
        "ARG NPM_TOKEN",
        'RUN curl -H "Authorization: Bearer $TOKEN" https://host:443/x@1',
        "ENV GATEWAY_TOKEN_FILE=/run/secrets/token",
        "RUN git config user.email a@b && echo https://github.com/x",
    ]
    assert image.secrets_of(environment, labels, history) == ()


# --- the record ---------------------------------------------------------------------------------------------------


def test_the_record_is_read(tmp_path):
    path = tmp_path / "image.json"
    path.write_text(json.dumps(RECORD))
    path.chmod(0o600)
    record, problem = image.read_record(str(path))
    assert problem == ""
    assert record == Record("sha256:1", "openclaw:hardened", "b" * 64, "c", RECORD["verified"], "", ME, 0o600)


@pytest.mark.parametrize("text", ["", "[]", "7", "{}", json.dumps({**RECORD, "base": 7}), "\xff"])
def test_a_record_of_something_else_is_refused(tmp_path, text):
    (tmp_path / "image.json").write_text(text)
    record, problem = image.read_record(str(tmp_path / "image.json"))
    assert record is None
    assert problem.endswith("is not what a build writes")


def test_a_record_that_is_none(tmp_path):
    assert image.read_record(str(tmp_path / "none")) == (None, image.NO_RECORD)
    assert image.read_record(str(tmp_path)) == (None, f"{tmp_path} is a directory")


def test_a_linked_record_is_refused(tmp_path):
    (tmp_path / "real").write_text(json.dumps(RECORD))
    (tmp_path / "image.json").symlink_to("real")
    record, problem = image.read_record(str(tmp_path / "image.json"))
    assert record is None
    assert "symbolic link" in problem


# --- all of it ----------------------------------------------------------------------------------------------------


IMAGES = {
    "sha256:1": {
        "Id": "sha256:1",
        "RepoTags": ["openclaw:hardened"],
        "Created": "2026-11-22T19:09:55.347468074Z",
        "Config": {"User": "1000", "Env": ["A=b"], "Healthcheck": {"Test": ["CMD", "true"]}, "Labels": {"k": "v"}},
    },
    "openclaw:hardened": {"Id": "sha256:2", "Config": None},
}


class Daemon:
    """As much of the SDK as is asked."""

    def __init__(self):
        self.api = self

    def inspect_image(self, ref):
        try:
            return IMAGES[ref]
        except KeyError:
            raise image.client.sdk().errors.ImageNotFound("none") from None

    def history(self, _ref):
        return [{"CreatedBy": "CMD"}, {"CreatedBy": "FROM"}, {}]

    def diff(self, _ref):
        return [{"Path": "/x", "Kind": 0}, {"Path": "/y", "Kind": 2}]


ATTRS = {"Id": "abc", "Image": "sha256:1", "Config": {"Image": "openclaw:hardened", "WorkingDir": "/app"}}


def test_a_stopped_container_is_checked_as_far_as_possible(tmp_path):
    facts = image.look(Daemon(), ATTRS, 0, str(tmp_path / "none"))
    assert (facts.id, facts.reference_id, facts.user, facts.environment) == ("sha256:1", "sha256:2", "1000", ("A",))
    assert (facts.healthcheck, facts.labels, facts.history) == (("CMD", "true"), {"k": "v"}, ("", "FROM", "CMD"))
    assert (facts.record, facts.record_problem) == (None, image.NO_RECORD)
    assert (facts.tree, facts.tree_problem) == (None, "the container does not run")
    assert facts.drift == (("C", "/x"), ("D", "/y"))


def test_the_layer_itself_is_asked_first(root):
    driver = {"Name": "overlay2", "Data": {"UpperDir": str(root)}}
    facts = image.look(Daemon(), {**ATTRS, "GraphDriver": driver}, 0, "")
    assert ("A", "/app/openclaw.mjs") in facts.drift
    assert facts.record_problem == ""


def test_a_process_that_became_another_is_not_taken_for_the_container():
    facts = image.look(Daemon(), ATTRS, os.getpid(), "")
    assert facts.tree is None
    assert "the container ended meanwhile" in facts.tree_problem


def test_a_process_that_is_gone():
    facts = image.look(Daemon(), ATTRS, 2**22 + 7, "")
    assert facts.tree is None
    assert "No such file" in facts.tree_problem


def test_an_image_that_is_gone_is_an_error():
    with pytest.raises(HardeningError, match="sha256:9"):
        image.look(Daemon(), {**ATTRS, "Image": "sha256:9"}, 0, "")


def test_the_root_of_a_user_namespace():
    assert image.root_uid(os.getpid()) == 0
    assert image.root_uid(2**22 + 7) == 0
