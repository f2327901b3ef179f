// A state with a version, for images that have one (`version` in STUB): an older state is migrated, which rewrites the
// sessions, and a newer one is refused, as OpenClaw does.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

// Returns what it did, or throws with the reason to end.
export function migrate(directory, wanted) {
  if (wanted === undefined || !directory || !existsSync(directory)) return "";
  const version = `${directory}/version`;
  const sessions = `${directory}/sessions.jsonl`;
  const found = existsSync(version) ? Number(readFileSync(version, "utf8")) : 0;
  if (found > wanted) throw new Error(`the state has version ${found}, newer than ${wanted}`);
  if (found === wanted) return "";
  const old = existsSync(sessions) ? readFileSync(sessions, "utf8").split("\n").filter(Boolean) : [];
  const migrated = old.map((line) => JSON.stringify({ ...JSON.parse(line), version: wanted }));
  replace(sessions, migrated.map((line) => `${line}\n`).join(""));
  replace(version, `${wanted}\n`);
  return `migrated the state from version ${found} to ${wanted}`;
}

function replace(path, text) {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}
