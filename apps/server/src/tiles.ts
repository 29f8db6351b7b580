/**
 * The log in the form of c2sp.org/tlog-tiles: its checkpoint, hash tiles and entry bundles.
 *
 *     checkpoint               text, good for a second
 *     tile/<L>/<N>[.p/<W>]     32-byte hashes, the same for ever
 *     tile/entries/<N>[.p/<W>] uint16be length ‖ entry, the same for ever
 *
 * Nothing past the published head is there: a width that no published tree reaches is 404, as is every path that
 * is not spelled in the one way. Answers are bytes of the storage as they are, not compressed: a third of a
 * bundle could be saved, at more time than a local reader takes to check it.
 *
 * Spec: c2sp.org/tlog-tiles; `specs` 2.3.
 */

import { parseBundlePath } from "@prooflog/tlog/bundle"
import { TlogError } from "@prooflog/tlog/error"
import { parseTilePath, type Tile, tileAt } from "@prooflog/tlog/tile"
import { type Answer, contentHeaders } from "./answer.js"
import { ServerError } from "./error.js"
import type { Route } from "./route.js"
import type { ServedLog } from "./served-log.js"

const CHECKPOINT_HEADERS = contentHeaders("text/plain; charset=utf-8", "max-age=1")
const TILE_HEADERS = contentHeaders("application/octet-stream", "public, max-age=31536000, immutable")

export function tileRoutes({ ledger }: ServedLog): readonly Route[] {
  async function readTile(path: string): Promise<Answer> {
    const asked = placeOf(path)
    const published = tileAt(asked.level, asked.index, ledger.publishedHead.treeSize)
    if (published === undefined || asked.width > published.width) {
      throw new ServerError("SERVER_NOT_PUBLISHED", "no published tree reaches this far")
    }
    const bytes = await ledger.storage.read(path)
    if (bytes === undefined) throw new Error(`bug: ${path} is published and not stored`)
    return { status: 200, headers: TILE_HEADERS, body: bytes }
  }

  return [
    {
      method: "GET",
      path: "tile/{path}",
      takesSlashes: true,
      access: "public",
      summary: "A hash tile (tile/L/N) or an entry bundle (tile/entries/N), whole or partial (.p/W)",
      parameters: [
        {
          name: "path",
          in: "path",
          required: true,
          description: "As c2sp.org/tlog-tiles spells it: 0/x001/x234/067, entries/000.p/8",
          schema: { type: "string" },
        },
      ],
      answers: {
        200: { description: "The bytes, the same for ever", mediaType: "application/octet-stream" },
      },
      // The path as it was sent: Express would decode it, and there would be two names for one tile.
      handle: (call) => readTile(call.path),
    },
    {
      method: "GET",
      path: "checkpoint",
      access: "public",
      summary: "The published head: a signed note of c2sp.org/tlog-checkpoint",
      answers: { 200: { description: "The checkpoint", mediaType: "text/plain" } },
      handle: () => ({ status: 200, headers: CHECKPOINT_HEADERS, body: ledger.publishedHead.note }),
    },
  ]
}

/** A bundle is as wide as the tile of level 0 with its number. */
function placeOf(path: string): Tile {
  try {
    if (path.startsWith("tile/entries/")) return { level: 0, ...parseBundlePath(path) }
    return parseTilePath(path)
  } catch (cause) {
    if (!(cause instanceof TlogError)) throw cause
    throw new ServerError("SERVER_NOT_FOUND", "this is not the path of a tile", { cause })
  }
}
