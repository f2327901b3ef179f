"""The deployment that the tests change: what the role gives to hardened_compose, with another image or settings."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

import yaml
from harness import OF_THE_IMAGE, RECORDS, FaultHost, Interrupted, World, wait_until

IMAGE = "openclaw:hardened"
SERVICE = CONTAINER = "openclaw-gateway"
UNIT = "openclaw-gateway.service"
ETC = "/etc/openclaw"
STATE = "/var/lib/openclaw/.openclaw"
CONFIG = f"{ETC}/openclaw.json"
COMPOSE = f"{ETC}/docker-compose.hardened.yml"
GOOD = "/root/good.tar"
# What a gateway of version 1 has written, and what its agent keeps beside it.
STATE_FILES = {
    "version": "1\n",
    "sessions.jsonl": '{"text":"hello","version":1}\n{"text":"goodbye","version":1}\n',
    "workspace/notes.md": "what the agent works on\n",
}
# Docker reports sooner that a container is well; nothing else differs from what the role deploys. Afterwards it asks as
# seldom as there: a check each second, which starts a node each time, takes a tenth of a processor.
HEALTH_CHECK = {"start_interval": "1s", "start_period": "30s"}


class Deployment:
    """Runs hardened_compose with the options of the role; every test begins from the same good deployment."""

    def __init__(self, host: FaultHost, options: dict[str, Any], images: dict[str, str]) -> None:
        self.host = host
        self.images = images
        self._options = options
        self._good: World | None = None

    # --- what is asked for ----------------------------------------------------------------------------------------

    def options(self, image: str = "v1", config: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
        """Return the options of a run.

        :param config: merged into openclaw.json, one level deep.
        :param changes: further options; ``health`` is merged.
        """
        options = copy.deepcopy(self._options)
        options["image_id"] = self.images.get(image, image)
        options["health"] = {**options["health"], "timeout": 30, "stabilize": 1, **changes.pop("health", {})}
        for file in options["files"]:
            if file["path"] == CONFIG and config:
                file["content"] = self._configured(file["content"], config)
        definition = yaml.safe_load(options["definition"])
        gateway = definition["services"][SERVICE]
        gateway["healthcheck"].update(HEALTH_CHECK)
        gateway["labels"]["io.openclaw.hardening.image-id"] = options["image_id"]
        whole = "".join(file["content"] for file in options["files"])
        gateway["labels"]["io.openclaw.hardening.config"] = hashlib.sha256(whole.encode()).hexdigest()
        options["definition"] = yaml.safe_dump(definition, sort_keys=False)
        return {**options, **changes}

    @staticmethod
    def _configured(text: str, config: dict[str, Any]) -> str:
        whole = json.loads(text)
        for key, value in config.items():
            whole[key] = {**whole[key], **value} if isinstance(value, dict) and key in whole else value
        return json.dumps(whole, indent=4) + "\n"

    def secret(self, options: dict[str, Any], name: str, value: str) -> dict[str, Any]:
        """Give the service one more secret."""
        path = f"{ETC}/secrets/provider_{name}"
        definition = yaml.safe_load(options["definition"])
        definition["secrets"][f"provider_{name}"] = {"file": path}
        definition["services"][SERVICE]["secrets"].append(f"provider_{name}")
        secrets = [*options.get("secrets", []), {"path": path, "value": value, "uid": 1000, "gid": 1000}]
        return {**options, "definition": yaml.safe_dump(definition, sort_keys=False), "secrets": secrets}

    # --- runs -----------------------------------------------------------------------------------------------------

    def tag(self, image: str) -> None:
        """Give an image the name of the one to be deployed, as hardened_image does before."""
        self.host.check(f"docker tag {self.images[image]} {IMAGE}")

    def one_more(self, name: str, base: str) -> str:
        """Build one more image that behaves as another; return its id."""
        self.images[name] = self.host.check(f"""
            export TMPDIR=/root/stub BUILDX_CONFIG=/root/stub/buildx  # what it leaves there is not a deployment's
            printf 'FROM stub:{base}\\nLABEL name={name}\\n' > /root/stub/Dockerfile
            docker buildx build --load --quiet --tag stub:{name} /root/stub >/dev/null
            docker image inspect --format '{{{{.Id}}}}' stub:{name}
        """)
        return self.images[name]

    def _named(self, image: str, changes: dict[str, Any]) -> None:
        if image in self.images and changes.get("state", "present") == "present":
            self.tag(image)

    def run(self, image: str = "v1", *, check: bool = False, **changes: Any) -> dict[str, Any]:
        """Deploy."""
        self._named(image, changes)
        return self.host.module("hardened_compose", self.options(image, **changes), check=check, diff=False)

    def interrupt(self, image: str = "v1", *, plan: dict[str, Any], **changes: Any) -> Interrupted:
        """Deploy, and interfere."""
        self._named(image, changes)
        return self.host.interrupt("hardened_compose", self.options(image, **changes), **plan)

    # --- the good deployment --------------------------------------------------------------------------------------

    def good(self) -> World:
        """Make the good deployment: version 1, its state, nothing else; return the world with it."""
        if self._good is None:
            return self.made_once()
        self.host.check(f"cd {RECORDS}; rm -rf previous retired rejected.json")
        world = self.host.look()
        if self._differences(world, self._good) or not self.host.answers():
            self._again()
            world = self.host.look()
            left = self._differences(world, self._good)
            assert not left, left
        return world

    def made_once(self) -> World:
        """Have made the good deployment by the module, whatever is there now; return the world with it."""
        self._good = self._good or self._first()
        return self._good

    @staticmethod
    def _differences(world: World, good: World) -> list[str]:
        """Return what is not as in the good deployment, by any means."""
        found = [str(entry) for entry in world.below(ETC, STATE).items() ^ good.below(ETC, STATE).items()]
        now, then = world.container(), good.container()
        found += [key for key in ("image", "status", "project") if now.get(key) != then.get(key)]
        found += [] if world.images.get(IMAGE) == good.images[IMAGE] else ["tag"]
        found += [] if world.unit == "active" else ["unit"]
        return [*found, *world.left_over(good)]

    def _first(self) -> World:
        """Make it by the module itself, and keep what has to be there again and again."""
        lay_state = "\n".join(
            f"mkdir -p $(dirname {STATE}/{name}); cat > {STATE}/{name} <<'END'\n{text}END"
            for name, text in STATE_FILES.items()
        )
        self.nothing()
        self.host.check(f"{lay_state}\nchown -R 1000:1000 {STATE}; chmod -R u=rwX,go= {STATE}")
        answer = self.host.module("hardened_compose", self.options(), diff=False)
        assert not answer.get("failed"), answer["msg"]
        self.host.check(f"systemctl reset-failed; systemctl start {UNIT}; cd {RECORDS}; rm -rf previous rejected.json")
        self.host.check(f"tar -cpf {GOOD} -C / {' '.join(path.lstrip('/') for path in (ETC, STATE, RECORDS))}")
        again = self.host.module("hardened_compose", self.options(), diff=False)
        assert again["changed"] is False, again
        return self.host.look()

    def _again(self) -> None:
        """Make it from what was kept, whatever is there."""
        self.nothing()
        self.host.check(f"""
            find {ETC} -mindepth 1 -delete
            tar -xpf {GOOD} -C /
            docker compose --file {COMPOSE} up --detach {SERVICE} 2>&1
            systemctl reset-failed; systemctl start {UNIT}
        """)
        wait_until(self.host.answers, "the good deployment does not answer")

    def nothing(self) -> None:
        """Take away whatever a test left; the files of the first deployment stay."""
        of_the_image = " -o ".join(f"-name {name}" for name in OF_THE_IMAGE)
        self.host.check(f"""
            systemctl start docker.service
            systemctl stop {UNIT} || true
            docker ps --all --quiet | xargs --no-run-if-empty docker rm --force >/dev/null
            docker network ls --quiet --filter type=custom | xargs --no-run-if-empty docker network rm >/dev/null
            docker tag {self.images["v1"]} {IMAGE}
            find {RECORDS} -mindepth 1 -maxdepth 1 ! '(' {of_the_image} ')' -exec rm -rf {{}} +
            find {STATE} -mindepth 1 -maxdepth 1 -exec rm -rf {{}} +
        """)
