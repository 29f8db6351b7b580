/** Software we did not write checks what a real log serves. */

import { execFileSync } from "node:child_process"
import { createPublicKey } from "node:crypto"
import { writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { decodeBase64 } from "@prooflog/tlog/base64"
import { bundlePath, parseBundle } from "@prooflog/tlog/bundle"
import { parseNote } from "@prooflog/tlog/note"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { post, sampleEvent, startLog } from "./running-log.js"

const require = createRequire(import.meta.url)
// The library's own front door takes whole Sigstore bundles; its note and Merkle code stand behind it.
const sigstore = join(require.resolve("@sigstore/verify"), "../tlog")
const { verifyCheckpoint } = require(join(sigstore, "checkpoint.js"))
const { verifyMerkleInclusion } = require(join(sigstore, "merkle.js"))

const SIZE = 300
/** DER that stands before the 32 bytes of an Ed25519 key (RFC 8410). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex")

let log: Awaited<ReturnType<typeof startLog>>
let checkpoint: string

beforeAll(async () => {
  log = await startLog()
  const events = Array.from({ length: SIZE - 2 }, (_, n) => sampleEvent(n))
  expect((await post(`${log.url}v1/events`, log.writerKey, events)).status).toBe(200)
  const last = await post(`${log.url}v1/events?wait=receipt`, log.writerKey, sampleEvent(SIZE))
  expect(last.body.evidence).not.toBeNull()
  checkpoint = await (await fetch(`${log.url}checkpoint`)).text()
})

afterAll(() => log.close())

function logKey() {
  const [key] = log.policy.logs
  if (key === undefined) throw new Error("the policy names no log")
  return key.key
}

function publicKey() {
  return createPublicKey({
    key: Buffer.concat([SPKI_PREFIX, logKey().publicKey]),
    format: "der",
    type: "spki",
  })
}

describe("@sigstore/verify", () => {
  const asSigstoreKnowsIt = () => {
    const id = Buffer.alloc(32)
    id.writeUInt32BE(logKey().keyId)
    return [{ logID: id, publicKey: publicKey(), baseURL: `https://${logKey().name}` }]
  }

  const entryWith = async (leafIndex: number) => {
    const proof = await (
      await fetch(`${log.url}v1/proofs/inclusion?leaf_index=${leafIndex}&tree_size=${SIZE}`)
    ).json()
    const index = Math.floor(leafIndex / 256)
    const width = Math.min(256, SIZE - index * 256)
    const bundle = new Uint8Array(await (await fetch(log.url + bundlePath(index, width))).arrayBuffer())
    return {
      canonicalizedBody: Buffer.from(parseBundle(bundle, width)[leafIndex % 256] ?? []),
      inclusionProof: {
        logIndex: String(leafIndex),
        hashes: (proof.path as string[]).map((hash) => Buffer.from(hash, "base64")),
        checkpoint: { envelope: checkpoint },
      },
    }
  }

  it("accepts our checkpoint and the inclusion proofs of every 7th leaf", async () => {
    for (let leaf = 0; leaf < SIZE; leaf += 7) {
      const entry = await entryWith(leaf)
      const opened = verifyCheckpoint(entry, asSigstoreKnowsIt())
      expect(opened.logSize).toBe(BigInt(SIZE))
      verifyMerkleInclusion(entry, opened)
    }
  })

  it("refuses the proof of another leaf, and a checkpoint of another key", async () => {
    const entry = await entryWith(8)
    const opened = verifyCheckpoint(entry, asSigstoreKnowsIt())
    entry.inclusionProof.logIndex = "9"
    expect(() => verifyMerkleInclusion(entry, opened)).toThrow()
    const [key] = asSigstoreKnowsIt()
    expect(() => verifyCheckpoint(entry, [{ ...key, logID: Buffer.alloc(32) }])).toThrow()
  })
})

describe("openssl", () => {
  const verify = (text: string) => {
    const signature = parseNote(checkpoint).signatures[0]?.bytes ?? new Uint8Array()
    writeFileSync(join(log.dir, "text"), text)
    writeFileSync(join(log.dir, "signature"), signature)
    writeFileSync(join(log.dir, "key.pem"), publicKey().export({ format: "pem", type: "spki" }))
    const args = [
      "pkeyutl",
      "-verify",
      "-rawin",
      "-pubin",
      "-inkey",
      "key.pem",
      "-in",
      "text",
      "-sigfile",
      "signature",
    ]
    return execFileSync("openssl", args, { cwd: log.dir, encoding: "utf8", stdio: "pipe" })
  }

  it("verifies the signature line over the note's text", () => {
    expect(verify(parseNote(checkpoint).text)).toContain("Verified Successfully")
  })

  it("refuses it over another text", () => {
    expect(() => verify(parseNote(checkpoint).text.replace(`${SIZE}`, `${SIZE + 1}`))).toThrow()
  })
})

it("writes base64 that a strict decoder accepts", () => {
  const [, , root = ""] = checkpoint.split("\n")
  expect(decodeBase64(root)).toHaveLength(32)
})
