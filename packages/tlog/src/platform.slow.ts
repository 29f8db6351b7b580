import { expect, it } from "vitest"
import * as node from "./platform-node.js"
import * as portable from "./platform-portable.js"
import { hexBytes, readVector, vectorsPresent } from "./vectors.js"

it.skipIf(!vectorsPresent)("both platforms give one verdict on all of CCTV's Ed25519 edge cases", () => {
  const cases: { number: number; key: string; sig: string; msg: string; flags: string[] | null }[] =
    JSON.parse(readVector("cctv-ed25519/ed25519vectors.json"))
  for (const { key, msg, sig, number, flags } of cases) {
    const args = [hexBytes(key), new TextEncoder().encode(msg), hexBytes(sig)] as const
    const verdict = node.ed25519Verify(...args)
    expect(portable.ed25519Verify(...args), `case ${number}`).toBe(verdict)
    if (flags?.includes("non_canonical_R")) expect(verdict, `case ${number}`).toBe(false)
  }
  expect(cases.length).toBe(914)
})
