import { mkdtemp, readFile, rm, stat, unlink } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { MemoryDisk } from "@prooflog/ledger/memory"
import { initFolder } from "@prooflog/server/folder"
import { type OpenedCheckpoint, openCheckpoint, parsePolicy } from "@prooflog/tlog/policy"
import { verifyEvidence } from "@prooflog/verifier/verify-evidence"
import { afterEach, describe, expect, it } from "vitest"
import { RealWitness } from "./real-witness.js"
import { anEvent, ask, eventually, type Got, type Served, type ServeOptions, serve } from "./served.js"

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** A log that must be cosigned by two of three, and can be served again and again. */
async function witnessed() {
  const dir = await mkdtemp(join(tmpdir(), "prooflog-witnessed-"))
  ends.push(() => rm(dir, { recursive: true, force: true }))
  const { signerKey, policyPath } = await initFolder(dir)
  const witnesses = ["w1", "w2", "w3"].map((name) => new RealWitness(name)) as [
    RealWitness,
    RealWitness,
    RealWitness,
  ]
  for (const witness of witnesses) {
    await witness.begin(signerKey)
    ends.push(() => witness.end())
  }
  const lines = witnesses.map(({ line }) => `${line}\n`).join("")
  const policyText = (key: string) =>
    `log ${key}\n${lines}group two-of-three 2 w1 w2 w3\nquorum two-of-three\n`
  const disk = new MemoryDisk()
  async function begin(options: ServeOptions = {}): Promise<Served> {
    const served = await serve({
      dir,
      disk,
      policy: policyText,
      clock: Date.now,
      publishEveryMs: 20,
      witnesses: { timeoutMs: 2_000 },
      ...options,
    })
    ends.push(() => served.stop())
    return served
  }
  const policy = async () => parsePolicy(await readFile(policyPath))
  return { dir, disk, witnesses, begin, policy }
}

function log(served: Served, key = served.keys.writer): Promise<Got> {
  return served.request({
    method: "POST",
    path: "v1/events?wait=receipt",
    key,
    type: "application/json",
    body: JSON.stringify(anEvent()),
  })
}

async function ready(served: Served, query = ""): Promise<Got> {
  return served.request({ path: `readyz${query}` })
}

async function sizes(served: Served) {
  const { json } = await served.request({ path: "v1/log" })
  const { signed, published } = json as Record<"signed" | "published", { tree_size: number }>
  return { signed: signed.tree_size, published: published.tree_size }
}

describe("a log with witnesses", () => {
  it("publishes with two of three, one slow, one dead", async () => {
    const { witnesses, begin, policy } = await witnessed()
    const [, slow, dead] = witnesses
    slow.delayMs = 60
    await dead.die()
    const served = await begin({ receiptWaitMs: 20_000 })
    expect(served.told).toContainEqual({
      level: "info",
      words: expect.stringContaining("a head is published once"),
    })
    expect(served.server.publishing).toContain('quorum "two-of-three" of 3 witnesses')
    for (let i = 1; i <= 4; i++) {
      const got = await log(served)
      expect(got.status).toBe(201)
      const { events, cosigned } = verifyEvidence(JSON.stringify(got.json.evidence), await policy())
      expect(events[0]?.leafIndex).toBe(got.json.leaf_index)
      expect(cosigned).toBeDefined()
    }
    expect(cosigners(await checkpointOf(served, await policy()))).toEqual(["w1", "w2"])
    const { json } = await ready(served)
    expect(json).toMatchObject({ status: "ready", publishing: { quorum: "met", published_size: 5 } })
    const told = (json.publishing as { witnesses: { name: string; failure?: string }[] }).witnesses
    expect(told.map(({ name, failure }) => [name, failure !== undefined])).toEqual([
      ["w1", false],
      ["w2", false],
      ["w3", true],
    ])
    // One is spare, and no liar is borne: both are what toleranceOf says of 2 of 3.
    expect(json.warnings).toEqual([expect.stringContaining("no dishonest witness is borne")])
    expect((await ready(served, "?for=publishing")).status).toBe(200)
    const metrics = (await ask(served, "metrics", "admin")).body.toString()
    expect(metrics).toContain('prooflog_quorum{state="met"} 1')
    expect(metrics).toContain('prooflog_witness_size{witness="w1"} 5')
    const [, failing] = /prooflog_witness_failing_seconds\{witness="w3"\} (\S+)/.exec(metrics) ?? []
    expect(Number(failing)).toBeGreaterThan(0)
    expect(metrics).toContain('prooflog_witness_failing_seconds{witness="w1"} 0')
  })

  it("takes events and shows none of them while two are dead, through a restart, and recovers by itself", async () => {
    const { witnesses, begin, policy } = await witnessed()
    const [, second, third] = witnesses
    const first = await begin({ receiptWaitMs: 10_000 })
    const { keys } = first
    expect((await log(first)).json.evidence).toMatchObject({ format: "prooflog-evidence/1" })
    await second.die()
    await third.die()
    await first.server.close()

    const served = await begin({ receiptWaitMs: 150, follow: true })
    const before = await checkpointOf(served, await policy())
    expect(before.checkpoint.treeSize).toBe(2)
    expect(before.cosignatures.length).toBeGreaterThanOrEqual(2)
    const got = await log(served, keys.writer)
    expect(got).toMatchObject({
      status: 201,
      json: { leaf_index: 2, evidence: null },
      headers: { "retry-after": "1" },
    })
    await eventually(async () => ((await sizes(served)).signed === 3 ? true : undefined))
    expect((await sizes(served)).published).toBe(2)
    expect((await served.request({ path: "v1/receipts/2" })).json).toMatchObject({
      status: 404,
      code: "SERVER_NOT_PUBLISHED",
    })
    for (const path of ["tile/0/000.p/3", "tile/entries/000.p/3", "v1/proofs/inclusion?leaf_index=2"]) {
      expect((await served.request({ path })).status).toBe(404)
    }
    const unready = await eventually(async () => {
      const now = await ready(served, "?for=publishing")
      return now.status === 503 ? now : undefined
    })
    expect(unready.json).toMatchObject({
      code: "SERVER_NOT_READY",
      detail: expect.stringMatching(/no quorum .* since \d{4}-.*Z: 2 of 3 signed leaves are published/),
    })
    // A load balancer must not take away a log that takes events.
    const { status, json } = await ready(served)
    expect(status).toBe(200)
    expect(json).toMatchObject({
      warnings: expect.arrayContaining([expect.stringContaining("no quorum")]),
      publishing: { quorum: "missing", published_size: 2, signed_size: 3 },
    })
    const metrics = (await ask({ ...served, keys }, "metrics", "admin")).body.toString()
    expect(metrics).toContain('prooflog_quorum{state="missing"} 1')
    // Who asks sees what is signed; only what can be proven waits.
    await eventually(async () => {
      const { json } = await ask({ ...served, keys }, "v1/events?user_id=U12345&min_size=3", "admin")
      return (json.events as unknown[] | undefined)?.length === 2 ? true : undefined
    })

    await second.revive()
    const after = await eventually(async () => {
      const now = await checkpointOf(served, await policy())
      return now.checkpoint.treeSize >= 3 ? now : undefined
    })
    expect(cosigners(after)).toEqual(expect.arrayContaining(["w1", "w2"]))
    expect((await served.request({ path: "v1/receipts/2" })).status).toBe(200)
    expect((await ready(served, "?for=publishing")).status).toBe(200)
    expect((await ready(served)).json).toMatchObject({ publishing: { quorum: "met" } })
  }, 30_000)

  it("shows the tree without leaves before its first quorum", async () => {
    const { witnesses, begin, policy } = await witnessed()
    for (const witness of witnesses) await witness.die()
    const served = await begin({ receiptWaitMs: 50 })
    expect(await log(served)).toMatchObject({ status: 201, json: { evidence: null } })
    expect((await served.request({ path: "checkpoint" })).body.toString()).toMatch(/^[^\n]+\n0\n/)
    for (const path of ["tile/0/000.p/1", "v1/receipts/0", "v1/proofs/inclusion?leaf_index=0"]) {
      expect((await served.request({ path })).status).toBe(404)
    }
    expect((await served.request({ path: "v1/proofs/consistency?old_size=0" })).json).toMatchObject({
      proof: [],
    })
    for (const witness of witnesses) await witness.revive()
    await eventually(async () => {
      const { body } = await served.request({ path: "checkpoint" })
      try {
        return openCheckpoint(body, await policy()).checkpoint.treeSize === 2 ? true : undefined
      } catch {
        return undefined
      }
    })
  })

  it("goes on showing what it showed when it is given its first witnesses, and when it gets them back", async () => {
    const { witnesses, begin, policy } = await witnessed()
    for (const witness of witnesses) await witness.die()
    const alone = { policy: (key: string) => `log ${key}\nquorum none\n` }
    const first = await begin(alone)
    const { keys } = first
    for (let i = 0; i < 3; i++) await log(first)
    expect((await sizes(first)).published).toBe(4)
    await first.server.close()

    const given = await begin({ receiptWaitMs: 50 })
    expect(await log(given, keys.writer)).toMatchObject({ status: 201, json: { evidence: null } })
    expect(await sizes(given)).toEqual({ signed: 5, published: 4 })
    expect((await ready(given, "?for=publishing")).status).toBe(503)
    for (const witness of witnesses) await witness.revive()
    await eventually(async () => ((await sizes(given)).published === 5 ? true : undefined))
    expect((await checkpointOf(given, await policy())).cosignatures.length).toBeGreaterThanOrEqual(2)
    await given.server.close()

    for (const witness of witnesses) await witness.die()
    const taken = await begin(alone)
    await log(taken, keys.writer)
    expect(await sizes(taken)).toEqual({ signed: 6, published: 6 })
    await expect(stat(taken.server.folder.publishedHeadPath)).rejects.toMatchObject({ code: "ENOENT" })
    await taken.server.close()

    const again = await begin()
    expect((await sizes(again)).published).toBe(6)
    for (const witness of witnesses) await witness.revive()
    await eventually(async () => ((await ready(again, "?for=publishing")).status === 200 ? true : undefined))
  }, 30_000)

  it("warns when nobody renews the cosignatures of an idle log, and is no longer ready to publish when they are stale", async () => {
    const { witnesses, begin } = await witnessed()
    const served = await begin({ witnesses: { timeoutMs: 2_000, refreshMs: 100 } })
    await log(served)
    await eventually(async () => ((await ready(served, "?for=publishing")).status === 200 ? true : undefined))
    await witnesses[1].die()
    await witnesses[2].die()
    const stale = await eventually(async () => {
      const got = await ready(served, "?for=publishing")
      return got.status === 503 ? got : undefined
    })
    expect(stale.json.detail).toMatch(/no quorum of witnesses has renewed the cosignatures .* since \d{4}-/)
    expect((await ready(served)).json).toMatchObject({
      status: "ready",
      warnings: expect.arrayContaining([expect.stringContaining("renewed")]),
      publishing: { quorum: "stale", renewal_failing_since: expect.any(String), published_size: 2 },
    })
    const metrics = (await ask(served, "metrics", "admin")).body.toString()
    expect(metrics).toContain('prooflog_quorum{state="stale"} 1')
    const [, failing] = /^prooflog_renewal_failing_seconds (\S+)/m.exec(metrics) ?? []
    expect(Number(failing)).toBeGreaterThan(0)
    await witnesses[1].revive()
    await eventually(async () => ((await ready(served, "?for=publishing")).status === 200 ? true : undefined))
  })

  it("keeps both heads beside the key", async () => {
    const { dir, begin } = await witnessed()
    const served = await begin()
    await log(served)
    const { signedHeadPath, publishedHeadPath } = served.server.folder
    expect([signedHeadPath, publishedHeadPath]).toEqual([
      join(dir, "keys/signer.key.signed"),
      join(dir, "keys/signer.key.published"),
    ])
    await served.server.close()
    for (const path of [signedHeadPath, publishedHeadPath]) expect((await stat(path)).size).toBeGreaterThan(0)
  })

  it("is adopted without its signed head, but not if a witness knows more than is stored", async () => {
    const { disk, begin } = await witnessed()
    const first = await begin()
    await log(first)
    await first.server.close()
    const old = new MemoryDisk()
    Object.assign(old.tables, structuredClone(disk.tables))
    const { signedHeadPath, publishedHeadPath } = first.server.folder

    const second = await begin()
    expect((await log(second, first.keys.writer)).status).toBe(201)
    await second.server.close()
    const lose = () => Promise.all([unlink(signedHeadPath), unlink(publishedHeadPath)])
    await lose()
    await expect(begin()).rejects.toMatchObject({ code: "LEDGER_NO_SIGNED_HEAD" })
    await expect(begin({ disk: old, adoptHead: true })).rejects.toMatchObject({
      code: "LEDGER_BEHIND_WITNESS",
    })
    const adopted = await begin({ adoptHead: true })
    expect((await log(adopted, first.keys.writer)).json).toMatchObject({ leaf_index: 3 })
  })
})

describe("a policy that a log cannot live up to", () => {
  it.each([
    ["no policy", () => "quorum q\n", /policy: malformed policy: line 1/],
    ["another log's", () => `log ${OTHER_KEY}\nquorum none\n`, /line 1: expected this log's own key/],
    [
      "a quorum of witnesses without URLs",
      (key: string) => `log ${key}\nwitness w ${WITNESS_KEY}\n\nquorum w\n`,
      /line 4: the quorum "w" cannot be reached.*"w"/,
    ],
    [
      "a witness at a URL that is none",
      (key: string) => `log ${key}\n# here\nwitness w ${WITNESS_KEY} ftp://w.example/\nquorum w\n`,
      /line 3: expected an http or https URL/,
    ],
  ])("stops the start: %s", async (_, policy, message) => {
    await expect(serve({ policy })).rejects.toMatchObject({
      code: "SERVER_BAD_POLICY",
      message: expect.stringMatching(message),
    })
  })

  it("is not one whose witnesses count for nothing", async () => {
    const policy = (key: string) => `log ${key}\nwitness w ${WITNESS_KEY} https://w.example/\nquorum none\n`
    const served = await serve({ policy })
    ends.push(() => served.stop())
    const { json } = await ready(served)
    expect(json.warnings).toEqual([
      expect.stringContaining("no witness is asked"),
      expect.stringContaining('names "w", but its quorum is none'),
    ])
    expect(json.publishing).toMatchObject({ quorum: "none", witnesses: [] })
  })
})

const OTHER_KEY = "other.example/log+88381611+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs"
const WITNESS_KEY = "w.example+286b9aa5+BBOY9ixtGkV8UbpqS189vS9p/KkyFiGNyJl+QWvRfZPK"

async function checkpointOf(
  served: Served,
  policy: ReturnType<typeof parsePolicy>,
): Promise<OpenedCheckpoint> {
  return openCheckpoint((await served.request({ path: "checkpoint" })).body, policy)
}

function cosigners({ cosignatures }: OpenedCheckpoint): string[] {
  return cosignatures.map(({ witness }) => witness).sort()
}
