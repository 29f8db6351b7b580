/**
 * A log as it is sent to whoever backs it up: one head, then records and tombstones, leaf by leaf.
 *
 *     03 ‖ uint32be n ‖ n bytes                     head: JSON, always first
 *     00 ‖ uint64be leaf ‖ uint16be n ‖ n bytes     its record; empty of a leaf that is no event
 *     01 ‖ uint64be leaf ‖ uint16be n ‖ n bytes     the tombstone in its place
 *     02 ‖ uint64be leaf                            all that there is to say of the leaves before this one was said
 *
 * Leaves ascend. Of leaves that the other side has already, tombstones alone are sent. The last frame says that all
 * leaves of the head's tree were told of; without it the answer was cut off.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { decodeBase64, encodeBase64 } from "@prooflog/tlog/base64"
import { ServerError } from "./error.js"

/** One of the small files that a log is served with. */
export interface FolderFile {
  /** Below the folder of the log, with `/`. */
  readonly name: string
  readonly bytes: Uint8Array
}

/** What a backup is of. */
export interface BackupHead {
  readonly origin: string
  /** 32 hex digits. */
  readonly logId: string
  /** The published head: a signed note. */
  readonly checkpoint: string
  readonly files: readonly FolderFile[]
}

/** A record, or what stands in its place. */
export interface LeafFrame {
  readonly kind: "record" | "tombstone"
  readonly leafIndex: number
  readonly bytes: Uint8Array
}

export interface ThroughFrame {
  readonly kind: "through"
  readonly leafIndex: number
}

export type BackupFrame = { readonly kind: "head"; readonly head: BackupHead } | LeafFrame | ThroughFrame

const RECORD = 0
const TOMBSTONE = 1
const THROUGH = 2
const HEAD = 3

const LEAF_SIZE = 8

/** Longest head that is read: the state of a hundred thousand erased records, many times over. */
const MAX_HEAD_BYTES = 256 * 1024 * 1024

export function encodeHead({ origin, logId, checkpoint, files }: BackupHead): Uint8Array {
  const said = { origin, log_id: logId, checkpoint, files: files.map(fileText) }
  const json = Buffer.from(JSON.stringify(said))
  const start = Buffer.alloc(5)
  start[0] = HEAD
  start.writeUInt32BE(json.length, 1)
  return Buffer.concat([start, json])
}

function fileText({ name, bytes }: FolderFile): object {
  return { name, base64: encodeBase64(bytes) }
}

export function encodeLeaf({ kind, leafIndex, bytes }: LeafFrame): Uint8Array {
  const frame = Buffer.alloc(1 + LEAF_SIZE + 2 + bytes.length)
  frame[0] = kind === "record" ? RECORD : TOMBSTONE
  frame.writeBigUInt64BE(BigInt(leafIndex), 1)
  frame.writeUInt16BE(bytes.length, 1 + LEAF_SIZE)
  frame.set(bytes, 1 + LEAF_SIZE + 2)
  return frame
}

export function encodeThrough(leafIndex: number): Uint8Array {
  const frame = Buffer.alloc(1 + LEAF_SIZE)
  frame[0] = THROUGH
  frame.writeBigUInt64BE(BigInt(leafIndex), 1)
  return frame
}

/**
 * Reads frames as their bytes come.
 *
 * @param chunks - suspect
 * @throws {@link ServerError} `SERVER_MALFORMED_REQUEST` for what is no such answer, or is cut off within a frame
 */
export async function* readFrames(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<BackupFrame> {
  let waiting: Uint8Array[] = []
  let waitingBytes = 0
  /** Bytes without which no further frame is whole. */
  let wanted = 1
  for await (const chunk of chunks) {
    waiting.push(chunk)
    waitingBytes += chunk.length
    if (waitingBytes < wanted) continue
    const bytes = Buffer.concat(waiting)
    let at = 0
    let end = endOfFrame(bytes, at)
    for (; end !== undefined && end <= bytes.length; end = endOfFrame(bytes, at)) {
      yield frameOf(bytes.subarray(at, end))
      at = end
    }
    waiting = [bytes.subarray(at)]
    waitingBytes = bytes.length - at
    wanted = end === undefined ? waitingBytes + 1 : end - at
  }
  if (waitingBytes > 0) throw malformed("it is cut off")
}

/** Where the frame ends that begins at `at`; `undefined` while that is not known. */
function endOfFrame(bytes: Buffer, at: number): number | undefined {
  const kind = bytes[at]
  if (kind === THROUGH) return at + 1 + LEAF_SIZE
  if (kind === RECORD || kind === TOMBSTONE) {
    const length = at + 1 + LEAF_SIZE
    return length + 2 > bytes.length ? undefined : length + 2 + bytes.readUInt16BE(length)
  }
  if (kind !== HEAD && kind !== undefined) throw malformed(`no frame begins with ${kind}`)
  if (kind === undefined || at + 5 > bytes.length) return undefined
  const length = bytes.readUInt32BE(at + 1)
  if (length > MAX_HEAD_BYTES) throw malformed("its head is too long")
  return at + 5 + length
}

function frameOf(bytes: Buffer): BackupFrame {
  if (bytes[0] === HEAD) return { kind: "head", head: headOf(bytes.subarray(5)) }
  const leafIndex = Number(bytes.readBigUInt64BE(1))
  if (!Number.isSafeInteger(leafIndex)) throw malformed("a leaf index is out of range")
  if (bytes[0] === THROUGH) return { kind: "through", leafIndex }
  const kind = bytes[0] === RECORD ? "record" : "tombstone"
  return { kind, leafIndex, bytes: new Uint8Array(bytes.subarray(1 + LEAF_SIZE + 2)) }
}

function headOf(json: Buffer): BackupHead {
  let said: Readonly<Record<string, unknown>>
  try {
    said = { ...JSON.parse(json.toString()) }
  } catch {
    throw malformed("its head is not JSON")
  }
  const { origin, log_id, checkpoint, files } = said
  if (typeof origin !== "string" || typeof log_id !== "string" || typeof checkpoint !== "string")
    throw malformed("its head does not say which log it is of")
  if (!Array.isArray(files)) throw malformed("its head has no files")
  return { origin, logId: log_id, checkpoint, files: files.map(fileOf) }
}

function fileOf(value: unknown): FolderFile {
  const { name, base64 } = (value ?? {}) as { readonly name?: unknown; readonly base64?: unknown }
  const bytes = typeof base64 === "string" ? decodeBase64(base64) : undefined
  if (typeof name !== "string" || bytes === undefined) throw malformed("a file of its head is none")
  return { name, bytes }
}

function malformed(why: string): ServerError {
  return new ServerError("SERVER_MALFORMED_REQUEST", `not an answer that a backup is made of: ${why}`)
}
