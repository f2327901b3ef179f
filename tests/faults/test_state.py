"""What an agent may leave in the state is kept as it is, and its workspace is its own affair."""

from __future__ import annotations

from deployment import STATE, Deployment
from harness import RECORDS, FaultHost, World
from proofs import state_version

# All that a directory can hold: links into nowhere, out of it and in circles; names and modes of every kind.
ODD = f"""
cd {STATE}
ln -s version link; ln -s /etc/shadow out; ln -s nowhere broken; ln -s . circle; ln -s ../.. above
mkdir -p deep/er; chmod 0500 deep/er; ln -s /etc folder-out
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
mkfifo fifo
echo twice > one; ln one other
truncate --size=256M sparse; printf end >> sparse
echo foreign > foreign; chown 4242:4343 foreign; chmod 0640 foreign
echo root > root-only; chmod 0000 root-only
cp /bin/true program; chmod 4755 program; chown 1000:1000 program; chmod 4755 program
printf 'strange' > $'new\\nline \\xff -rf *'
mkdir empty; touch -d 2001-02-03 old; touch .hidden
chown -h 1000:1000 link out broken circle above folder-out socket fifo one sparse .hidden old empty deep deep/er
"""


def test_everything_in_it_survives_the_way_back(before: World, deployment: Deployment, host: FaultHost) -> None:
    host.check(ODD)
    times = f"cd {STATE}; stat -c '%n %Y' old sparse foreign one empty deep/er; stat -c %b sparse"
    times_before = host.check(times)
    odd, shadow = host.look(), host.check("stat -c '%i %Y %a' /etc/shadow; ls -la /etc | wc -l")
    answer = deployment.run("fails-in-place")
    assert (answer["failed"], answer["outcome"]) == (True, "rolled_back")
    assert host.look().below(STATE) == odd.below(STATE)  # what is the same is not exchanged: hard links stay
    assert state_version(deployment) == "1"
    assert host.check(times) == times_before
    assert host.check("stat -c '%i %Y %a' /etc/shadow; ls -la /etc | wc -l") == shadow


def test_a_copy_takes_no_more_room_than_it_needs(before: World, deployment: Deployment, host: FaultHost) -> None:
    host.check(ODD)
    host.check(f"head --bytes=20M /dev/urandom > {STATE}/memory.bin; chown 1000:1000 {STATE}/memory.bin")
    assert deployment.run("v2")["changed"]
    copy = f"{RECORDS}/previous/state"
    assert host.check(f"sha256sum < {copy}/memory.bin") == host.check(f"sha256sum < {STATE}/memory.bin")
    assert host.check(f"cat {copy}/version") == "1"
    assert int(host.check(f"stat -c %b {copy}/sparse")) < 100  # of 512 bytes: holes stay holes
    assert host.check(f"stat -c %s {copy}/sparse") == host.check(f"stat -c %s {STATE}/sparse")
    inode = host.check(f"stat -c %i {copy}/memory.bin")
    assert deployment.run("v3")["changed"]
    assert host.check(f"cat {copy}/version") == "2"
    # The same file of the copy before, not a second one: nothing changed it.
    assert host.check(f"stat -c '%i %h' {copy}/memory.bin") == f"{inode} 1"


def test_the_workspace_is_neither_copied_nor_brought_back(
    before: World, deployment: Deployment, host: FaultHost
) -> None:
    search = f"find {RECORDS} -path '*workspace/*'"
    work = f"echo meanwhile > {STATE}/workspace/work; chown 1000:1000 {STATE}/workspace/work; {search}"
    cut = deployment.interrupt("fails-in-place", plan={"phase": "starting", "what": "shell", "script": work})
    assert cut.output == "0 ", f"copied: {cut.output}"
    assert cut.answer["outcome"] == "rolled_back"
    assert host.check(f"cat {STATE}/workspace/work; {search}") == "meanwhile"
    assert host.check(f"rm {STATE}/workspace/work; cat {STATE}/workspace/notes.md") == "what the agent works on"


def test_a_candidate_does_not_touch_it(before: World, deployment: Deployment, host: FaultHost) -> None:
    """Its own copy is migrated, and goes with it."""
    held = f"cat {STATE}/version; ls -i {STATE}/version"
    inode = host.check(held)
    answer = deployment.run("never-ready", health={"timeout": 4})
    assert answer["outcome"] == "unchanged"
    assert "migrated the state from version 1 to 2" in answer["msg"]
    assert host.check(held) == inode
    assert host.check(f"ls {RECORDS} | grep -c attempt || true") == "0"
