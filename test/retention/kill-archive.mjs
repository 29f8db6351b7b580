/** Loaded before a server and its children: moves their clock, and kills them all when the archive has kept its n-th state. */

import fsp from "node:fs/promises"
import { syncBuiltinESMExports } from "node:module"

const { KILL_AT = "0", CLOCK_DAYS = "0" } = process.env

const { now } = Date
const aheadMs = Number(CLOCK_DAYS) * 86_400_000
Date.now = () => now() + aheadMs

const { rename } = fsp
let left = Number(KILL_AT)
fsp.rename = async (from, to) => {
  await rename(from, to)
  if (!/\/retention\/archive\.json$/.test(String(to))) return
  left--
  if (left !== 0) return
  // Its parent is the server.
  process.kill(process.ppid, "SIGKILL")
  process.kill(process.pid, "SIGKILL")
}
syncBuiltinESMExports()
