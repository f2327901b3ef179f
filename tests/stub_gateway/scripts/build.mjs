// The development dependency proves that the build ran with the full set, and production without it.
import { copyFileSync, mkdirSync } from "node:fs";

import colors from "picocolors";

mkdirSync("dist", { recursive: true });
for (const file of ["answers.mjs", "config.mjs", "gateway.mjs", "state.mjs"]) copyFileSync(`src/${file}`, `dist/${file}`);
console.log(colors.green("built dist"));
