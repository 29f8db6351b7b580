/**
 * Accusations on disk: written the moment something is proven, before anyone is told.
 *
 *     <folder>/accusations/<kind>-<first 16 hex of SHA-256 of what it says>.json
 *
 * The same proof has the same name, so what is found again is not written again: not even when two find it at once, for
 * they are kept one after another.
 */

import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { encodeHex } from "@prooflog/tlog/base64"
import { sha256 } from "@prooflog/tlog/hash"
import { type Accusation, formatAccusation } from "@prooflog/verifier/accusation"
import { readIfThere, removeDrafts, writeDurably } from "./durable-file.js"
import { openQueue } from "./queue.js"

export interface Accusations {
  /**
   * Keeps an accusation that convicts; resolves, when it would survive a power cut, to the name of its file.
   */
  keep(accusation: Accusation): Promise<string>
  readonly folder: string
}

/** @param by - who found it, as the file says: 1 … 255 characters */
export async function openAccusations(
  monitorFolder: string,
  { by, clock }: { readonly by: string; readonly clock: () => number },
): Promise<Accusations> {
  const folder = join(monitorFolder, "accusations")
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await removeDrafts(folder)
  const inTurn = openQueue()
  return {
    folder,
    keep: (accusation) => {
      const { found: _, ...proven } = accusation
      const text = formatAccusation(proven as Accusation)
      const hash = encodeHex(sha256(new TextEncoder().encode(text))).slice(0, 16)
      const name = `${accusation.kind}-${hash}.json`
      const path = join(folder, name)
      return inTurn(async () => {
        if ((await readIfThere(path)) !== undefined) return name
        const at = new Date(clock()).toISOString()
        await writeDurably(path, formatAccusation({ ...accusation, found: { at, by } }))
        return name
      })
    },
  }
}
