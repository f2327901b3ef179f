"""As the gateway's account: take a write lease on a file, and give it back so many seconds after it is asked for."""

import fcntl
import os
import signal
import sys
import time

uid, path, patience = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
os.setgid(uid)
os.setuid(uid)
signal.signal(signal.SIGIO, lambda *_: None)
handle = os.open(path, os.O_RDWR)
fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_WRLCK)
print("held", flush=True)
signal.pause()
time.sleep(patience)
