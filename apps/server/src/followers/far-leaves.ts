/**
 * The log as the reader gets it from the server: a source to follow, whose every byte is suspect.
 */

import { HASH_SIZE } from "@prooflog/tlog/hash"
import { TILE_WIDTH, tileAt, tilePath } from "@prooflog/tlog/tile"
import type { RecordRange, RecordSource } from "@prooflog/verifier/follow"
import type { LogSource } from "@prooflog/verifier/source"
import type { ServerCalls } from "./calls.js"
import type { Link } from "./link.js"

export function farLeaves(server: Link<ServerCalls>): LogSource & RecordSource {
  return {
    read: (path) => server.ask("read", path),
    async records(start, end) {
      const slices: Uint8Array[] = []
      const tombstones: number[] = []
      for (let at = start; at < end; ) {
        const slice = await server.ask("records", { start: at, end })
        if (!(slice.end > at)) throw new Error("bug: the server answered no records")
        slices.push(slice.records)
        for (const leaf of slice.tombstones) tombstones.push(leaf)
        at = slice.end
      }
      return { records: joined(slices), tombstones } satisfies RecordRange
    },
  }
}

/**
 * Returns the hashes of leaves, 32 bytes each, in the order asked for.
 *
 * Nothing is checked: whoever makes a file for people to check puts them in, and the people do.
 *
 * @param treeSize - of a signed head that reaches all of them
 */
export async function leafHashes(
  { read }: LogSource,
  leafIndices: readonly number[],
  treeSize: number,
): Promise<Uint8Array> {
  const hashes = new Uint8Array(leafIndices.length * HASH_SIZE)
  let tile = -1
  let bytes: Uint8Array = hashes
  for (const [i, leafIndex] of leafIndices.entries()) {
    const index = Math.floor(leafIndex / TILE_WIDTH)
    if (index !== tile) {
      bytes = await readTile(read, index, treeSize)
      tile = index
    }
    const at = (leafIndex - index * TILE_WIDTH) * HASH_SIZE
    hashes.set(bytes.subarray(at, at + HASH_SIZE), i * HASH_SIZE)
  }
  return hashes
}

async function readTile(read: LogSource["read"], index: number, treeSize: number): Promise<Uint8Array> {
  const tile = tileAt(0, index, treeSize)
  const bytes = tile && (await read(tilePath(tile)))
  if (bytes === undefined) throw new RangeError(`leafHashes: tile ${index} is not in a tree of ${treeSize}`)
  return bytes
}

function joined([first = new Uint8Array(0), ...others]: readonly Uint8Array[]): Uint8Array {
  return others.length === 0 ? first : new Uint8Array(Buffer.concat([first, ...others]))
}
