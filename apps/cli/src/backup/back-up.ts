/**
 * A backup of a running log, made or brought up to date.
 *
 *     former manifest, files still sound ─► answer of the server: head, small files, records and tombstones
 *         head      signed by the log, grown out of the former one
 *         entries   against tiles, against the head ─► tile/…           a static mirror
 *         records   against their entries           ─► records/…        ranges; only what is new is fetched
 *         tombstones                                ─► records/… anew, without what they stand for
 *     checkpoint ─► manifest ─► what the former one alone needed is removed
 *
 * Crash on any line: before the manifest is in place the former backup is whole, from then on the new one; the next run
 * completes what is missing. What was destroyed since the last run is gone from the folder when this one ends.
 */

import { type BackupFrame, type BackupHead, type LeafFrame, readFrames } from "@prooflog/server/backup-frames"
import { checkRecord } from "@prooflog/server/check-record"
import { encodeHex } from "@prooflog/tlog/base64"
import { forEachPacked } from "@prooflog/tlog/bundle"
import { equalBytes, sha256 } from "@prooflog/tlog/hash"
import type { OpenedCheckpoint, Policy } from "@prooflog/tlog/policy"
import { TILE_WIDTH } from "@prooflog/tlog/tile"
import { openLogHead } from "@prooflog/verifier/accusation"
import { checkGrowth } from "@prooflog/verifier/advance"
import type { LogSource } from "@prooflog/verifier/source"
import { CliError, wordsOf } from "../error.js"
import type { BackupFolder } from "./backup-folder.js"
import {
  type BackupManifest,
  formatManifest,
  isStateName,
  MANIFEST,
  parseManifest,
  RANGE,
  type RecordFile,
  rangeEnd,
  recordPath,
  type StateFile,
  statePath,
} from "./manifest.js"
import { Mirror } from "./mirror.js"
import { decodeRange, encodeRange, type KeptLeaf, repeatIdOf } from "./record-range.js"
import { requireTombstone } from "./tombstones.js"

export interface BackUpOptions {
  readonly folder: BackupFolder
  /** The log as everyone may read it. */
  readonly log: LogSource
  /** Asks the server for all that is new, given the leaves whose records are known. */
  readonly ask: (known: number) => Promise<AsyncIterable<Uint8Array>>
  /** Whose log this must be; what the log itself says of it the first time unless given. */
  readonly policy: (ownPolicy: Uint8Array) => Policy
  readonly nowMs: number
  readonly onProgress: (progress: BackUpProgress) => void
}

export interface BackUpProgress {
  /** Of the whole: 0 … 1. */
  readonly share: number
  readonly leaves: number
}

export interface BackedUp {
  readonly manifest: BackupManifest
  /** Leaves that the former backup had. */
  readonly before: number
  /** Files of records that were written. */
  readonly rangesWritten: number
  /** Records of the former backup that are tombstones now. */
  readonly forgotten: number
}

/**
 * @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` if the server does not answer as a log, or no longer answers,
 * `CLI_DAMAGED_BACKUP` for a folder whose manifest cannot be read; VerifierError for what is not as it was signed, or a log
 * that went back
 */
export async function backUp(options: BackUpOptions): Promise<BackedUp> {
  const former = await readFormer(options.folder)
  return new Run(options, former, await soundRanges(options.folder, former)).go()
}

async function readFormer(folder: BackupFolder): Promise<BackupManifest | undefined> {
  const bytes = await folder.read(MANIFEST)
  return bytes && parseManifest(new TextDecoder().decode(bytes))
}

/** The ranges of the former backup from the first on, as far as they are what it lists. */
async function soundRanges(folder: BackupFolder, former: BackupManifest | undefined): Promise<RecordFile[]> {
  const sound: RecordFile[] = []
  for (const range of former?.records ?? []) {
    const bytes = await folder.read(recordPath(range))
    if (bytes === undefined || encodeHex(sha256(bytes)) !== range.sha256) break
    sound.push(range)
  }
  return sound
}

/** What is known of one range while frames of it come. */
interface OpenRange {
  readonly first: number
  readonly end: number
  /** As the former backup has it; `undefined` if nothing of it is there. */
  readonly former: RecordFile | undefined
  readonly said: LeafFrame[]
}

class Run {
  readonly #options: BackUpOptions
  readonly #former: BackupManifest | undefined
  readonly #sound: readonly RecordFile[]
  readonly #records: RecordFile[] = []
  #mirror: Mirror | undefined
  #treeSize = 0
  #bundle: { readonly index: number; readonly entries: readonly Uint8Array[] } | undefined
  #rangesWritten = 0
  #forgotten = 0

  constructor(options: BackUpOptions, former: BackupManifest | undefined, sound: readonly RecordFile[]) {
    this.#options = options
    this.#former = former
    this.#sound = sound
  }

  async go(): Promise<BackedUp> {
    const { folder, log, onProgress, nowMs } = this.#options
    const known = this.#sound.at(-1)?.end ?? 0
    const frames = readFrames(await this.#options.ask(known))
    try {
      const head = await this.#head(frames)
      const opened = await this.#open(head)
      const { treeSize, rootHash } = opened.checkpoint
      this.#treeSize = treeSize
      this.#mirror = await Mirror.open(folder, log, opened.checkpoint)
      await this.#takeRecords(frames, known)
      await this.#mirror.complete((bundles) => {
        onProgress({ share: 0.9 + (0.1 * bundles * TILE_WIDTH) / (treeSize + TILE_WIDTH), leaves: treeSize })
      })
      const files = await this.#keepFiles(head)
      const manifest: BackupManifest = {
        origin: head.origin,
        logId: head.logId,
        treeSize,
        rootHash,
        madeAt: new Date(nowMs).toISOString(),
        checkpoint: head.checkpoint,
        records: this.#records,
        files,
      }
      await folder.write("checkpoint", head.checkpoint)
      await folder.settle()
      await folder.write(MANIFEST, formatManifest(manifest))
      await folder.settle()
      await this.#tidy(manifest)
      const before = this.#former?.treeSize ?? 0
      return { manifest, before, rangesWritten: this.#rangesWritten, forgotten: this.#forgotten }
    } finally {
      await frames.return(undefined)
    }
  }

  async #head(frames: AsyncGenerator<BackupFrame>): Promise<BackupHead> {
    const { value } = await unexpected(frames.next())
    if (value?.kind !== "head") throw new CliError("CLI_UNEXPECTED_ANSWER", "the answer has no head")
    return value.head
  }

  /** Opens the head, and holds it against the former one. */
  async #open(head: BackupHead): Promise<OpenedCheckpoint> {
    const former = this.#former
    if (former !== undefined && (former.origin !== head.origin || former.logId !== head.logId)) {
      throw new CliError(
        "CLI_FILE",
        `the folder holds a backup of ${former.origin} (${former.logId}), and the log is ${head.origin} (${head.logId})`,
      )
    }
    const policy = this.#options.policy(await this.#ownPolicy(head))
    const opened = openLogHead(head.checkpoint, policy)
    if (opened.checkpoint.origin !== head.origin || opened.checkpoint.treeSize < 1)
      throw new CliError("CLI_UNEXPECTED_ANSWER", "the server shows a head that is not of its log")
    if (former !== undefined) {
      await checkGrowth(openLogHead(former.checkpoint, policy), opened, this.#options.log)
    }
    return opened
  }

  /** The one that the former backup has: a log does not choose anew by what it is judged. */
  async #ownPolicy(head: BackupHead): Promise<Uint8Array> {
    const kept = this.#former?.files.find(({ name }) => name === "policy")
    const bytes = kept && (await this.#options.folder.read(statePath(kept)))
    if (kept !== undefined && bytes !== undefined && encodeHex(sha256(bytes)) === kept.sha256) return bytes
    const sent = head.files.find(({ name }) => name === "policy")
    if (sent === undefined) throw new CliError("CLI_UNEXPECTED_ANSWER", "the log has no policy")
    return sent.bytes
  }

  /** Takes what the server says, range by range. */
  async #takeRecords(frames: AsyncGenerator<BackupFrame>, known: number): Promise<void> {
    let range = this.#openRange(0)
    let reached = 0
    /** Least leaf that a frame may be of: what repeats itself would have no end. */
    let next = 0
    for (;;) {
      const { value: frame, done } = await unexpected(frames.next())
      if (done) break
      if (frame.kind === "head" || frame.leafIndex < (frame.kind === "through" ? reached + 1 : next))
        throw new CliError("CLI_UNEXPECTED_ANSWER", `the answer is out of order after leaf ${reached}`)
      reached = frame.leafIndex
      next = frame.kind === "through" ? reached : reached + 1
      while (range !== undefined && reached >= range.end) {
        await this.#closeRange(range, known)
        range = this.#openRange(range.end)
      }
      if (frame.kind === "through") {
        this.#options.onProgress({ share: (0.9 * reached) / this.#treeSize, leaves: reached })
      } else if (range === undefined) {
        throw new CliError("CLI_UNEXPECTED_ANSWER", `leaf ${reached} is past the head of the answer`)
      } else {
        range.said.push(frame)
      }
    }
    if (range === undefined) return
    throw new CliError(
      "CLI_UNEXPECTED_ANSWER",
      `the answer ends with leaf ${reached} of ${this.#treeSize}; run it again, it goes on from there`,
    )
  }

  #openRange(first: number): OpenRange | undefined {
    if (first >= this.#treeSize) return undefined
    return { first, end: rangeEnd(first, this.#treeSize), former: this.#sound[first / RANGE], said: [] }
  }

  /** Keeps a range as it is now. */
  async #closeRange(range: OpenRange, known: number): Promise<void> {
    const { first, end, former, said } = range
    if (former?.end === end && said.length === 0) {
      this.#records.push(former)
      return
    }
    const leaves = former === undefined ? [] : await this.#leavesOf(former)
    for (const { kind, leafIndex, bytes } of said) {
      const i = leafIndex - first
      if (leafIndex >= known && i !== leaves.length) throw missing(first + leaves.length)
      if (leafIndex < known && kind === "record") throw missing(leafIndex)
      await this.#check(kind, leafIndex, bytes)
      leaves[i] = kind === "record" ? { kind, bytes } : this.#bury(leaves[i], bytes)
    }
    if (leaves.length !== end - first) throw missing(first + leaves.length)
    this.#records.push(await this.#keepRange(range, leaves))
  }

  /** A tombstone keeps the name of the event it stands for. */
  #bury(before: KeptLeaf | undefined, bytes: Uint8Array): KeptLeaf {
    if (before?.kind === "record") this.#forgotten++
    const id = before?.kind === "record" ? repeatIdOf(before.bytes) : before?.id
    return { kind: "tombstone", bytes, id }
  }

  async #leavesOf(file: RecordFile): Promise<KeptLeaf[]> {
    const bytes = await this.#options.folder.read(recordPath(file))
    return decodeRange(bytes ?? new Uint8Array(0), file.end - file.first, recordPath(file))
  }

  async #keepRange({ first, end }: OpenRange, leaves: readonly KeptLeaf[]): Promise<RecordFile> {
    const { folder } = this.#options
    const bytes = encodeRange(leaves)
    const hash = encodeHex(sha256(bytes))
    const file = { first, end, bytes: bytes.length, sha256: hash }
    if (
      (await folder.size(recordPath(file))) === bytes.length &&
      this.#sound.some((one) => one.sha256 === hash)
    )
      return file
    await folder.write(recordPath(file), bytes)
    this.#rangesWritten++
    return file
  }

  /** Holds a record, or what stands in its place, against its entry. */
  async #check(kind: LeafFrame["kind"], leafIndex: number, bytes: Uint8Array): Promise<void> {
    const entry = await this.#entry(leafIndex)
    try {
      if (kind === "record") checkRecord(entry, bytes)
      else requireTombstone(entry, bytes)
    } catch (cause) {
      throw new CliError("CLI_UNEXPECTED_ANSWER", `leaf ${leafIndex}: ${wordsOf(cause)}`, { cause })
    }
  }

  async #entry(leafIndex: number): Promise<Uint8Array> {
    const index = Math.floor(leafIndex / TILE_WIDTH)
    if (this.#bundle?.index !== index) {
      const bundle = await (this.#mirror as Mirror).bundle(index)
      const entries: Uint8Array[] = []
      forEachPacked(bundle, (start, end) => void entries.push(bundle.subarray(start, end)))
      this.#bundle = { index, entries }
    }
    return this.#bundle.entries[leafIndex % TILE_WIDTH] as Uint8Array
  }

  async #keepFiles({ files }: BackupHead): Promise<readonly StateFile[]> {
    const { folder } = this.#options
    const kept: StateFile[] = []
    for (const { name, bytes } of files) {
      if (!isStateName(name))
        throw new CliError("CLI_UNEXPECTED_ANSWER", `the server sends a file ${JSON.stringify(name)}`)
      const file = { name, bytes: bytes.length, sha256: encodeHex(sha256(bytes)) }
      const there = await folder.read(statePath(file))
      if (there === undefined || !equalBytes(there, bytes)) await folder.write(statePath(file), bytes)
      kept.push(file)
    }
    return kept
  }

  /** Removes what the manifest does not list. */
  async #tidy({ records, files }: BackupManifest): Promise<void> {
    const { folder } = this.#options
    const listed = new Set([...records.map(recordPath), ...files.map(statePath)])
    for (const path of [...(await folder.list("records")), ...(await folder.list("state"))]) {
      if (!listed.has(path)) await folder.remove(path)
    }
    await (this.#mirror as Mirror).tidy()
    await folder.settle()
  }
}

/** What breaks off, or is no answer of a log, is said to be just that. */
async function unexpected<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (cause) {
    const how = `the answer broke off, or is none of a log: ${wordsOf(cause)}; run it again, it goes on from there`
    throw new CliError("CLI_UNEXPECTED_ANSWER", how, { cause })
  }
}

function missing(leafIndex: number): CliError {
  return new CliError("CLI_UNEXPECTED_ANSWER", `the server does not send the record of leaf ${leafIndex}`)
}
