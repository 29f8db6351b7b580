import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { signCheckpoint } from "@prooflog/tlog/checkpoint"
import { leafHash } from "@prooflog/tlog/hash"
import { EMPTY_EDGE, integrate } from "@prooflog/tlog/integrate"
import { createSignerKey, ED25519, formatVerifierKey, verifierKeyOf } from "@prooflog/tlog/key"
import { parsePolicy } from "@prooflog/tlog/policy"
import { tilePath } from "@prooflog/tlog/tile"
import { VerifierError, type VerifierErrorCode } from "@prooflog/verifier/error"
import type { LogSource } from "@prooflog/verifier/source"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { ClientError } from "./error.js"
import { MAX_KEPT_FILES, RefusedHeads } from "./refused-heads.js"

const ORIGIN = "log.example/access"
const SIGNER = createSignerKey(ORIGIN, new Uint8Array(32).fill(7), ED25519)
const POLICY = parsePolicy(`log ${formatVerifierKey(verifierKeyOf(SIGNER))}\nquorum none\n`)

/** The tiles of 100 leaves that are called so, and a head of each size. */
function logOf(word: string) {
  const tiles = new Map<string, Uint8Array>()
  const head = (treeSize: number) => {
    const hashes = Array.from({ length: treeSize }, (_, i) => leafHash(Buffer.from(`${word} ${i}`)))
    const tree = integrate(EMPTY_EDGE, Buffer.concat(hashes))
    for (const { tile, bytes } of tree.tiles) tiles.set(tilePath(tile), bytes)
    return signCheckpoint({ origin: ORIGIN, treeSize, rootHash: tree.rootHash, extensions: [] }, SIGNER)
  }
  return { head, source: { read: async (path: string) => tiles.get(path) } }
}

const LOG = logOf("leaf")
const FORK = logOf("other")
const KNOWN = LOG.head(100)
const SILENT: LogSource = { read: async () => undefined }

const folder = mkdtempSync(join(tmpdir(), "prooflog-refused-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const errors: ClientError[] = []
const refused = new RefusedHeads({
  policy: POLICY,
  file: join(folder, "head"),
  clock: () => 1_700_000_000_000,
  onError: (error) => errors.push(error),
})

function keep(code: VerifierErrorCode, shown: string, source: LogSource) {
  const heads = { known: KNOWN, shown }
  return refused.keep(new VerifierError(code, "refused", { heads }), heads, source)
}

describe("a log that went back more often than is kept", () => {
  beforeAll(async () => {
    for (let i = 0; i <= MAX_KEPT_FILES; i++) await keep("VERIFIER_WENT_BACK", LOG.head(50 + i), LOG.source)
  })

  it("has filled the files for that", () => {
    expect(readdirSync(folder)).toHaveLength(MAX_KEPT_FILES)
    expect(errors.splice(0)).toMatchObject([{ code: "CLIENT_HEAD_FILE" }])
  })

  it("is caught with every head that contradicts it all the same", async () => {
    const { accusations, files } = await keep("VERIFIER_FORKED", FORK.head(100), SILENT)
    expect(accusations).toHaveLength(1)
    expect(files).toMatchObject([
      expect.stringMatching(/head\.refused-[0-9a-f]{16}\.json$/),
      expect.stringContaining("head.accusation-same-size-"),
    ])
    expect(errors).toEqual([])
  })

  it("is caught with a smaller head that nobody can compare", async () => {
    const { accusations, files } = await keep("VERIFIER_WENT_BACK", FORK.head(70), SILENT)
    expect(accusations).toEqual([])
    expect(files).toMatchObject([expect.stringMatching(/head\.refused-[0-9a-f]{16}\.json$/)])
    expect(readdirSync(folder)).toHaveLength(MAX_KEPT_FILES + 3)
  })
})
