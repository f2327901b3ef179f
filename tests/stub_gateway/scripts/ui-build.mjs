import { cpSync, existsSync } from "node:fs";

if (!existsSync("dist/gateway.mjs")) throw new Error("pnpm build has to come first");
cpSync("ui/index.html", "dist/control-ui/index.html");
