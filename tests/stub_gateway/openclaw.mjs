// What playbooks/site.yml asks of OpenClaw, answered at once: the command line of a gateway that is quick and small.
import { readFileSync } from "node:fs";

const [command, ...rest] = process.argv.slice(2);
if (command === "--version") {
  console.log(JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")).version);
} else if (command === "config" && rest[0] === "validate") {
  const { validate } = await import("./dist/config.mjs");
  const answer = validate(process.env.OPENCLAW_CONFIG_PATH);
  console.log(JSON.stringify(answer));
  process.exitCode = answer.valid ? 0 : 1;
} else if (command === "gateway") {
  const { run } = await import("./dist/gateway.mjs");
  run(process.env.OPENCLAW_CONFIG_PATH, Number(process.env.OPENCLAW_GATEWAY_PORT ?? 18789));
} else {
  console.error(`unknown command: ${command}`);
  process.exitCode = 2;
}
