/**
 * The file of what an import could not take: one JSON object a line, place and reason.
 *
 *     {"line":8899,"code":"EVENT_UNMAPPABLE","reason":"column 111: expected a user agent in quotes"}
 *
 * It names places and never copies data, so it may be mailed to the one who has to mend them. It is
 * written anew by each import, and taken away by one that rejects nothing.
 */

import { createWriteStream, type WriteStream } from "node:fs"
import { rm, stat } from "node:fs/promises"
import { finished } from "node:stream/promises"
import { CliError } from "./error.js"
import { fileError, writeError } from "./file.js"
import type { Place, Problem } from "./import-source.js"

export interface Rejects {
  /** @throws {@link CliError} `CLI_FILE` as soon as it is known that the file cannot be written */
  add(place: Place, problem: Problem): void
  /** @throws {@link CliError} `CLI_FILE` if the file could not be written */
  close(): Promise<void>
}

/**
 * @param source - what is imported, which must not be taken away
 * @throws {@link CliError} `CLI_FILE` if what is there cannot be taken away, `CLI_USAGE` if it is the source
 */
export async function openRejects(path: string, source: string): Promise<Rejects> {
  if (await isSameFile(path, source))
    throw new CliError("CLI_USAGE", `${path} is what is imported: give --rejects another file`)
  await rm(path, { force: true }).catch((error) => {
    throw fileError(error, "the rejects file", path)
  })
  let stream: WriteStream | undefined
  let failure: unknown
  return {
    add(place, { code, message, pointer }) {
      if (failure !== undefined) throw writeError(failure, "the rejects file", path)
      stream ??= createWriteStream(path).on("error", (error) => {
        failure = error
      })
      stream.write(`${JSON.stringify({ ...place, code, reason: message, pointer })}\n`)
    },
    async close() {
      if (stream === undefined) return
      stream.end()
      await finished(stream).catch((error) => {
        failure ??= error
      })
      if (failure !== undefined) throw writeError(failure, "the rejects file", path)
    },
  }
}

async function isSameFile(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map((path) => stat(path).catch(() => undefined)))
  return a !== undefined && b !== undefined && a.dev === b.dev && a.ino === b.ino
}
