import { createServer } from "node:http";

import ms from "ms";

import { answer, behaviour } from "./answers.mjs";
import { load } from "./config.mjs";

const started = Date.now();
const log = (text) => console.log(`${new Date().toISOString()} [gateway] ${text}`);

export function run(path, port) {
  const served = load(path, port);
  if (served.code) {
    console.error(served.reason);
    process.exit(served.code);
  }
  const stub = behaviour(served.stub);
  createServer((request, response) => {
    const [code, body, kind] = answer(request, served, stub);
    response.writeHead(code, { "content-type": kind });
    response.end(body);
  }).listen(served.port, served.host, () => log(`ready after ${ms(Date.now() - started)}`));
  process.on("SIGTERM", () => process.exit(0));
}
