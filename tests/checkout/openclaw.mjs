import { readFileSync } from "node:fs";

const command = process.argv[2];
if (command === "--version") {
  console.log(JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8")).version);
} else if (command === "gateway") {
  const { serve } = await import("./dist/gateway.mjs");
  serve(Number(process.env.OPENCLAW_GATEWAY_PORT ?? 18789));
} else {
  console.error(`unknown command: ${command}`);
  process.exitCode = 2;
}
