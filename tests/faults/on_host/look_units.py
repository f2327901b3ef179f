"""Print what is there of one set of units, as JSON: files, links, what systemd reports, what its processes run with.

The argument is a JSON object: `word` that the names begin with, `units`, `folders`.
"""

import glob
import json
import os
import stat
import subprocess
import sys

UNITS = "/etc/systemd/system"
PROPERTIES = ("ActiveState", "UnitFileState", "NeedDaemonReload", "NextElapseUSecRealtime", "InvocationID", "MainPID")


def described(path):
    """Content, mode, owner and number of names of a file; where a link goes."""
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        return os.readlink(path)
    if stat.S_ISDIR(found.st_mode):
        return f"{stat.S_IMODE(found.st_mode):04o} {found.st_uid}:{found.st_gid}"
    with open(path, encoding="utf-8") as file:
        return f"{stat.S_IMODE(found.st_mode):04o} {found.st_uid}:{found.st_gid} {found.st_nlink} {file.read()}"


def main():
    """Look."""
    word, units, folders = (json.loads(sys.argv[1])[key] for key in ("word", "units", "folders"))
    files = [path for folder in folders if os.path.isdir(folder) for path in (folder, *below(folder))]
    files += [path for path in below(UNITS) if os.path.basename(path).startswith(word) or "hardening-" in path]
    files += glob.glob("/root/.ansible/tmp/openclaw-units-*")
    states, running = {}, {}
    for name in units:
        argv = ["systemctl", "show", f"--property={','.join(PROPERTIES)}", name]
        lines = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()
        states[name] = dict(line.split("=", 1) for line in lines)
        pid = states[name].pop("MainPID", "0")
        if pid != "0":
            with open(f"/proc/{pid}/environ", encoding="utf-8") as file:
                found = dict(line.split("=", 1) for line in file.read().split("\0") if "=" in line)
            running[name] = {key: found.get(key, "") for key in ("UNIT", "PROGRAM", "SETTINGS")}
    print(json.dumps({"files": {path: described(path) for path in files}, "units": states, "running": running}))


def below(folder):
    """Return all that is below a folder."""
    return [os.path.join(top, name) for top, folders, names in os.walk(folder) for name in (*folders, *names)]


main()
