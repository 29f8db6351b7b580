/**
 * The file of what an import could not take: one JSON object a line, place and reason.
 *
 *     {"line":8899,"code":"EVENT_UNMAPPABLE","reason":"column 111: expected a user agent in quotes"}
 *
 * It names places and never copies data, so it may be mailed to the one who has to mend them. It is
 * written anew by each import, and taken away by one that rejects nothing.
 */

import { createWriteStream, type WriteStream } from "node:fs"
import { rm } from "node:fs/promises"
import { finished } from "node:stream/promises"
import { fileError } from "./file.js"
import type { Place, Problem } from "./import-source.js"

export interface Rejects {
  add(place: Place, problem: Problem): void
  /** @throws {@link CliError} `CLI_FILE` if the file could not be written */
  close(): Promise<void>
}

export async function openRejects(path: string): Promise<Rejects> {
  await rm(path, { force: true })
  let stream: WriteStream | undefined
  let failure: unknown
  return {
    add(place, { code, message, pointer }) {
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
      if (failure !== undefined) throw fileError(failure, "the rejects file", path)
    },
  }
}
