/**
 * A file from the log's server: hashed as it comes, and there under its name only once it is whole.
 *
 *     FILE.part ──► bytes and hash as promised? ──► FILE
 *
 * Effects: the network, the file.
 */

import { createHash } from "node:crypto"
import { open, rename, rm } from "node:fs/promises"
import { CliError } from "./error.js"
import { writeError } from "./file.js"
import type { LogServer } from "./log-server.js"

export interface Promised {
  readonly bytes: number
  /** Hex. */
  readonly sha256: string
}

/**
 * @param remotePath - below the log's URL
 * @param onProgress - given the bytes so far
 * @throws {@link CliError} `CLI_FILE`, what `LogServer.open` throws, `CLI_UNEXPECTED_ANSWER` if it is not what was promised
 */
export async function download(
  server: LogServer,
  remotePath: string,
  path: string,
  { bytes, sha256 }: Promised,
  onProgress: (bytes: number) => void = () => {},
): Promise<void> {
  const part = `${path}.${process.pid}.part`
  const response = await server.open(remotePath, { headers: { accept: "*/*" } })
  const hash = createHash("sha256")
  let received = 0
  const file = await open(part, "w").catch((error) => {
    throw writeError(error, "the file", path)
  })
  try {
    try {
      for await (const chunk of chunksOf(response, server.url)) {
        hash.update(chunk)
        received += chunk.length
        if (received > bytes) break
        await file.write(chunk)
        onProgress(received)
      }
      await file.sync()
    } finally {
      await file.close()
    }
    if (received !== bytes || hash.digest("hex") !== sha256)
      throw new CliError(
        "CLI_UNEXPECTED_ANSWER",
        "the file that came is not the one that its manifest describes",
      )
    await rename(part, path)
  } catch (error) {
    await rm(part, { force: true })
    throw error instanceof CliError ? error : writeError(error, "the file", path)
  }
}

async function* chunksOf(response: Response, url: string): AsyncGenerator<Uint8Array> {
  try {
    yield* response.body as ReadableStream<Uint8Array>
  } catch (cause) {
    throw new CliError("CLI_UNREACHABLE", `${url} broke off in the middle of the file`, { cause })
  }
}
