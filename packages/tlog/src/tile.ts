/**
 * Tile coordinates: which file holds which hash.
 *
 * The tree is cut into rows of tiles. Tile level 0 holds the leaf hashes; each hash
 * of a level above is the root of one full tile below it.
 * A tree of 516 leaves:
 *
 *     tile level 1   [ 0 1 ]                                 partial, width 2
 *     tile level 0   [ 0 … 255 ][ 256 … 511 ][ 512 … 515 ]   the last is partial, width 4
 *
 * Only full tiles have a parent hash, so a tile, once full, never changes.
 *
 * Spec: c2sp.org/tlog-tiles, "Merkle Tree" and "Partial Tiles".
 * Pure: no I/O, no clock, no randomness.
 */

import { TlogError } from "./error.js"
import { requireSize } from "./size.js"

/** Tree levels in one tile. Fixed by c2sp.org/tlog-tiles. */
export const TILE_HEIGHT = 8

/** Hashes in a full tile, entries in a full bundle. */
export const TILE_WIDTH = 2 ** TILE_HEIGHT

/** The highest tile level that has a path. Fixed by c2sp.org/tlog-tiles. */
const MAX_LEVEL = 63

export interface Tile {
  /** Row of tiles, counted up from the leaves: 0 … 63. */
  readonly level: number
  /** Place in the row, counted from the left: 0 … 2⁵³ − 1. */
  readonly index: number
  /** Hashes it holds: 1 … 256. Less than 256 means partial. */
  readonly width: number
}

/**
 * Returns the tile at these coordinates in a tree of `treeSize` leaves, or
 * `undefined` if that tree does not reach so far.
 *
 * Only the last tile of a row can be partial.
 *
 * @example
 * ```ts
 * tileAt(0, 273, 70_000) // { level: 0, index: 273, width: 112 }
 * tileAt(0, 274, 70_000) // undefined
 * ```
 *
 * @throws `RangeError` if one of the three is not a safe integer ≥ 0
 */
export function tileAt(level: number, index: number, treeSize: number): Tile | undefined {
  requireSize("treeSize", treeSize)
  requireSize("level", level)
  requireSize("index", index)
  // Division, not >>: JavaScript shifts work on 32 bits, and trees outgrow that.
  const rowLength = Math.floor(treeSize / TILE_WIDTH ** level)
  const width = Math.min(TILE_WIDTH, rowLength - index * TILE_WIDTH)
  return width > 0 ? { level, index, width } : undefined
}

/** Yields every tile of a tree, row by row from the leaves up, left to right; the tiles that a log of this size serves. */
export function* tilesOf(treeSize: number): Generator<Tile, void, undefined> {
  requireSize("treeSize", treeSize)
  for (let level = 0, rowLength = treeSize; rowLength > 0; level++) {
    for (let start = 0; start < rowLength; start += TILE_WIDTH) {
      yield { level, index: start / TILE_WIDTH, width: Math.min(TILE_WIDTH, rowLength - start) }
    }
    rowLength = Math.floor(rowLength / TILE_WIDTH)
  }
}

/**
 * Returns the path of a tile, relative to the log's URL prefix.
 *
 * @throws `RangeError` for what is no {@link Tile}
 *
 * @example
 * ```ts
 * tilePath({ level: 0, index: 1_234_067, width: 8 }) // "tile/0/x001/x234/067.p/8"
 * ```
 */
export function tilePath({ level, index, width }: Tile): string {
  if (!(Number.isInteger(level) && level >= 0 && level <= MAX_LEVEL)) {
    throw new RangeError(`level: expected 0 … ${MAX_LEVEL}, got ${level}`)
  }
  return `tile/${level}/${formatPlace(index, width)}`
}

/**
 * Parses a path written by {@link tilePath}.
 *
 * Every tile has exactly one path, so caches and audits can compare strings.
 *
 * @throws {@link TlogError} `TLOG_MALFORMED_TILE_PATH` if the path is not the one
 * that {@link tilePath} would write
 */
export function parseTilePath(path: string): Tile {
  const [, level, place = ""] = TILE_PATH.exec(path) ?? []
  const found = parsePlace(place)
  if (found !== undefined && Number(level) <= MAX_LEVEL) {
    const tile = { level: Number(level), ...found }
    // Writing the tile back refuses every other spelling at once.
    if (tilePath(tile) === path) return tile
  }
  throw new TlogError("TLOG_MALFORMED_TILE_PATH", `not a tile path: ${JSON.stringify(path.slice(0, 100))}`)
}

const TILE_PATH = /^tile\/([0-9]{1,2})\/([x0-9/.p]{1,60})$/

/** The part that tiles and bundles share: 1234067, 8 → "x001/x234/067.p/8". */
export function formatPlace(index: number, width: number): string {
  requireSize("index", index)
  if (!isWidth(width)) throw new RangeError(`width: expected 1 … ${TILE_WIDTH}, got ${width}`)
  return groupDigits(index) + (width < TILE_WIDTH ? `.p/${width}` : "")
}

/** The reverse of {@link formatPlace}; `undefined` for what it cannot have written, not for every respelling. */
export function parsePlace(text: string): { index: number; width: number } | undefined {
  const [, groups, widthText = String(TILE_WIDTH)] = PLACE.exec(text) ?? []
  if (groups === undefined) return undefined
  const index = Number(groups.replace(/[x/]/g, ""))
  const width = Number(widthText)
  return Number.isSafeInteger(index) && isWidth(width) ? { index, width } : undefined
}

const PLACE = /^((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/

function isWidth(width: number): boolean {
  return Number.isInteger(width) && width >= 1 && width <= TILE_WIDTH
}

/** 1234067 → "x001/x234/067": at most 1,000 names of each kind in a directory. */
function groupDigits(n: number): string {
  const digits = String(n)
  const padded = digits.padStart(Math.ceil(digits.length / 3) * 3, "0")
  return padded.replace(/[0-9]{3}(?=[0-9])/g, "x$&/")
}
