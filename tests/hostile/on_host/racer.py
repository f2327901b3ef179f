# Runs on the host as the service account: exchanges a directory of its own and a link, as fast as it can.
#
# usage: racer.py DIRECTORY LINK SECONDS; prints how often it did.
import ctypes
import sys
import time

EXCHANGE, HERE = 2, -100  # RENAME_EXCHANGE, AT_FDCWD

directory, link, seconds = sys.argv[1].encode(), sys.argv[2].encode(), float(sys.argv[3])
libc = ctypes.CDLL(None, use_errno=True)
end = time.monotonic() + seconds
swaps = 0
while time.monotonic() < end:
    for _ in range(20):
        if libc.renameat2(HERE, directory, HERE, link, EXCHANGE):
            sys.exit(f"renameat2: errno {ctypes.get_errno()}")
        swaps += 1
    if swaps % 400 == 0:
        time.sleep(0)
if swaps % 2:  # as it was
    libc.renameat2(HERE, directory, HERE, link, EXCHANGE)
print(swaps)
