// Listens and ends. What is set by `stub` in openclaw.json or by STUB in an image (answers.mjs), beside the answers:
//
//   version    of the state that it writes (state.mjs)
//   exit       ends at once with this code
//   listen     address instead of the one that the configuration asks for
//   slow, stop seconds before it listens, and before it ends on SIGTERM
//   die        seconds after it listens, then it ends with code 1
//   drip       answers a byte a second, for ever
//   alone      only where it has no way out (a candidate) it behaves well: no exit, no death, no dripping
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as listen } from "node:net";

import ms from "ms";

import { answer, behaviour } from "./answers.mjs";
import { load } from "./config.mjs";
import { migrate } from "./state.mjs";

const DEFAULT_ROUTE = /^\S+\t0{8}\t/m;
const started = Date.now();
const log = (text) => console.log(`${new Date().toISOString()} [gateway] ${text}`);
const end = (code, reason) => {
  console.error(reason);
  process.exit(code);
};

export function run(path, port) {
  const served = load(path, port);
  if (served.code) end(served.code, `Gateway failed to start: ${served.reason}`);
  if (process.env.OPENCLAW_SKIP_CHANNELS === "1") log("skipping channel start");
  const { slow = 0, stop = 0, ...stub } = behaviour(served.stub);
  const spared = stub.alone && !DEFAULT_ROUTE.test(readFileSync("/proc/net/route", "utf8"));
  try {
    const done = migrate(process.env.OPENCLAW_STATE_DIR, stub.version);
    if (done) log(done);
  } catch (error) {
    end(1, `Gateway failed to start: ${error.message}`);
  }
  if (stub.exit !== undefined && !spared) end(stub.exit, "this image ends at once");
  process.on("SIGTERM", () => setTimeout(() => process.exit(0), stop * 1000));
  setTimeout(() => serve(served, spared ? { ...stub, die: undefined, drip: false } : stub), slow * 1000);
}

function serve(served, stub) {
  const ready = () => log(`ready after ${ms(Date.now() - started)}${stub.version ? `, version ${stub.version}` : ""}`);
  const server = stub.drip ? listen(drip) : createServer((request, response) => {
    const [code, body, kind] = answer(request, served, stub);
    response.writeHead(code, { "content-type": kind });
    response.end(body);
  });
  server.listen(served.port, stub.listen ?? served.host, ready);
  if (stub.die !== undefined) setTimeout(() => end(1, "this image dies after a while"), stub.die * 1000);
}

function drip(peer) {
  peer.on("error", () => {});
  peer.write("HTTP/1.1 200 OK\r\nX-Long: ");
  setInterval(() => peer.write("x"), 1000).unref();
}
