/**
 * A log in a folder: a mirror, a backup of the public files, a fixture.
 *
 * Spec: c2sp.org/tlog-tiles, the same paths as files.
 * Effects: reads files below one folder. Node only.
 */

import { constants, open } from "node:fs/promises"
import { join } from "node:path"
import { VerifierError, wordsOf } from "./error.js"
import { type LogSource, maxBytesAt } from "./source.js"

/**
 * Returns the log that lies in `folder`.
 *
 * Its `read` rejects with `VERIFIER_SOURCE_FAILED` for what is no file or cannot be read, or is longer than
 * anything a log serves there.
 */
export function folderSource(folder: string): LogSource {
  return {
    async read(path) {
      const limit = maxBytesAt(path)
      try {
        return await readFileUpTo(join(folder, ...path.split("/")), limit)
      } catch (cause) {
        if (isAbsence(cause)) return undefined
        throw new VerifierError("VERIFIER_SOURCE_FAILED", `cannot read ${path}: ${wordsOf(cause)}`, {
          cause,
          path,
        })
      }
    },
  }
}

/** Opening a pipe would otherwise wait for whoever writes to it, for ever. Windows has no such flag, and no such pipes. */
const READ_AT_ONCE = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)

async function readFileUpTo(file: string, limit: number): Promise<Uint8Array> {
  const handle = await open(file, READ_AT_ONCE)
  try {
    const stats = await handle.stat()
    const { size } = stats
    if (!stats.isFile()) throw new Error("it is no file")
    if (size > limit) throw new RangeError(`${size} bytes, where a log serves at most ${limit}`)
    const bytes = new Uint8Array(size)
    const { bytesRead } = await handle.read(bytes, 0, size, 0)
    if (bytesRead !== size) throw new RangeError(`${bytesRead} bytes, where there should be ${size}`)
    return bytes
  } finally {
    await handle.close()
  }
}

function isAbsence(error: unknown): boolean {
  const code = (error as { code?: unknown }).code
  return code === "ENOENT" || code === "ENOTDIR"
}
