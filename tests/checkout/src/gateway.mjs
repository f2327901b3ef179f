import { createServer } from "node:http";

import ms from "ms";

import { load } from "./config.mjs";

const started = Date.now();
const log = (text) => console.log(`${new Date().toISOString()} [gateway] ${text}`);

export function run(path, port) {
  const served = load(path, port);
  if (served.code) {
    console.error(served.reason);
    process.exit(served.code);
  }
  createServer((request, response) => {
    const [code, body] = answer(request, served);
    response.writeHead(code, { "content-type": "application/json" });
    response.end(JSON.stringify(body));
  }).listen(served.port, served.host, () => log("ready"));
  process.on("SIGTERM", () => process.exit(0));
}

function answer({ method, url, headers }, { token, open }) {
  if (url === "/healthz") return [200, { ok: true, status: "live", uptime: ms(Date.now() - started) }];
  if (url === "/readyz") return [200, { ready: true, uptime: ms(Date.now() - started) }];
  if (url === "/") return [200, { ok: true }];
  if (url !== "/tools/invoke" || method !== "POST") return [404, { ok: false }];
  if (open || (token && headers.authorization === `Bearer ${token}`)) return [200, { ok: true, result: [] }];
  return [401, { ok: false, error: { type: "unauthorized", message: "Unauthorized" } }];
}
