/**
 * The leaves that a log has signed and a backup has not: public, and fetched back from whoever mirrors the log.
 *
 * One mirror after the other is tried. What one serves is kept only if all of it hangs by the signed root.
 *
 * Effects: reads the mirrors; writes files below one folder.
 */

import { mkdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { bundlePath, cutBundle, parseBundle, parseBundlePath } from "@prooflog/tlog/bundle"
import { parseCheckpoint } from "@prooflog/tlog/checkpoint"
import { HASH_SIZE } from "@prooflog/tlog/hash"
import { parseNote } from "@prooflog/tlog/note"
import { parseTilePath, TILE_WIDTH, tileAt } from "@prooflog/tlog/tile"
import { type LogSource, readBundle, readCheckpoint, readTile } from "@prooflog/verifier/source"
import { CliError, wordsOf } from "../error.js"
import { CheckedEntries, type TreeHead } from "./mirror.js"
import { type NamedMirror, said } from "./restore-target.js"

export interface MissingOptions {
  /** First leaf that is missing. */
  readonly from: number
  readonly signed: TreeHead
  readonly mirrors: readonly NamedMirror[]
  /** Where bundles are kept until the log is rebuilt, at the paths that a mirror has. */
  readonly folder: string
  readonly onProgress: (leaves: number) => void
}

/** @throws {@link CliError} `CLI_RESTORE_REFUSED` with what is wrong with each mirror */
export async function fetchMissing(options: MissingOptions): Promise<void> {
  const { from, signed, mirrors } = options
  const failures: string[] = []
  for (const mirror of mirrors) {
    try {
      await fetchFrom(mirror.source, options)
      return
    } catch (error) {
      failures.push(`${mirror.name}: ${wordsOf(error)}`)
    }
  }
  const what = `the log has signed ${said(signed)}, and the backup ends before leaf ${from}`
  throw new CliError("CLI_RESTORE_REFUSED", `${what}: ${signed.treeSize - from} leaves are missing`, {
    details:
      failures.length > 0
        ? ["No mirror has them as they were signed:", ...failures]
        : [
            "Entries are public: name who mirrors the log with --mirror URL or --mirror FOLDER, and they are fetched back.",
            "If nobody has them, this log is over: begin a new one whose genesis names the last checkpoint of this one.",
          ],
  })
}

async function fetchFrom(
  source: LogSource,
  { from, signed, folder, onProgress }: MissingOptions,
): Promise<void> {
  const entries = await CheckedEntries.open(await anyWidth(source), signed)
  for (let index = Math.floor(from / TILE_WIDTH); index < entries.bundles; index++) {
    const bundle = await entries.bundle(index)
    const file = join(folder, bundlePath(index, entries.width(index)))
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    await writeFile(file, bundle, { mode: 0o600 })
    onProgress(Math.min((index + 1) * TILE_WIDTH, signed.treeSize) - from)
  }
}

/** The same log, its tiles as narrow as they are asked for: of a mirror that is further, wider ones are cut. */
async function anyWidth(source: LogSource): Promise<LogSource> {
  // Suspect, as all of it: it only says which paths to ask for.
  const { treeSize } = parseCheckpoint(parseNote(await readCheckpoint(source)).text)
  return {
    async read(path) {
      const exact = await source.read(path)
      if (exact !== undefined || path === "checkpoint") return exact
      const isBundle = path.startsWith("tile/entries/")
      const { level, index, width } = isBundle ? { level: 0, ...parseBundlePath(path) } : parseTilePath(path)
      const now = tileAt(level, index, treeSize)
      if (now === undefined || now.width <= width) return undefined
      return isBundle
        ? cutBundle(await readBundle(source, index, now.width), width)
        : (await readTile(source, now)).subarray(0, width * HASH_SIZE)
    },
  }
}

/** Returns the entries that were kept of the bundle that begins with leaf `first`. */
export async function readMissing(
  folder: string,
  first: number,
  treeSize: number,
): Promise<readonly Uint8Array[]> {
  const width = Math.min(TILE_WIDTH, treeSize - first)
  return parseBundle(await readFile(join(folder, bundlePath(first / TILE_WIDTH, width))), width)
}
