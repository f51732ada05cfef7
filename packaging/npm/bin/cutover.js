#!/usr/bin/env node
// Runs the binary of this platform, which comes as a package of its own.
"use strict";

const { spawn } = require("node:child_process");
const { constants } = require("node:os");

const PACKAGES = {
  "linux x64": "@cutover-dev/cutover-linux-x64",
  "linux arm64": "@cutover-dev/cutover-linux-arm64",
  "darwin x64": "@cutover-dev/cutover-darwin-x64",
  "darwin arm64": "@cutover-dev/cutover-darwin-arm64",
  "win32 x64": "@cutover-dev/cutover-win32-x64",
};

const WINDOWS = process.platform === "win32";

function binary() {
  const platform = `${process.platform} ${process.arch}`;
  const name = PACKAGES[platform];
  if (!name) {
    fail(`there is no cutover for ${platform}; there is one for ${Object.keys(PACKAGES).join(", ")}`);
  }
  try {
    return require.resolve(`${name}/bin/${WINDOWS ? "cutover.exe" : "cutover"}`);
  } catch {
    fail(`the package ${name} is not installed: npm leaves it out with --omit=optional or --no-optional, and where a lock file was made on another platform`);
  }
}

function fail(why) {
  process.stderr.write(`cutover: ${why}\n`);
  process.exit(1);
}

const child = spawn(binary(), process.argv.slice(2), { stdio: "inherit" });
// A deploy that is told to stop cancels and rolls back on the server: it must hear of it, and be waited for.
const SIGNALS = WINDOWS ? ["SIGINT", "SIGBREAK", "SIGHUP"] : ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];
for (const signal of SIGNALS) {
  process.on(signal, () => {
    // What a terminal sends reaches it by itself; on Windows nothing else is sent, and to kill is to end at once.
    if (!WINDOWS && (signal !== "SIGINT" || !process.stdin.isTTY)) child.kill(signal);
  });
}
child.on("error", (error) => fail(`the binary cannot be started: ${error.message}`));
child.on("exit", (code, signal) => {
  process.exit(signal ? 128 + constants.signals[signal] : code);
});
