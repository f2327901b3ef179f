// A gateway that keeps a state and misbehaves as its image reports (STUB): laid over the one of tests/stub_gateway, whose
// answers.mjs it uses, with what can be set there.
//
//   version    of the state that it writes; an older one is migrated, a newer one refused, as OpenClaw does
//   exit       ends at once with this code
//   listen     address instead of the one that the configuration asks for
//   slow, stop seconds before it listens, and before it ends on SIGTERM
//   die        seconds after it listens, then it ends with code 1
//   drip       answers a byte a second, for ever
//   alone      only where it has no way out (a candidate) it behaves well: no exit, no death, no dripping
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as listen } from "node:net";

import { answer, behaviour } from "./answers.mjs";
import { load } from "./config.mjs";

const DEFAULT_ROUTE = /^\S+\t0{8}\t/m;
const stub = { version: 1, slow: 0, stop: 0, ...behaviour({}) };
const log = (text) => console.log(`${new Date().toISOString()} [gateway] ${text}`);
const end = (code, reason) => {
  console.error(reason);
  process.exit(code);
};

export function run(path, port) {
  const spared = stub.alone && !DEFAULT_ROUTE.test(readFileSync("/proc/net/route", "utf8"));
  const served = load(path, port);
  if (served.code) end(served.code, `Gateway failed to start: ${served.reason}`);
  if (process.env.OPENCLAW_SKIP_CHANNELS === "1") log("skipping channel start");
  migrate(process.env.OPENCLAW_STATE_DIR);
  if (stub.exit !== undefined && !spared) end(stub.exit, "this image ends at once");
  process.on("SIGTERM", () => setTimeout(() => process.exit(0), stub.stop * 1000));
  setTimeout(() => serve(served, spared), stub.slow * 1000);
}

function serve(served, spared) {
  if (stub.drip && !spared) {
    listen((peer) => {
      peer.on("error", () => {});
      peer.write("HTTP/1.1 200 OK\r\nX-Long: ");
      setInterval(() => peer.write("x"), 1000).unref();
    }).listen(served.port, stub.listen ?? served.host, () => log(`ready, version ${stub.version}`));
    return;
  }
  createServer((request, response) => {
    const [code, body, kind] = answer(request, served, { ...served.stub, ...stub });
    response.writeHead(code, { "content-type": kind });
    response.end(body);
  }).listen(served.port, stub.listen ?? served.host, () => log(`ready, version ${stub.version}`));
  if (stub.die !== undefined && !spared) setTimeout(() => end(1, "this image dies after a while"), stub.die * 1000);
}

// The state: its version, and sessions that every migration rewrites.
function migrate(directory) {
  if (!directory || !existsSync(directory)) return;
  const version = `${directory}/version`;
  const sessions = `${directory}/sessions.jsonl`;
  const found = existsSync(version) ? Number(readFileSync(version, "utf8")) : 0;
  if (found > stub.version) end(1, `Gateway failed to start: the state has version ${found}, newer than ${stub.version}`);
  if (found === stub.version) return;
  const old = existsSync(sessions) ? readFileSync(sessions, "utf8").split("\n").filter(Boolean) : [];
  const migrated = old.map((line) => JSON.stringify({ ...JSON.parse(line), version: stub.version }));
  replace(sessions, migrated.map((line) => `${line}\n`).join(""));
  replace(version, `${stub.version}\n`);
  log(`migrated the state from version ${found} to ${stub.version}`);
}

function replace(path, text) {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}
