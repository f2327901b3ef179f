"""Run a program and interfere at the moment that is asked for; print what happened as JSON.

The argument is a file with a JSON object:
  program  argv, its standard input is the file `input`
  what     kill (that process), group (and whatever it started), shell (hold all of them, run `script`, let them go on),
           hold (stop all of them, print "held", and let them go on when a line comes in)
  and one moment, or none:
  phase    when the `phase` in the file `journal` is this one
  seconds  so many seconds after the start
  appears  when this file is there; `gone`: when it was there and is no more
  when     when this shell succeeds
  verb     when the program calls systemctl with this verb (kill only); `done`: when that call has ended
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

POLL = 0.0005
# Stands before the real one on the PATH; $PPID is the program.
SYSTEMCTL = """#!/bin/sh
case " $* " in *" {verb} "*)
  {done}
  kill -9 $PPID
  exit 1;;
esac
exec /usr/bin/systemctl "$@"
"""


def phase_of(path, observed):
    """Return the journal's phase; `seen` spares reading a file that is still the same."""
    try:
        found = os.stat(path)
        mark = (found.st_ino, found.st_mtime_ns)
        if observed.get("mark") != mark:
            with open(path, encoding="utf-8") as file:
                observed["phase"] = json.load(file).get("phase", "")
            observed["mark"] = mark
    except FileNotFoundError:
        observed.clear()
    except ValueError:
        observed["phase"] = "torn"
    return observed.get("phase", "")


def reached(plan, seconds, phase, observed):
    """Return whether the moment is there."""
    if "phase" in plan:
        return phase == plan["phase"]
    if "seconds" in plan:
        return seconds >= plan["seconds"]
    if "appears" in plan:
        there = os.path.exists(plan["appears"])
        observed["there"] = observed.get("there") or there
        return not there and observed["there"] if plan.get("gone") else there
    if "when" in plan:  # not on a command line, where the shell would find itself
        argv, quiet = ["bash", "-s"], subprocess.DEVNULL
        return subprocess.run(argv, input=plan["when"], text=True, stdout=quiet, check=False).returncode == 0
    return False


def interfere(plan, process):
    """Do what is planned."""
    group = process.pid  # it leads its own session
    if plan["what"] == "kill":
        os.kill(process.pid, signal.SIGKILL)
    elif plan["what"] == "group":
        os.killpg(group, signal.SIGKILL)
    else:
        os.killpg(group, signal.SIGSTOP)
        if plan["what"] == "hold":
            print("held", flush=True)
            sys.stdin.readline()
        else:
            done = subprocess.run(["bash", "-euc", plan["script"]], capture_output=True, text=True, check=False)
            plan["output"] = f"{done.returncode} {done.stdout}{done.stderr}"
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGCONT)


def environment(plan, folder):
    """Return the program's environment; with a verb, one in which systemctl is ours."""
    if "verb" not in plan:
        return None
    done = '/usr/bin/systemctl "$@"' if plan.get("done") else ":"
    with open(f"{folder}/systemctl", "w", encoding="utf-8") as file:
        file.write(SYSTEMCTL.format(verb=plan["verb"], done=done))
    os.chmod(f"{folder}/systemctl", 0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def main():
    """Run the program."""
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    beside = tempfile.TemporaryDirectory(dir=os.path.dirname(sys.argv[1]))
    with beside as folder, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        with open(plan["input"], "rb") as given:
            process = subprocess.Popen(plan["program"], stdin=given, stdout=out, stderr=errors, start_new_session=True,
                                       env=environment(plan, folder))  # fmt: skip
        reported = watch(plan, process)
        out.seek(0)
        errors.seek(0)
        print(json.dumps({**reported, "out": out.read().decode(), "err": errors.read().decode()}))


def watch(plan, process):
    """Interfere at the moment; return what was seen when the program has ended."""
    start = time.monotonic()
    if "appears" in plan:
        os.setpriority(os.PRIO_PROCESS, 0, -15)  # on a busy machine the moment would be over before it is seen
    observed, phases, moment = {}, [], None
    while process.poll() is None:
        now = time.monotonic() - start
        phase = "" if "appears" in plan else phase_of(plan["journal"], observed)
        if phase != (phases[-1][1] if phases else ""):
            phases.append([round(now, 3), phase])
        if moment is None and reached(plan, now, phase, observed):
            moment = round(time.monotonic() - start, 3)
            interfere(plan, process)
        # A file may be there for less than a poll.
        time.sleep(0 if "appears" in plan and moment is None else POLL)
    return {
        "reached": moment,
        "seconds": round(time.monotonic() - start, 3),
        "rc": process.returncode,
        "phases": phases,
        "output": plan.get("output", ""),
    }


main()
