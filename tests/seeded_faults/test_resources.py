"""Faults in limits, restarts and the health check."""

from __future__ import annotations

from harness import SeededFault
from proof import proof

# In the container's control group, behind Docker's back; v1 and v2 name it differently.
WRITE = """
for group in $(find /sys/fs/cgroup -type d -name "*$(container '{{{{.Id}}}}')*"); do
  for file in {}; do
    if [ -e $group/$file ]; then {{ echo -1 > $group/$file || echo max > $group/$file; }} 2>/dev/null; fi
  done
done
"""
READ = """
for group in $(find /sys/fs/cgroup -type d -name "*$(container '{{{{.Id}}}}')*"); do
  for file in {}; do if [ -e $group/$file ]; then cat $group/$file; fi; done
done | grep -qE '^(max|-1|922337203685477)'
"""
MEMORY = "memory.memsw.limit_in_bytes memory.limit_in_bytes memory.max"
CPU = "cpu.cfs_quota_us cpu.max"

SEEDED_FAULTS = (
    SeededFault(
        "no memory limit", "OCH-CTR-20", "[ $(container '{{.HostConfig.Memory}}') = 0 ]",
        lambda d: d.leave("mem_limit", "memswap_limit"),
    ),
    SeededFault(
        "unlimited swap", "OCH-CTR-20", "[ $(container '{{.HostConfig.MemorySwap}}') = -1 ]",
        lambda d: d.gateway.update(memswap_limit=-1),
    ),
    SeededFault(
        "memory limit lifted in the kernel", "OCH-CTR-20", READ.format(MEMORY), do=WRITE.format(MEMORY), anew=True,
    ),
    SeededFault(
        "memory limit of a terabyte", "OCH-CTR-20", "[ $(container '{{.HostConfig.Memory}}') = 1099511627776 ]",
        lambda d: d.gateway.update(mem_limit="1024g", memswap_limit="1024g"),
    ),
    SeededFault(
        "four million processes", "OCH-CTR-22", "[ $(container '{{.HostConfig.PidsLimit}}') = 4194304 ]",
        lambda d: d.gateway.update(pids_limit=4194304),
    ),
    SeededFault(
        "health check with a million retries", "OCH-CTR-25",
        "[ $(container '{{.Config.Healthcheck.Retries}}') = 1000000 ]",
        lambda d: d.gateway.update(healthcheck={**d.gateway.get("healthcheck", {}), "retries": 1000000}),
    ),
    SeededFault(
        "no cpu limit", "OCH-CTR-21", "[ $(container '{{.HostConfig.NanoCpus}}') = 0 ]", lambda d: d.leave("cpus"),
    ),
    SeededFault(
        "cpu limit lifted in the kernel", "OCH-CTR-21", READ.format(CPU), do=WRITE.format(CPU), anew=True,
    ),
    SeededFault(
        "no pids limit", "OCH-CTR-22", "! container '{{.HostConfig.PidsLimit}}' | grep -q '^[1-9]'",
        lambda d: d.leave("pids_limit"),
    ),
    SeededFault(
        "pids limit lifted in the kernel", "OCH-CTR-22", READ.format("pids.max"),
        do=WRITE.format("pids.max"), anew=True,
    ),
    *(
        SeededFault(
            f"restart {policy}", "OCH-CTR-23",
            f"[ \"$(container '{{{{.HostConfig.RestartPolicy}}}}')\" = '{{{real}}}' ]",
            lambda d, policy=policy: d.gateway.update(restart=policy),
        )
        for policy, real in (
            ("unless-stopped", "unless-stopped 0"),
            ("always", "always 0"),
            ("on-failure", "on-failure 0"),
            ("on-failure:50", "on-failure 50"),
        )
    ),
    SeededFault(
        "health check that always passes", "OCH-CTR-25", "container '{{.Config.Healthcheck.Test}}' | grep -q true",
        lambda d: d.gateway["healthcheck"].update(test=["CMD", "true"]),
    ),
    SeededFault(
        "health check that asks and does not listen", "OCH-CTR-25",
        "container '{{.Config.Healthcheck.Test}}' | grep -q '|| exit 0'",
        lambda d: d.gateway["healthcheck"].update(
            test="node -e \"fetch('http://127.0.0.1:18789/healthz').then(r=>process.exit(r.ok?0:1))\" || exit 0"
        ),
    ),
    SeededFault(
        "health check switched off", "OCH-CTR-25", "[ \"$(container '{{.Config.Healthcheck.Test}}')\" = '[NONE]' ]",
        lambda d: d.gateway.update(healthcheck={"disable": True}), state="running",
    ),
    SeededFault(
        "OOM killer switched off", "OCH-CTR-26", "[ $(container '{{.HostConfig.OomKillDisable}}') = true ]",
        lambda d: d.gateway.update(oom_kill_disable=True), needs="[ ! -e /sys/fs/cgroup/cgroup.controllers ]",
    ),
    SeededFault(
        # It takes a capability that the lab's own containers lack.
        "spared by the OOM killer, not started", "OCH-CTR-26", "[ $(container '{{.HostConfig.OomScoreAdj}}') = -500 ]",
        lambda d: d.gateway.update(oom_score_adj=-500), start=False,
    ),
    SeededFault(
        "no init", "OCH-CTR-29", "[ $(readlink /proc/$(pid)/exe) = /usr/local/bin/node ]",
        lambda d: d.gateway.update(entrypoint=["node", "openclaw.mjs", "gateway"], stop_grace_period="1s"),
    ),
)  # fmt: skip

test_it_is_found = proof(SEEDED_FAULTS)
