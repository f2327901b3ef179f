# Runs on the host under test: a module of the collection, again and again, each time in a process of its own.
#
# usage: module_server.py FOLDER QUALIFIED_NAME, with the folder of the unpacked module. Each line of the standard
# input is an order, each line of the output an answer:
#   {"do": "run", "arguments": …, "seconds": 60}   runs the module as AnsiballZ does
#   {"do": "changes"}                              what on the host differs from the last time that this was asked
import atexit
import importlib
import json
import os
import pkgutil
import signal
import sys
import time

import docker
import fingerprint

FOLDER, MODULE = sys.argv[1:]
SETTLING = 3.0  # seconds in which what only came and went may be gone again


def import_helpers():
    """Load all that the module is going to import, so that a run costs no more than a fork."""
    sys.path.insert(0, FOLDER)
    importlib.import_module("ansible.module_utils._internal._ansiballz._loader")
    package = importlib.import_module("ansible_collections.openclaw.hardening.plugins.module_utils")
    for found in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{found.name}")


def run(arguments, seconds):
    """Run the module; what it reported, its exit code (negative: a signal), and whether it had to be killed."""
    streams = [os.memfd_create(name) for name in ("stdout", "stderr")]
    child = os.fork()
    if not child:
        become_module(arguments, *streams)
    end = time.monotonic() + seconds
    killed = False
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > end and not killed:
            killed = True
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.002)
    texts = []
    for stream in streams:
        with os.fdopen(stream, "rb") as file:
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    return {"stdout": texts[0], "stderr": texts[1], "rc": os.waitstatus_to_exitcode(status), "killed": killed}


def become_module(arguments, stdout, stderr):
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (stdout, 1), (stderr, 2)):
        os.dup2(source, target)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    code = 70
    try:
        from ansible.module_utils._internal._ansiballz import _loader

        text = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}).encode()
        _loader.run_module(json_params=text, profile="legacy", module_fqn=MODULE, modlib_path=FOLDER, extensions={})
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(bool(end.code))
    finally:
        atexit._run_exitfuncs()  # a module's temporary folder goes away by one
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def changed(api, before):
    """Look again, until it is as it was or the time to stabilize is over; the new look, and what differs."""
    end = time.monotonic() + SETTLING
    while True:
        after = fingerprint.take(api)
        found = fingerprint.changes(before, after)
        if not found or time.monotonic() > end:
            return after, found
        time.sleep(0.3)


def main():
    import_helpers()
    api = docker.APIClient(base_url="unix:///var/run/docker.sock", version="auto")
    known = fingerprint.take(api)
    for line in sys.stdin:
        order = json.loads(line)
        if order["do"] == "run":
            answer = run(order["arguments"], order["seconds"])
        else:
            known, found = changed(api, known)
            answer = {"changes": found}
        print(json.dumps(answer), flush=True)


main()
