"""Run a module of the collection on this host as AnsiballZ does, once or again and again.

run_module.py FOLDER MODULE     once: the folder of the unpacked module and its qualified name; arguments by standard
                                input, the answer by standard output
run_module.py serve -----…      for each line of standard input, which is a JSON object, one line of JSON
  {"folder": …, "module": …}    first: load all that this module imports
  {"input": …, "seconds": …}    then: run it, in a process of its own that goes the same way as a run of the first kind,
                                with its command line, standard streams, session and end; what is spared is to load it
"""

import contextlib
import ctypes
import importlib
import json
import os
import pkgutil
import select
import signal
import sys
import time

AFTER_THE_END = 10.0  # seconds until what a killed run started has closed its output


def once(folder, module):
    """Run the module; does not return."""
    sys.path.insert(0, folder)
    from ansible.module_utils._internal._ansiballz import _loader

    arguments = sys.stdin.buffer.read()
    _loader.run_module(json_params=arguments, profile="legacy", module_fqn=module, modlib_path=folder, extensions={})


def load(folder, module):
    """Import what the module is going to import, and forget the module itself: it runs as the main program."""
    sys.path.insert(0, folder)
    importlib.import_module("ansible.module_utils._internal._ansiballz._loader")
    importlib.import_module(module)
    helpers = importlib.import_module("ansible_collections.openclaw.hardening.plugins.module_utils")
    for found in pkgutil.walk_packages(helpers.__path__, f"{helpers.__name__}."):
        importlib.import_module(found.name)
    with contextlib.suppress(ImportError):
        importlib.import_module("docker.errors")  # which they import only when they need it
    del sys.modules[module]
    sys.path.remove(folder)


def run(folder, module, order, own):
    """Run it in a process of its own: what it wrote, its exit code (negative: a signal), whether it had to be killed.

    In that process this returns None.

    :param own: open files of the server.
    """
    pipes = [os.pipe() for _stream in range(3)]
    (given, giving), *outputs = pipes
    child = os.fork()
    if not child:
        for file in own:
            file.close()
        become([given, outputs[0][1], outputs[1][1]], ["python3", sys.argv[0], folder, module])
        return None
    for handle in (given, outputs[0][1], outputs[1][1]):
        os.close(handle)
    with contextlib.suppress(BrokenPipeError), os.fdopen(giving, "wb") as file:
        file.write(order["input"].encode())
    texts, killed = collected([reading for reading, _writing in outputs], child, order["seconds"])
    return {"stdout": texts[0], "stderr": texts[1], "rc": ended(child, killed), "killed": killed}


def collected(handles, child, seconds):
    """Read until nobody can write any more; kill the child's session when that takes too long."""
    texts = dict.fromkeys(handles, b"")
    left, end, killed = list(handles), time.monotonic() + seconds, False
    while left:
        ready = select.select(left, [], [], max(0, end - time.monotonic()))[0]
        if not ready and killed:
            break  # something in a session of its own
        if not ready:
            os.killpg(child, signal.SIGKILL)
            killed, end = True, time.monotonic() + AFTER_THE_END
        for handle in ready:
            piece = os.read(handle, 1 << 16)
            texts[handle] += piece
            if not piece:
                left.remove(handle)
    for handle in handles:
        os.close(handle)
    return [text.decode("utf-8", "replace") for text in texts.values()], killed


def ended(child, killed):
    """Return its exit code; what has closed its output and goes on has a while to end."""
    end = time.monotonic() + AFTER_THE_END
    while not (done := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > end and not killed:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.001)
    return os.waitstatus_to_exitcode(done[1])


def become(streams, argv):
    """Be like a process that was just started with these: nothing else of the server is open or shows."""
    os.setsid()
    for target, source in enumerate(streams):
        os.dup2(source, target)
    for handle in map(int, os.listdir("/proc/self/fd")):
        if handle > 2:
            with contextlib.suppress(OSError):  # that of the list itself
                os.close(handle)
    sys.argv, sys.orig_argv = argv[1:], argv
    # What /proc shows; the server was called with a longer line.
    with open("/proc/self/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    start, stop = int(fields[45]), int(fields[46])
    line = b"\0".join(word.encode() for word in argv).ljust(stop - start, b"\0")
    if len(line) != stop - start:
        raise SystemExit("the server needs a longer command line")
    ctypes.memmove(start, line, len(line))


def serve():
    """Take orders until there are none; what Python itself knows as standard streams stays unused for the children."""
    orders, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1):
        os.dup2(nothing, handle)
    which = json.loads(orders.readline())
    load(**which)
    print(json.dumps({}), file=answers, flush=True)
    for line in orders:
        answer = run(**which, order=json.loads(line), own=(orders, answers))
        if answer is None:
            return which
        print(json.dumps(answer), file=answers, flush=True)
    return None


if sys.argv[1] != "serve":
    once(*sys.argv[1:])
elif (called := serve()) is not None:
    once(**called)
