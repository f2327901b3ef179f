import { createServer } from "node:http";

import ms from "ms";

const started = Date.now();

export function serve(port) {
  createServer((request, response) => {
    const known = request.url === "/healthz" || request.url === "/readyz";
    response.writeHead(known ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify({ ok: known, uptime: ms(Date.now() - started) }));
  }).listen(port, "0.0.0.0");
}
