// The part of openclaw.json that decides who reaches the gateway, and what the real one reports about it.
import { readFileSync } from "node:fs";

const BINDS = ["auto", "lan", "loopback", "custom", "tailnet"];

export function validate(path) {
  let config;
  try {
    config = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    return invalid(path, "<root>", `JSON5 parse failed: ${error.message}`);
  }
  const { bind = "loopback" } = config.gateway ?? {};
  if (!BINDS.includes(bind)) return invalid(path, "gateway.bind", `Invalid input (allowed: ${BINDS.join(", ")})`);
  return { valid: true, path, warnings: [] };
}

function invalid(path, where, message) {
  const error = { type: "cli_error", message: `OpenClaw config is invalid: ${path}` };
  return { ok: false, error, valid: false, path, issues: [{ path: where, message }] };
}

// Returns what to serve, or the exit code with the reason: 78 for a configuration that cannot be, 1 for a secret.
export function load(path, port) {
  // Without any it serves, and lets nobody in.
  if (!path) return { host: "0.0.0.0", port, token: "" };
  const { valid, issues } = validate(path);
  if (!valid) return { code: 78, reason: issues[0].message };
  const { gateway = {}, secrets = {}, channels = {}, stub = {} } = JSON.parse(readFileSync(path, "utf8"));
  if (gateway.mode !== "local") return { code: 78, reason: "existing config is missing gateway.mode" };
  const host = gateway.bind === "lan" ? "0.0.0.0" : "127.0.0.1";
  const { mode = "token", token = process.env.OPENCLAW_GATEWAY_TOKEN } = gateway.auth ?? {};
  const served = { host, port: gateway.port ?? port, open: mode === "none", channels, stub };
  if (served.open) return host === "127.0.0.1" ? served : { code: 78, reason: "refusing to bind without auth" };
  if (typeof token === "string") return { ...served, token };
  try {
    return { ...served, token: readFileSync(secrets.providers[token.provider].path, "utf8").trim() };
  } catch (error) {
    return { code: 1, reason: `the token could not be resolved: ${error.message}` };
  }
}
