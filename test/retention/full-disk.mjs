/** Loaded before the archive's process: while the file FULL_WHILE is there, what is written for the folder of segments finds no room after its first bytes. */

import { existsSync } from "node:fs"
import fsp from "node:fs/promises"
import { syncBuiltinESMExports } from "node:module"

const { FULL_WHILE = "" } = process.env
const { open } = fsp

if (process.argv[1]?.endsWith("/followers/archive.js")) {
  fsp.open = async (path, ...rest) => {
    const file = await open(path, ...rest)
    if (!/\/\.drafts\/[^/]+$/.test(String(path))) return file
    const append = file.appendFile.bind(file)
    file.appendFile = async (chunk) => {
      if (!existsSync(FULL_WHILE)) return append(chunk)
      await append(chunk.subarray(0, 10))
      const noRoom = new Error("ENOSPC: no space left on device, write")
      throw Object.assign(noRoom, { errno: -28, code: "ENOSPC", syscall: "write" })
    }
    return file
  }
}
syncBuiltinESMExports()
