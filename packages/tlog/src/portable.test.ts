import { describe, expect, it, vi } from "vitest"

// From here on every module hashes and signs as it would in a browser.
vi.mock("#platform", async () => await import("./platform-portable.js"))

import { signCheckpoint } from "./checkpoint.js"
import { checkConsistency, proveConsistency } from "./consistency.js"
import { cosign } from "./cosignature.js"
import { EMPTY_ROOT, leafHash, sha256 } from "./hash.js"
import { checkInclusion, proveInclusion } from "./inclusion.js"
import { EMPTY_EDGE, integrate } from "./integrate.js"
import { createSignerKey, formatSignerKey, formatVerifierKey, parseSignerKey, verifierKeyOf } from "./key.js"
import { formatNote, parseNote } from "./note.js"
import * as platform from "./platform-portable.js"
import { openCheckpoint, parsePolicy } from "./policy.js"
import { checkReceipt, formatReceipt, parseReceipt } from "./receipt.js"
import { someLeaves, treeOf } from "./reference.js"

describe("on the portable platform", () => {
  it("hashes are the portable ones", () => {
    expect(sha256).toBe(platform.sha256)
    expect(EMPTY_ROOT).toEqual(platform.sha256(new Uint8Array(0)))
  })

  it("trees, proofs, notes, cosignatures and receipts are the same", async () => {
    const entries = Array.from({ length: 300 }, (_, i) => new TextEncoder().encode(String(i)))
    const leaves = entries.map(leafHash)
    expect(leaves).toEqual(someLeaves(300))
    const { rootHash } = integrate(EMPTY_EDGE, new Uint8Array(Buffer.concat(leaves)))
    const oracle = treeOf(leaves)
    expect(rootHash).toEqual(oracle.root(300))

    const readTiles = oracle.readTiles(300)
    const path = await proveInclusion(270, 300, readTiles)
    checkInclusion({ leafIndex: 270, treeSize: 300, leafHash: leaves[270] as Uint8Array, path, rootHash })
    const proof = await proveConsistency(257, 300, readTiles)
    const oldRoot = oracle.root(257)
    checkConsistency({ oldSize: 257, oldRoot, newSize: 300, newRoot: rootHash, proof })

    const log = createSignerKey("example.com/log", new Uint8Array(32).fill(1), 1)
    expect(parseSignerKey(formatSignerKey(log))).toEqual(log)
    const witness = createSignerKey("witness.example", new Uint8Array(32).fill(2), 4)
    const [logText, witnessText] = [log, witness].map((key) => formatVerifierKey(verifierKeyOf(key)))
    const policy = parsePolicy(`log ${logText}\nwitness W ${witnessText}\nquorum W\n`)
    const signed = signCheckpoint({ origin: log.name, treeSize: 300, rootHash, extensions: [] }, log)
    const { text, signatures } = parseNote(signed)
    expect(() => openCheckpoint(signed, policy)).toThrow(expect.objectContaining({ code: "TLOG_NO_QUORUM" }))
    const checkpoint = formatNote({ text, signatures: [...signatures, cosign(text, witness, 42)] })
    expect(openCheckpoint(checkpoint, policy).cosignatures[0]?.timeSeconds).toBe(42)

    const receipt = parseReceipt(formatReceipt({ leafIndex: 270, path, checkpoint }))
    expect(checkReceipt(receipt, entries[270] as Uint8Array, policy).checkpoint.treeSize).toBe(300)
    expect(() => checkReceipt(receipt, entries[271] as Uint8Array, policy)).toThrow(
      expect.objectContaining({ code: "TLOG_PROOF_REFUSED" }),
    )
    const forged = checkpoint.replace("\n300\n", "\n301\n")
    expect(() => openCheckpoint(forged, policy)).toThrow(
      expect.objectContaining({ code: "TLOG_BAD_SIGNATURE" }),
    )
  })

  it("reads the notes that Node signs, and the reverse", async () => {
    const node = await import("./platform-node.js")
    const seed = new Uint8Array(32).fill(6)
    const message = new TextEncoder().encode("hello\n")
    const [theirs, ours] = [node.ed25519Sign(seed, message), platform.ed25519Sign(seed, message)]
    expect(theirs).toEqual(ours)
    expect(platform.ed25519Verify(node.ed25519PublicKey(seed), message, theirs)).toBe(true)
    expect(node.ed25519Verify(platform.ed25519PublicKey(seed), message, ours)).toBe(true)
  })
})
