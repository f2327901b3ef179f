# Looks at the arguments and the environment of every process, again and again, until its input ends; prints, as JSON,
# those that gave a needle away. The needles come in by the first line, so that its own process shows nothing.
import glob
import json
import os
import select
import sys
import time

needles = [bytes.fromhex(needle) for needle in json.loads(sys.stdin.readline())]
found, looks = {}, 0
while not select.select([sys.stdin], [], [], 0)[0]:
    looks += 1
    for process in glob.glob("/proc/[0-9]*"):
        for surface in ("cmdline", "environ"):
            try:
                with open(f"{process}/{surface}", "rb") as file:
                    text = file.read()
                with open(f"{process}/comm") as file:
                    name = file.read().strip()
            except OSError:
                continue
            if any(needle in text for needle in needles):
                found[f"{surface} of {name}"] = text.replace(b"\0", b" ").decode("utf-8", "replace")[:500]
    time.sleep(0.05)
print(json.dumps({"looks": looks, "found": found, "by": os.getpid()}))
