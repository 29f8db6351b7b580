/** Keys of types that nobody knows yet. Test-only. */

import { createHash } from "node:crypto"

/** A verifier key of any type, with the key ID that c2sp.org/signed-note recommends. */
export function opaqueKey(name: string, ...typed: number[]): string {
  const bytes = Uint8Array.from(typed)
  const id = createHash("sha256").update(`${name}\n`).update(bytes).digest("hex").slice(0, 8)
  return `${name}+${id}+${Buffer.from(bytes).toString("base64")}`
}
