"""Run a program and interfere at the moment that is asked for; print what happened as JSON.

The first argument is a JSON object:
  program  argv, its standard input is the file `input`
  journal  path of the journal; phase: interfere when its `phase` is this one
  seconds  or: interfere so many seconds after the start
  what     kill (that process), group (and whatever it started), shell (hold all of them, run `script`, let them go on),
           hold (stop all of them, print "held", and let them go on when a line comes in)
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


def main():
    """Run the program."""
    plan = json.loads(sys.argv[1])
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        with open(plan["input"], "rb") as source:
            process = subprocess.Popen(plan["program"], stdin=source, stdout=out, stderr=errors, start_new_session=True)
        reported = watch(plan, process)
        out.seek(0)
        errors.seek(0)
        print(json.dumps({**reported, "out": out.read().decode(), "err": errors.read().decode()}))


def watch(plan, process):
    """Interfere at the moment; return what was seen when the program has ended."""
    start = time.monotonic()
    observed, phases, reached = {}, [], None
    while process.poll() is None:
        now = time.monotonic() - start
        phase = phase_of(plan["journal"], observed)
        if phase != (phases[-1][1] if phases else ""):
            phases.append([round(now, 3), phase])
        hit = phase == plan["phase"] if "phase" in plan else now >= plan.get("seconds", float("inf"))
        if hit and reached is None:
            reached = round(now, 3)
            interfere(plan, process)
        time.sleep(POLL)
    return {
        "reached": reached,
        "seconds": round(time.monotonic() - start, 3),
        "rc": process.returncode,
        "phases": phases,
        "output": plan.get("output", ""),
    }


main()
