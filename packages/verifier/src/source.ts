/**
 * The source port: where a reader gets a log from.
 *
 *     checkpoint                    the newest signed note
 *     tile/<L>/<N>[.p/<W>]          hashes
 *     tile/entries/<N>[.p/<W>]      entries
 *
 * The same three kinds of path over HTTP, in a folder, in a ledger's storage: an object with `read` is a
 * source. Everything it answers is suspect, sizes included; nothing is believed before it was checked
 * against a signed checkpoint.
 *
 * Spec: c2sp.org/tlog-tiles.
 * Effects: those of the source it is given.
 */

import { bundlePath, cutBundle, parseBundlePath } from "@prooflog/tlog/bundle"
import { HASH_SIZE } from "@prooflog/tlog/hash"
import type { TileReader } from "@prooflog/tlog/inclusion"
import { parseTilePath, TILE_WIDTH, type Tile, tileAt, tilePath } from "@prooflog/tlog/tile"
import { TileTree } from "@prooflog/tlog/tile-tree"
import { refusalBy, VerifierError } from "./error.js"
import { untilAborted } from "./until-aborted.js"

export interface LogSource {
  /**
   * The bytes at a path, or `undefined` if there are none (HTTP's 404).
   *
   * The bytes belong to the reader: a source does not change them later. It rejects when it could not
   * find out, and is asked for many paths at a time.
   */
  read(path: string): Promise<Uint8Array | undefined>
}

/** Bytes of the longest checkpoint worth reading: more than a hundred ML-DSA-44 cosignatures. */
export const MAX_CHECKPOINT_BYTES = 1 << 20

/** Bytes of the longest entry, with its two bytes of length. */
const MAX_PACKED_ENTRY_BYTES = 2 + 65_535

/**
 * The most bytes an honest log can answer at a path; a source reads no further.
 *
 * @throws RangeError if it is no path of a log, which also keeps `..` out of folders and URLs
 */
export function maxBytesAt(path: string): number {
  if (path === "checkpoint") return MAX_CHECKPOINT_BYTES
  try {
    if (path.startsWith("tile/entries/")) return parseBundlePath(path).width * MAX_PACKED_ENTRY_BYTES
    return parseTilePath(path).width * HASH_SIZE
  } catch (cause) {
    throw new RangeError(`not a path of a log: ${JSON.stringify(path)}`, { cause })
  }
}

/**
 * Reads the newest checkpoint, unopened.
 *
 * @throws {@link VerifierError} `VERIFIER_MISSING` if there is none, `VERIFIER_CHECKPOINT_REFUSED` if it
 * is not text
 */
export async function readCheckpoint(source: LogSource): Promise<string> {
  const path = "checkpoint"
  const bytes = await source.read(path)
  if (bytes === undefined) throw missing(path)
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause
    throw new VerifierError("VERIFIER_CHECKPOINT_REFUSED", "the checkpoint is not UTF-8", { cause, path })
  }
}

/**
 * Reads the hashes of a tile: `width` × 32 bytes, suspect.
 *
 * Where a log has dropped a partial tile because the full one exists, the full one is read and cut.
 *
 * @throws {@link VerifierError} `VERIFIER_MISSING`, or `VERIFIER_TILE_REFUSED` if it has another length
 */
export async function readTile(source: LogSource, tile: Tile): Promise<Uint8Array> {
  const path = tilePath(tile)
  const bytes = await source.read(path)
  if (bytes !== undefined) return ofWidth(bytes, tile.width, path)
  if (tile.width === TILE_WIDTH) throw missing(path)
  const fullPath = tilePath({ ...tile, width: TILE_WIDTH })
  const full = await source.read(fullPath)
  if (full === undefined) throw missing(path)
  return ofWidth(full, TILE_WIDTH, fullPath).subarray(0, tile.width * HASH_SIZE)
}

/**
 * Reads an entry bundle: the packed bytes of `width` entries, suspect and not yet parsed.
 *
 * @throws {@link VerifierError} `VERIFIER_MISSING`, or `VERIFIER_BUNDLE_REFUSED` if the full bundle that
 * stands in for a partial one cannot be cut
 */
export async function readBundle(source: LogSource, index: number, width: number): Promise<Uint8Array> {
  const path = bundlePath(index, width)
  const bytes = await source.read(path)
  if (bytes !== undefined) return bytes
  if (width === TILE_WIDTH) throw missing(path)
  const fullPath = bundlePath(index, TILE_WIDTH)
  const full = await source.read(fullPath)
  if (full === undefined) throw missing(path)
  try {
    return cutBundle(full, width)
  } catch (cause) {
    const what = `${fullPath} holds fewer than ${width} entries`
    throw refusalBy(cause, "VERIFIER_BUNDLE_REFUSED", what, { path: fullPath })
  }
}

/**
 * The same log, until a signal ends it: then every read under way and every read to come rejects with the
 * signal's reason, whatever the source does.
 */
export function endable(source: LogSource, signal: AbortSignal): LogSource {
  const wait = untilAborted(signal)
  return { read: (path) => wait(() => source.read(path)) }
}

/**
 * The same log, each path read once: what is said of it later is said of what was seen, whatever it serves by then.
 *
 * @param maxBytes - past it what was read first is forgotten, and read again if it is asked for; nothing is unless set
 */
export function remembering(source: LogSource, maxBytes = Number.POSITIVE_INFINITY): LogSource {
  const reads = new Map<string, Promise<Uint8Array | undefined>>()
  const lengths = new Map<string, number>()
  let kept = 0
  const readOnce = async (path: string) => {
    const bytes = await source.read(path)
    const length = bytes?.length ?? 0
    lengths.set(path, length)
    kept += length
    for (const [oldest, itsLength] of lengths) {
      if (kept <= maxBytes) break
      kept -= itsLength
      lengths.delete(oldest)
      reads.delete(oldest)
    }
    return bytes
  }
  return {
    read(path) {
      const read = reads.get(path) ?? readOnce(path)
      reads.set(path, read)
      return read
    },
  }
}

/**
 * A reader of tiles, as the proofs of `tlog` want it, from a log of `treeSize` leaves.
 *
 * Asked for a tile as it was in a smaller tree, it reads the tile of this tree and cuts it: nobody needs
 * to keep the partial tiles of every old head for us.
 */
export function tileReader(source: LogSource, treeSize: number): TileReader {
  return (tiles) =>
    Promise.all(
      tiles.map(async (tile) => {
        const now = tileAt(tile.level, tile.index, treeSize)
        if (now === undefined || now.width < tile.width) {
          throw new RangeError(`${tilePath(tile)} is not in a tree of ${treeSize} leaves`)
        }
        const bytes = await readTile(source, now)
        return new TileTree(bytes.subarray(0, tile.width * HASH_SIZE))
      }),
    )
}

function ofWidth(bytes: Uint8Array, width: number, path: string): Uint8Array {
  if (bytes.length === width * HASH_SIZE) return bytes
  throw new VerifierError(
    "VERIFIER_TILE_REFUSED",
    `${path} has ${bytes.length} bytes, not ${width * HASH_SIZE}`,
    { path },
  )
}

function missing(path: string): VerifierError {
  return new VerifierError("VERIFIER_MISSING", `the log does not serve ${path}`, { path })
}
