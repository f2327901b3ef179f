"""Run a program and kill it at the moment that is asked for; print what it answered, and whether it was killed.

The first argument is a JSON object:
  program  argv, its standard input is the file `input`
  verb     kill it when it calls systemctl with this verb; `done`: only when that call has ended
  appears  or: when this file is there; `gone`: when it was there and is no more
  seconds  or: so many seconds after the start
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

# Stands before the real one on the PATH; $PPID is the program.
SYSTEMCTL = """#!/bin/sh
case " $* " in *" {verb} "*)
  {done}
  kill -9 $PPID
  exit 1;;
esac
exec /usr/bin/systemctl "$@"
"""


def reached(plan, began, observed):
    """Return whether the moment is there."""
    if "seconds" in plan:
        return time.monotonic() - began >= plan["seconds"]
    if "appears" in plan:
        there = os.path.exists(plan["appears"])
        observed["there"] = observed.get("there") or there
        return not there and observed["there"] if plan.get("gone") else there
    return False


def main():
    """Run the program."""
    plan = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as out, open(plan["input"], "rb") as given:
        if "verb" in plan:
            done = '/usr/bin/systemctl "$@"' if plan.get("done") else ":"
            with open(f"{folder}/systemctl", "w", encoding="utf-8") as file:
                file.write(SYSTEMCTL.format(verb=plan["verb"], done=done))
            os.chmod(f"{folder}/systemctl", 0o755)
        environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        process = subprocess.Popen(plan["program"], stdin=given, stdout=out, stderr=out, env=environment)
        began, observed = time.monotonic(), {}
        while process.poll() is None:
            if reached(plan, began, observed):
                process.kill()
                break
            time.sleep(0 if "appears" in plan else 0.001)
        killed = process.wait() == -signal.SIGKILL
        out.seek(0)
        print(json.dumps({"killed": killed, "seconds": time.monotonic() - began, "output": out.read().decode()}))


main()
