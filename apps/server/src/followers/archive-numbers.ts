/** What the archive knows, in numbers. Pure. */

import { type ArchiveState, isTrusted } from "@prooflog/archive/archive-state"
import type { Manifest } from "@prooflog/archive/manifest"
import type { ArchiveNumbers, ClassNumbers, OwedNumbers } from "./archive-calls.js"

/** Returns a state in numbers. */
export function numbersOf(state: ArchiveState): ArchiveNumbers {
  const trusted = state.segments.filter(isTrusted).map(({ manifest }) => manifest)
  const names = new Set([...Object.keys(state.classes), ...trusted.map((manifest) => manifest.class)])
  const classes = [...names].sort().map((name): [string, ClassNumbers] => {
    const { archived = 0, destroyed = 0, held_back = [] } = state.classes[name] ?? {}
    return [
      name,
      {
        ...sumOf(trusted.filter((manifest) => manifest.class === name)),
        archivedBeforeLeaf: archived,
        destroyedBeforeLeaf: destroyed,
        heldBack: held_back.length,
      },
    ]
  })
  const { segments, records, bytes } = sumOf(trusted)
  return { segments, records, bytes, classes: Object.fromEntries(classes), owed: owedOf(state) }
}

type Sum = Omit<ClassNumbers, "archivedBeforeLeaf" | "destroyedBeforeLeaf" | "heldBack">

function sumOf(manifests: readonly Manifest[]): Sum {
  const ascending = [...manifests].sort((a, b) => a.first_leaf - b.first_leaf)
  const [first, last] = [ascending[0], ascending.at(-1)]
  return {
    segments: manifests.length,
    records: manifests.reduce((sum, { count }) => sum + count, 0),
    bytes: manifests.reduce((sum, { bytes }) => sum + bytes, 0),
    ...(first && { firstLeaf: first.first_leaf, firstTimeMs: first.first_time }),
    ...(last && { lastLeaf: last.last_leaf, lastTimeMs: last.last_time }),
  }
}

function owedOf({ segments, withdrawn, purge_owed, rewrite_owed, untold, gone }: ArchiveState): OwedNumbers {
  const expiries = gone.map(({ expires_ms: expiresMs }) => expiresMs)
  return {
    unfinished: segments.filter(({ state }) => state !== "in force").length,
    stale: segments.filter(({ stale }) => stale).length,
    withdrawn,
    purge: purge_owed,
    rewrite: rewrite_owed,
    untold: untold.length,
    expiring: gone.reduce((sum, { count }) => sum + count, 0),
    ...(expiries.length > 0 && { nextExpiryMs: Math.min(...expiries) }),
  }
}
