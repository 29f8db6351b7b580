/** Loaded before a command: kills its process when it is about to rename its n-th file, or to remove one. */

import fsp from "node:fs/promises"
import { syncBuiltinESMExports } from "node:module"

const { KILL_AT = "0" } = process.env
const { rename, rm } = fsp
let left = Number(KILL_AT)

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
