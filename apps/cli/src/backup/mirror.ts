/**
 * The public half of a log, copied into a backup: tiles and entries under one signed head, each checked before it is kept.
 *
 *     head ──► tiles of the edge ──► full tiles ──► entries        what lies in the folder is not fetched again
 *
 * The copy is a static mirror in the form of c2sp.org/tlog-tiles. Partial tiles of older heads stay until the backup that
 * needs them is replaced.
 */

import { bundlePath } from "@prooflog/tlog/bundle"
import { HASH_SIZE } from "@prooflog/tlog/hash"
import { TILE_WIDTH, type Tile, tileAt, tilePath, tilesOf } from "@prooflog/tlog/tile"
import { checkBundle } from "@prooflog/verifier/checked-bundle"
import { CheckedTiles } from "@prooflog/verifier/checked-tiles"
import { type LogSource, readBundle } from "@prooflog/verifier/source"
import type { BackupFolder } from "./backup-folder.js"

/** Bundles that are fetched before they are asked for. */
const AHEAD = 16

/** A tree that was signed. */
export interface TreeHead {
  readonly treeSize: number
  /** 32 bytes */
  readonly rootHash: Uint8Array
}

/** The entries under a signed head, from wherever they come. */
export class CheckedEntries {
  readonly #source: LogSource
  readonly #tiles: CheckedTiles
  readonly #treeSize: number

  private constructor(source: LogSource, tiles: CheckedTiles, treeSize: number) {
    this.#source = source
    this.#tiles = tiles
    this.#treeSize = treeSize
  }

  /** @throws VerifierError as `CheckedTiles.open` */
  static async open(source: LogSource, { treeSize, rootHash }: TreeHead): Promise<CheckedEntries> {
    return new CheckedEntries(source, await CheckedTiles.open(source, treeSize, rootHash), treeSize)
  }

  get bundles(): number {
    return Math.ceil(this.#treeSize / TILE_WIDTH)
  }

  width(index: number): number {
    return Math.min(TILE_WIDTH, this.#treeSize - index * TILE_WIDTH)
  }

  /** @throws VerifierError `VERIFIER_TILE_REFUSED`, and what reading throws */
  hashes(level: number, index: number): Promise<Uint8Array> {
    return this.#tiles.hashes(level, index)
  }

  /**
   * Returns the packed entries of a bundle, checked.
   *
   * @throws VerifierError `VERIFIER_BUNDLE_REFUSED`, `VERIFIER_TILE_REFUSED`, `VERIFIER_MISSING`, and what reading throws
   */
  async bundle(index: number): Promise<Uint8Array> {
    const width = this.width(index)
    const [hashes, bundle] = await Promise.all([
      this.#tiles.hashes(0, index),
      readBundle(this.#source, index, width),
    ])
    checkBundle({ index, width, bundle, hashes })
    return bundle
  }
}

export class Mirror {
  readonly #folder: BackupFolder
  readonly #entries: CheckedEntries
  readonly #head: TreeHead
  readonly #bundles = new Map<number, Promise<Uint8Array>>()

  private constructor(folder: BackupFolder, entries: CheckedEntries, head: TreeHead) {
    this.#folder = folder
    this.#entries = entries
    this.#head = head
  }

  /** @param log - suspect; asked only for what the folder has not */
  static async open(folder: BackupFolder, log: LogSource, head: TreeHead): Promise<Mirror> {
    const source: LogSource = { read: async (path) => (await folder.read(path)) ?? (await log.read(path)) }
    return new Mirror(folder, await CheckedEntries.open(source, head), head)
  }

  /** Returns the packed entries of a bundle once it, and its tile, are in the folder. */
  bundle(index: number): Promise<Uint8Array> {
    for (let next = index; next <= Math.min(index + AHEAD, this.#entries.bundles - 1); next++) {
      if (this.#bundles.has(next)) continue
      const fetched = this.#fetch(next)
      // Its failure is seen when it is asked for.
      fetched.catch(() => {})
      this.#bundles.set(next, fetched)
    }
    for (const old of this.#bundles.keys()) if (old < index) this.#bundles.delete(old)
    return this.#bundles.get(index) as Promise<Uint8Array>
  }

  /**
   * Fetches whatever of the tree is not in the folder yet.
   *
   * @param onBundle - told how many bundles were looked at
   */
  async complete(onBundle: (bundles: number) => void): Promise<void> {
    for (const tile of tilesOf(this.#head.treeSize)) {
      if (tile.level === 0) {
        const isThere = (await this.#has(tile)) && (await this.#folder.size(bundleOf(tile))) !== undefined
        if (!isThere) await this.#fetch(tile.index)
        onBundle(tile.index + 1)
      } else if (!(await this.#has(tile))) {
        await this.#folder.write(tilePath(tile), await this.#entries.hashes(tile.level, tile.index))
      }
    }
  }

  /** Removes partial tiles and bundles that are of no use to this head. */
  async tidy(): Promise<void> {
    const needed = new Set<string>()
    for (const tile of tilesOf(this.#head.treeSize)) {
      if (tile.width === TILE_WIDTH) continue
      needed.add(tilePath(tile))
      if (tile.level === 0) needed.add(bundleOf(tile))
    }
    for (const path of await this.#folder.list("tile")) {
      const isWhole = !path.includes(".p/") && !path.endsWith(".draft")
      if (!isWhole && !needed.has(path)) await this.#folder.remove(path)
    }
  }

  async #has(tile: Tile): Promise<boolean> {
    return (await this.#folder.size(tilePath(tile))) === tile.width * HASH_SIZE
  }

  async #fetch(index: number): Promise<Uint8Array> {
    const bundle = await this.#entries.bundle(index)
    const tile = tileAt(0, index, this.#head.treeSize) as Tile
    if ((await this.#folder.size(bundleOf(tile))) !== bundle.length) {
      await this.#folder.write(bundleOf(tile), bundle)
    }
    if (!(await this.#has(tile))) {
      await this.#folder.write(tilePath(tile), await this.#entries.hashes(0, index))
    }
    return bundle
  }
}

function bundleOf({ index, width }: Tile): string {
  return bundlePath(index, width)
}
