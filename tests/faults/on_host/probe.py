"""Ask a port again and again until standard input ends; print, as one JSON object, when it did not answer 200.

probe.py PORT SECONDS
"""

import json
import re
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

PATIENCE = 1.0


def ask(port):
    """Return (answered well, by which version or why not)."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            connection.sendall(b"GET /startupz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
            answer = b""
            while piece := connection.recv(4096):
                answer += piece
    except OSError as error:
        return False, error.strerror or type(error).__name__
    status = answer.partition(b"\r\n")[0].decode("ascii", "replace").split(" ")
    if len(status) < 2:
        return False, "closed without an answer"
    version = re.search(rb'"version":(\d+)', answer)
    return status[1] == "200", f"version {version[1].decode()}" if status[1] == "200" and version else status[1]


def main():
    """Ask, each question in a thread of its own so that one without an answer delays no other; keep every change."""
    port, every = int(sys.argv[1]), float(sys.argv[2])
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    wall, start = time.time(), time.monotonic()
    questions = []
    with ThreadPoolExecutor(max_workers=round(PATIENCE / every) + 10) as pool:
        while not ended.is_set():
            questions.append((time.monotonic() - start, pool.submit(ask, port)))
            if len(questions) == 1:
                print("asking", flush=True)
            ended.wait(max(0, start + len(questions) * every - time.monotonic()))
        seconds = time.monotonic() - start
    failed, changes = 0, []  # [seconds, well, what]
    for moment, question in questions:
        well, what = question.result()
        failed += not well
        if not changes or changes[-1][1:] != [well, what]:
            changes.append([round(moment, 3), well, what])
    reported = {
        "began": wall,
        "seconds": round(seconds, 3),
        "asked": len(questions),
        "failed": failed,
        "changes": changes,
    }
    print(json.dumps(reported))


main()
