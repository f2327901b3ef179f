# Runs on the host under test: what there is of it, so that two looks can be compared.
import json
import os
import re
import stat
import subprocess

# Everything below these is looked at, with owner, mode, size, times and link target.
DEEP = ("/etc", "/usr/local", "/root", "/home", "/opt", "/srv", "/run/systemd/system", "/run/systemd/transient")
DEEP_BY_NAME = ("/var/lib", "openclaw")  # below the folder, what begins with the name
# Of these, what is in them: programs make and remove temporary files there all the time.
SHALLOW = ("/", "/dev", "/run", "/tmp", "/usr", "/var", "/var/lib", "/var/spool", "/var/tmp", "/root/.ansible/tmp")
PASSING = ("runc-process", "openclaw-auth-")  # of each health check; what the monitor's timer makes, whenever it ticks
# The modules under test, Ansible's own folder (its content is looked at above), what units of their own timers keep.
SKIPPED = ("/root/.modules", "/root/.ansible", "/var/lib/openclaw-auth-notifier")
# Each run signs it, and wipes it: what counts is that it is there, root's and private.
LOCKS = ("/var/lib/openclaw-hardening/deploy.lock", "/var/lib/openclaw-hardening/image.lock")
OUR_UNITS = ("docker.service", "openclaw-gateway.service", "openclaw-gateway-firewall.service")
UNIT_PROPERTIES = "Id,UnitFileState,FragmentPath,DropInPaths,InvocationID,NRestarts"
OF_SESSIONS = re.compile(r"user@|user-runtime-dir@|openclaw-auth-notifier").match


def entry(path, times=True):
    try:
        found = os.lstat(path)
    except OSError as error:
        return error.strerror
    target = os.readlink(path) if stat.S_ISLNK(found.st_mode) else ""
    shown = [oct(found.st_mode), found.st_uid, found.st_gid, target]
    if times and path not in LOCKS:
        shown += [found.st_ino, found.st_nlink, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
    return shown


def below(top):
    yield top
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in SKIPPED]
        for name in (*folders, *names):
            yield os.path.join(folder, name)


def files():
    found = {}
    for top in SHALLOW:
        for name in os.listdir(top) if os.path.isdir(top) else ():
            if name.startswith(PASSING):
                continue
            path = os.path.join(top, name)
            found[f"in {top}: {name}"] = entry(path, times=False)
    folder, start = DEEP_BY_NAME
    tops = [os.path.join(folder, name) for name in os.listdir(folder) if name.startswith(start)]
    for top in (*DEEP, *tops):
        if top not in SKIPPED:
            found.update((path, entry(path)) for path in below(top))
    return found


def output(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout.decode()


def units():
    """Return the units but those that come and go by themselves: of timers, of containers' mounts, of sessions."""
    kinds = "--type=service,timer,path,socket,target"
    lines = output("systemctl", "list-units", "--all", "--full", "--plain", "--no-legend", kinds).splitlines()
    found = {name: states for name, *states in (line.split(maxsplit=4)[:4] for line in lines)}
    for name, states in found.items():
        if name.endswith(".timer"):
            states.pop()  # it waits, or its unit runs just now
    ticked = {name.replace(".timer", ".service") for name in found if name.endswith(".timer")}
    ours = output("systemctl", "show", f"--property={UNIT_PROPERTIES}", "--", *OUR_UNITS).strip().split("\n\n")
    kept = {f"unit {name}": states for name, states in found.items() if name not in ticked and not OF_SESSIONS(name)}
    return {**kept, **{f"of unit {name}": text for name, text in zip(OUR_UNITS, ours)}}


def docker_things(api):
    found = {}
    for container in api.containers(all=True):
        state = api.inspect_container(container["Id"])
        kept = {name: state["State"][name] for name in ("Status", "StartedAt", "Pid")}
        found[f"container {container['Names']}"] = [container["Id"], container["ImageID"], state["RestartCount"], kept]
    for image in api.images(all=True):
        found[f"image {image['Id']}"] = sorted(image["RepoTags"] or [])
    for network in api.networks():
        found[f"network {network['Name']}"] = network["Id"]
    for volume in api.volumes()["Volumes"] or []:
        found[f"volume {volume['Name']}"] = volume["CreatedAt"]
    return found


def take(api):
    """Look at everything."""
    found = {**files(), **units(), **docker_things(api)}
    return {name: json.dumps(value, sort_keys=True) for name, value in found.items()}


def changes(before, after):
    """Report in words what differs."""
    return [
        f"{name}: {before.get(name, 'nothing')} became {after.get(name, 'nothing')}"
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    ]
