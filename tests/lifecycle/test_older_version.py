"""A backup of an older OpenClaw comes back with the version that wrote it: LIFECYCLE=long, for it builds two images."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from life import DATABASE, OPTIONS, STATE, Life, deployed, look
from test_real_openclaw import CONTAINER, OLDER, older_lock

pytestmark = pytest.mark.skipif(os.environ.get("LIFECYCLE") != "long", reason="one more image: LIFECYCLE=long")
NODE = Path(__file__).parents[2] / "roles/openclaw_image/files/requirements-node.txt"


def version(life: Life) -> str:
    return re.findall(r"\d{4}\.\d+\.\d+", life.alpha.check(f"docker exec {CONTAINER} node openclaw.mjs --version"))[0]


def schema(life: Life) -> int:
    program = f"import sqlite3; print(sqlite3.connect('{DATABASE}').execute('PRAGMA user_version').fetchone()[0])"
    return int(life.alpha.check(f'python3 -c "{program}"'))


def test_an_older_version_comes_back(life: Life, tmp_path: Path) -> None:
    """Its image is gone from the host, so that it is built from the lock files in the archive."""
    host, lock = life.alpha, older_lock(tmp_path)
    (tmp_path / NODE.name).write_text(NODE.read_text())
    host.check(
        f"systemctl stop openclaw-gateway.service; docker stop {CONTAINER} >/dev/null\n"
        f"find {STATE} -mindepth 1 -maxdepth 1 ! -name workspace -exec rm -rf {{}} +"
    )
    older = life.play("site.yml", host, openclaw_image_lock_dir=str(tmp_path), openclaw_gateway_copy_state=False)
    assert older.returncode == 0, older.stdout[-6000:]
    assert version(life) == OLDER
    before = schema(life)
    made = life.backup(host, lock_files={**lock, NODE.name: NODE.read_text()})
    assert (made["version"], made["left_out"]) == (OLDER, [])
    newer = life.play("site.yml", host)
    assert newer.returncode == 0, newer.stdout[-6000:]
    assert version(life) != OLDER
    assert schema(life) > before
    image = json.loads(host.check(f"cat {made['path']}.json"))["image_id"]
    host.check(f"docker image rm --force {image}; rm -rf {OPTIONS['record_dir']}/previous")
    done = life.restore(host, made["path"])
    assert done.returncode == 0, done.stdout[-6000:]
    assert version(life) == OLDER
    assert schema(life) == before
    assert look(host)["uid"] == 1000
    assert deployed(host)["state_source"]
