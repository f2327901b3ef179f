// The development dependency proves that the build ran with the full set, and production without it.
import { copyFileSync, mkdirSync } from "node:fs";

import colors from "picocolors";

mkdirSync("dist", { recursive: true });
copyFileSync("src/gateway.mjs", "dist/gateway.mjs");
console.log(colors.green("built dist"));
