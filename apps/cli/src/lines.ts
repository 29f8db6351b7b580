/**
 * Lines of a file, with their place in it.
 *
 *     file ──► (gunzip, if its first bytes are 1f 8b) ──► lines: bytes, number, offset
 *
 * The offset counts uncompressed bytes, so the same log has the same offsets gzipped or not.
 * Nothing is held but the chunk at hand and the line that crosses its end.
 */

import { createHash } from "node:crypto"
import { createReadStream } from "node:fs"
import { open } from "node:fs/promises"
import { pipeline } from "node:stream"
import { createGunzip } from "node:zlib"
import { CliError } from "./error.js"
import { fileError } from "./file.js"

/** Lines handed on together; a gzip stream is read in smaller pieces, so that its place tells how far it is. */
const CHUNK_BYTES = 256 * 1024
const GZIP_CHUNK_BYTES = 16 * 1024

/** A line longer than this is no event of any format; its beginning is enough to say so. */
export const MAX_LINE_BYTES = 1024 * 1024

export interface Line {
  /** Without its end (LF or CRLF); the first {@link MAX_LINE_BYTES} of one that is too long. */
  readonly bytes: Buffer
  /** Counted from 1. */
  readonly number: number
  /** Of its first byte in the uncompressed file. */
  readonly offset: number
  readonly tooLong: boolean
}

export interface Input {
  readonly chunks: AsyncIterable<Buffer>
  /** Bytes on disk. */
  readonly size: number
  /** Bytes read from disk so far. */
  bytesRead(): number
}

/**
 * Opens a file for reading, gunzipped if it is gzip by its first two bytes, whatever its name.
 *
 * @throws {@link CliError} `CLI_FILE` if it cannot be opened or is a pipe, or, while reading, if the gzip stream is
 * damaged
 */
export async function openInput(path: string): Promise<Input> {
  const { size, isGzip } = await look(path)
  const file = createReadStream(path, { highWaterMark: isGzip ? GZIP_CHUNK_BYTES : CHUNK_BYTES })
  const stream = isGzip ? pipeline(file, createGunzip({ chunkSize: CHUNK_BYTES }), () => {}) : file
  return { chunks: named(stream, path), size, bytesRead: () => file.bytesRead }
}

async function look(path: string): Promise<{ size: number; isGzip: boolean }> {
  try {
    const handle = await open(path)
    try {
      const found = await handle.stat()
      // A pipe would lose the bytes that are looked at here, and could not be read again to go on.
      if (!found.isFile() && !found.isDirectory())
        throw new CliError("CLI_FILE", `${path} is not a regular file`)
      const { size } = found
      const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0)
      return { size, isGzip: buffer.readUInt16BE(0) === 0x1f8b }
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw fileError(error, "the file", path)
  }
}

async function* named(stream: AsyncIterable<Buffer>, path: string): AsyncGenerator<Buffer> {
  try {
    yield* stream
  } catch (error) {
    throw fileError(error, "the file", path)
  }
}

/** Yields the lines of each chunk together: a promise for every line would cost more than the line. */
export async function* readLines(chunks: AsyncIterable<Buffer>): AsyncGenerator<readonly Line[]> {
  let number = 0
  /** The beginning of a line whose end has not come yet, at most a chunk more than may be kept. */
  let begun: Buffer[] = []
  let begunBytes = 0
  let offset = 0
  const end = (lastPart: Buffer): Line => {
    const whole = begun.length === 0 ? lastPart : Buffer.concat([...begun, lastPart])
    const length = begunBytes + lastPart.length
    const line = { bytes: trimmed(whole), number: ++number, offset, tooLong: length > MAX_LINE_BYTES }
    begun = []
    begunBytes = 0
    offset += length + 1
    return line
  }
  for await (const chunk of chunks) {
    const lines: Line[] = []
    let start = 0
    for (let lf = chunk.indexOf(10); lf >= 0; lf = chunk.indexOf(10, start)) {
      lines.push(end(chunk.subarray(start, lf)))
      start = lf + 1
    }
    const rest = chunk.subarray(start)
    // Of a line that is too long already, only the length matters.
    if (rest.length > 0 && begunBytes <= MAX_LINE_BYTES) begun.push(rest)
    begunBytes += rest.length
    yield lines
  }
  if (begunBytes > 0) yield [end(Buffer.alloc(0))]
}

function trimmed(line: Buffer): Buffer {
  const end = line.at(-1) === 13 ? line.length - 1 : line.length
  return line.subarray(0, Math.min(end, MAX_LINE_BYTES))
}

/**
 * Returns a function that names an event by where its line stands: `f:` and 32 hex digits of
 * `SHA-256(SHA-256(first line) ‖ uint64be(offset))`.
 *
 * The first line stands for the file, so a file keeps its names when it grows, moves or is gzipped; the
 * offset tells equal lines apart. A hash of the line itself would let anyone who guesses it find it.
 *
 * @param firstLine - the first that is not empty, without its end
 */
export function lineNamer(firstLine: Uint8Array): (offset: number) => string {
  const input = Buffer.alloc(40)
  createHash("sha256").update(firstLine).digest().copy(input)
  return (offset) => {
    input.writeBigUInt64BE(BigInt(offset), 32)
    return `f:${createHash("sha256").update(input).digest("hex").slice(0, 32)}`
  }
}
