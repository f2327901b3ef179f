"""Faults in the image, and in what is known of it."""

from __future__ import annotations

from harness import RECORD, SeededFault
from proof import proof

INSIDE = '[ -n "$(find /proc/$(pid)/root/{} {} 2>/dev/null)" ]'
LABELLED = '[ "$(container \'{{{{index .Config.Labels "{}"}}}}\')" = {} ]'
ENVIRONMENT = "container '{{{{json .Config.Env}}}}' | grep -q {}"
# A web server on the host's loopback, for as long as the build takes.
SERVE = """
mkdir -p /root/served; echo data > /root/served/data
(cd /root/served; exec python3 -m http.server --bind 127.0.0.1 8099 >/dev/null 2>&1) & server=$!
for _ in $(seq 50); do curl -sf -o /dev/null http://127.0.0.1:8099/data && break; sleep 0.1; done
trap 'kill $server' EXIT
"""
RETAG = """
docker tag openclaw:hardened openclaw:kept
printf 'FROM openclaw:kept\\nLABEL changed=yes\\n' |
  docker buildx build --load --quiet --tag openclaw:hardened - >/dev/null
"""
TAG_IS_ANOTHER = "[ $(docker image inspect -f '{{.Id}}' openclaw:hardened) != $(jq -r .image_id " + RECORD + ") ]"
RETAG_BACK = "docker tag openclaw:kept openclaw:hardened; docker rmi openclaw:kept >/dev/null"

SEEDED_FAULTS = (
    SeededFault(
        "image of root", "OCH-IMG-01",
        "[ $(docker image inspect -f '{{.Config.User}}' $(container '{{.Image}}')) = 0 ]",
        image="USER 0",
    ),
    SeededFault(
        "retagged after the build", "OCH-IMG-02", TAG_IS_ANOTHER, do=RETAG, undo=RETAG_BACK,
        values={"IMAGE_ID": "$(jq -r .image_id /var/lib/openclaw-hardening/image.json)"},
    ),
    SeededFault(
        "image replaced", "OCH-IMG-02", f"[ $(container '{{{{.Image}}}}') != $(jq -r .image_id {RECORD}) ]",
        before=RETAG, undo=RETAG_BACK,
        values={"IMAGE_ID": "$(jq -r .image_id /var/lib/openclaw-hardening/image.json)"},
    ),
    SeededFault(
        "record missing", "OCH-IMG-02", f"[ ! -e {RECORD} ]",
        do=f"mv {RECORD} /root/record.json", undo=f"mv /root/record.json {RECORD}",
        way=None,
    ),
    SeededFault(
        "record of another build", "OCH-IMG-02", f"jq -r .image_id {RECORD} | grep -q ^sha256:0000",
        do=f"cp -p {RECORD} /root/record.json; "
        f"jq --arg id sha256:{'0' * 64} '.image_id=$id' /root/record.json > {RECORD}",
        undo=f"cp -p /root/record.json {RECORD}",
        way=None,
    ),
    SeededFault(
        "another base than the verified one", "OCH-IMG-03", LABELLED.format("io.openclaw.hardening.base", "another"),
        image="LABEL io.openclaw.hardening.base=another",
        way=None,
    ),
    SeededFault(
        "base without a digest, no record", "OCH-IMG-03",
        LABELLED.format("org.opencontainers.image.base.digest", "latest"),
        image="LABEL io.openclaw.hardening.base= org.opencontainers.image.base.digest=latest",
        options={"record": ""}, values={"DIGEST": "4242" * 16},
    ),
    SeededFault(
        "image without a health check", "OCH-IMG-04", "[ \"$(container '{{.Config.Healthcheck.Test}}')\" = '[NONE]' ]",
        lambda d: d.leave("healthcheck"), image="HEALTHCHECK NONE", state="running",
    ),
    SeededFault(
        "setuid file", "OCH-IMG-05", INSIDE.format("usr/local/bin/raise", "-perm -4000"),
        image="RUN cp /bin/dash /usr/local/bin/raise && chmod 4755 /usr/local/bin/raise",
    ),
    SeededFault(
        "setgid file", "OCH-IMG-05", INSIDE.format("app/raise", "-perm -2000"),
        image="RUN cp /bin/dash /app/raise && chmod 2755 /app/raise",
    ),
    SeededFault(
        "package manager", "OCH-IMG-06", INSIDE.format("usr/bin/apt-get", "-type f"),
        image="COPY apt/ /",
        prepare="mkdir -p /root/context/apt; cp --parents /usr/bin/apt-get /root/context/apt",
        values={"BASE": "openclaw:hardened"},
    ),
    SeededFault(
        "compiler", "OCH-IMG-06", INSIDE.format("usr/bin/gcc", "-type f"),
        image="RUN cp /bin/true /usr/bin/gcc",
        values={"BASE": "openclaw:hardened"},
    ),
    SeededFault(
        "secret in the image's environment", "OCH-IMG-07", ENVIRONMENT.format("sk-live-4242"),
        image="ENV PROVIDER_API_KEY=sk-live-4242deadbeef4242deadbeef",
    ),
    SeededFault(
        "secret in the image's history", "OCH-IMG-07",
        "docker history --no-trunc $(container '{{.Image}}') | grep -q hunter2hunter2",
        image="ARG REGISTRY_PASSWORD=hunter2hunter2\nRUN true",
    ),
    SeededFault(
        "secret in the image's labels", "OCH-IMG-07", "container '{{json .Config.Labels}}' | grep -q hunter2hunter2",
        image="LABEL registry.password=hunter2hunter2",
    ),
    SeededFault(
        "content from the network in the image", "OCH-IMG-08",
        "docker history --no-trunc $(container '{{.Image}}') | grep -q 'ADD http'",
        image="ADD http://127.0.0.1:8099/data /app/data", prepare=SERVE,
    ),
    SeededFault(
        "program that the service owns", "OCH-IMG-09", INSIDE.format("app/openclaw.mjs", "-uid 1000"),
        image="RUN chown 1000:1000 /app/openclaw.mjs",
    ),
    SeededFault(
        "program that everybody may write", "OCH-IMG-09", INSIDE.format("app/dist/gateway.mjs", "-perm -0002"),
        image="RUN chmod 0666 /app/dist/gateway.mjs",
    ),
    SeededFault(
        "old build by its record", "OCH-UPK-01", f"[ $(jq -r .verified[:4] {RECORD}) = 2020 ]",
        do=f"cp -p {RECORD} /root/record.json; "
        f"jq '.verified=\"2020-01-01T00:00:00+00:00\"' /root/record.json > {RECORD}",
        undo=f"cp -p /root/record.json {RECORD}",
        way=None,
    ),
    SeededFault(
        "old image", "OCH-UPK-01", "docker image inspect -f '{{.Created}}' $(container '{{.Image}}') | grep -q ^2020",
        image="LABEL changed=yes", prepare="export SOURCE_DATE_EPOCH=1577836800",
    ),
)  # fmt: skip

test_it_is_found = proof(SEEDED_FAULTS)
