// What the gateway answers, like OpenClaw 2026.9.6. What goes wrong is set by `stub` in openclaw.json
// (openclaw_gateway_config), or by the environment variable STUB of an image:
//
//   starting       seconds after it listens until start-up has settled: /startupz and /readyz answer 503 until then
//   failing        names of dependencies that are not ready, such as [telegram]: /readyz answers 503 and names them to
//                  who has the token; everything else is well. Not those that `channels` turns off
//   failing_after  seconds after it listens from which on they fail
//   startupz       missing: 404 there; page: a web page with status 200, as a gateway answers that does not know the path
//   broken         true: a request with the token is answered with 500
//   ready          false: it never gets ready, /startupz and /readyz answer 503
const PAGE = "<!doctype html><title>control UI</title>";
const began = Date.now();
const seconds = () => (Date.now() - began) / 1000;

export function behaviour(config) {
  return { ...config, ...JSON.parse(process.env.STUB ?? "{}") };
}

// Returns status, body and kind of content.
export function answer({ method, url, headers, socket }, { token, open, channels = {} }, stub = {}) {
  const json = (status, body) => [status, JSON.stringify(body), "application/json; charset=utf-8"];
  const known = open || Boolean(token && headers.authorization === `Bearer ${token}`);
  const detailed = known || ["127.0.0.1", "::1", "::ffff:127.0.0.1"].includes(socket?.remoteAddress);
  const starting = stub.ready === false || seconds() < (stub.starting ?? 0);
  const uptimeMs = Date.now() - began;
  const { version } = stub; // of an image: the tests see by it who answers
  if (url === "/healthz") return json(200, { ok: true, status: "live", version });
  if (url === "/startupz") {
    if (stub.startupz === "missing") return json(404, { ok: false });
    if (stub.startupz === "page") return [200, PAGE, "text/html; charset=utf-8"];
    const status = starting ? "starting" : "started";
    return json(starting ? 503 : 200, { ok: !starting, status, version, ...(detailed ? { uptimeMs } : {}) });
  }
  if (url === "/readyz") {
    const wanted = (stub.failing ?? []).filter((name) => channels[name]?.enabled !== false);
    const dead = seconds() >= (stub.failing_after ?? 0) ? wanted : [];
    const failing = starting ? ["startup-sidecars"] : dead;
    const ready = failing.length === 0;
    return json(ready ? 200 : 503, { ready, version, ...(detailed ? { failing, uptimeMs } : {}) });
  }
  if (url === "/") return json(200, { ok: true });
  if (url !== "/tools/invoke" || method !== "POST") return json(404, { ok: false });
  if (!known) return json(401, { ok: false, error: { type: "unauthorized", message: "Unauthorized" } });
  return stub.broken ? json(500, { ok: false }) : json(200, { ok: true, result: [] });
}
