/**
 * Loaded before a command: kills its process when it is about to rename its n-th file, or to remove one. With 0 it is
 * left alone, and says at its end how many those were.
 */

import fsp from "node:fs/promises"
import { syncBuiltinESMExports } from "node:module"

const { KILL_AT = "0" } = process.env
const { rename, rm } = fsp
let left = Number(KILL_AT)

if (left === 0) process.on("exit", () => process.stderr.write(`${-left} steps\n`))

function step() {
  left--
  if (left === 0) process.kill(process.pid, "SIGKILL")
}

fsp.rename = async (from, to) => {
  step()
  await rename(from, to)
}
fsp.rm = async (path, options) => {
  step()
  await rm(path, options)
}
syncBuiltinESMExports()
