/**
 * Loaded before a server and each of its children: kills the server and the one that is at it, when that is about to do
 * the n-th thing that lasts.
 *
 *     the archive's process    a file renamed, linked or unlinked; a question to the server that changes something
 *     the server               a state of an erasure that is renamed into its place
 *
 * KILL_AT is n, counted over what KILL_WHAT matches; KILL_NOTE the file in which it says what that was.
 */

import { writeFileSync } from "node:fs"
import fsp from "node:fs/promises"
import { syncBuiltinESMExports } from "node:module"

const { KILL_AT = "0", KILL_WHAT = "", KILL_NOTE = "" } = process.env
const CHANGES = ["withdraw", "restoreRecords", "purge", "forget", "rewrite", "holdsStay", "holdsMay", "told"]
const wanted = new RegExp(KILL_WHAT)
let left = Number(KILL_AT)

function step(what) {
  if (!wanted.test(what)) return
  left--
  if (left !== 0) return
  writeFileSync(KILL_NOTE, what)
  if (isArchive) process.kill(process.ppid, "SIGKILL")
  process.kill(process.pid, "SIGKILL")
}

const [, script = ""] = process.argv
const isArchive = script.endsWith("/followers/archive.js")
const isServer = script.endsWith("/serve-at.mjs")

/** The last parts of a path, of which none is random. */
const nameOf = (path) =>
  String(path)
    .replace(/^.*\/(data|retention)\//, "")
    .replace(/[0-9a-f]{16}/g, "…")

if (isArchive) {
  for (const name of ["rename", "link", "unlink"]) {
    const act = fsp[name]
    fsp[name] = async (...paths) => {
      step(`${name} ${nameOf(paths.at(-1))}`)
      return act(...paths)
    }
  }
  const send = process.send.bind(process)
  process.send = (message, ...rest) => {
    if (CHANGES.includes(message.name)) step(`ask ${message.name}`)
    return send(message, ...rest)
  }
}
if (isServer) {
  const { rename } = fsp
  fsp.rename = async (from, to) => {
    if (/\/retention\/(cases|notices)\//.test(String(to))) step(`rename ${nameOf(to)}`)
    return rename(from, to)
  }
}
syncBuiltinESMExports()
