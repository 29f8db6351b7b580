import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { MemoryDisk } from "@prooflog/ledger/memory"
import { initFolder } from "@prooflog/server/folder"
import { decodeBase64 } from "@prooflog/tlog/base64"
import { parseCheckpoint, signCheckpoint } from "@prooflog/tlog/checkpoint"
import { checkConsistency } from "@prooflog/tlog/consistency"
import { cosign } from "@prooflog/tlog/cosignature"
import { EMPTY_ROOT, sha256 } from "@prooflog/tlog/hash"
import { createSignerKey } from "@prooflog/tlog/key"
import { formatNote, type NoteSignature, parseNote } from "@prooflog/tlog/note"
import { parsePolicy } from "@prooflog/tlog/policy"
import { parseAccusation, verifyAccusation } from "@prooflog/verifier/accusation"
import { afterEach, describe, expect, it } from "vitest"
import { RealWitness } from "./real-witness.js"
import { anEvent, ask, eventually, type Got, type Served, type ServeOptions, serve } from "./served.js"

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "prooflog-heads-"))
  ends.push(() => rm(dir, { recursive: true, force: true }))
  return dir
}

async function begin(options: ServeOptions = {}): Promise<Served> {
  const served = await serve({ publishEveryMs: 20, ...options })
  ends.push(() => served.stop())
  return served
}

/** Two logs with one key, in folders that were one. */
async function twins(): Promise<[Served, Served]> {
  const dir = await folder()
  await initFolder(join(dir, "left"))
  await cp(join(dir, "left"), join(dir, "right"), { recursive: true })
  return [await begin({ dir: join(dir, "left") }), await begin({ dir: join(dir, "right") })]
}

/** Logs so many events, and returns the head that has them. */
async function grow(served: Served, events: number, key = served.keys.writer): Promise<string> {
  const { status } = await served.request({
    method: "POST",
    path: "v1/events?wait=receipt",
    key,
    type: "application/json",
    body: JSON.stringify(Array.from({ length: events }, () => anEvent())),
  })
  expect(status).toBe(200)
  return (await served.request({ path: "checkpoint" })).body.toString()
}

function show(served: Served, body: string | Uint8Array, type = "text/plain"): Promise<Got> {
  return served.request({ method: "POST", path: "v1/checkpoints", type, body })
}

const accusationsOf = ({ dir }: Served) => readdir(join(dir, "accusations"))

function convict(served: Served, text: string) {
  return readFile(served.server.folder.policyPath).then((policy) =>
    verifyAccusation(parseAccusation(text), parsePolicy(policy)),
  )
}

describe("POST v1/checkpoints", () => {
  it("says how a head stands to ours, and proves it", async () => {
    const served = await begin()
    const older = await grow(served, 3)
    const ours = await grow(served, 300)
    const same = await show(served, ours)
    expect(same).toMatchObject({
      status: 200,
      json: { relation: "same", checkpoint: ours, proof: [] },
      headers: { "access-control-allow-origin": "*", "cache-control": "no-store" },
    })
    const { json } = await show(served, older)
    expect(json).toMatchObject({ relation: "older", checkpoint: ours })
    const [a, b] = [older, ours].map((note) => parseCheckpoint(parseNote(note).text)) as [
      ReturnType<typeof parseCheckpoint>,
      ReturnType<typeof parseCheckpoint>,
    ]
    checkConsistency({
      oldSize: a.treeSize,
      oldRoot: a.rootHash,
      newSize: b.treeSize,
      newRoot: b.rootHash,
      proof: (json.proof as string[]).map((hash) => decodeBase64(hash) as Uint8Array),
    })
    const { signerKey } = served.server.folder
    const empty = { origin: signerKey.name, treeSize: 0, rootHash: EMPTY_ROOT, extensions: [] }
    expect((await show(served, signCheckpoint(empty, signerKey))).json).toMatchObject({
      relation: "older",
      proof: [],
    })
    // What strangers append is no matter.
    expect((await show(served, `${ours}— stranger.example AAAAAAAA\n`)).json.relation).toBe("same")
    const metrics = (await ask(served, "metrics", "admin")).body.toString()
    expect(metrics).toContain('prooflog_heads_compared_total{relation="older"} 2')
    expect(metrics).toContain("prooflog_accusations 0")
  })

  it("looks only at what bears this log's signature", async () => {
    const served = await begin()
    const ours = await grow(served, 1)
    const { signerKey } = served.server.folder
    const stranger = createSignerKey("other.example", new Uint8Array(32), 1)
    const impostor = createSignerKey(signerKey.name, new Uint8Array(32), 1)
    const head = { treeSize: 0, rootHash: EMPTY_ROOT, extensions: [] }
    const cases: [string | Uint8Array, number, string][] = [
      ["", 400, "SERVER_MALFORMED_CHECKPOINT"],
      ["hello\n", 400, "SERVER_MALFORMED_CHECKPOINT"],
      ['{"checkpoint":"…"}', 400, "SERVER_MALFORMED_CHECKPOINT"],
      [Uint8Array.of(0xff, 0xfe), 400, "SERVER_MALFORMED_CHECKPOINT"],
      [ours.slice(0, -1), 400, "SERVER_MALFORMED_CHECKPOINT"],
      [signCheckpoint({ ...head, origin: stranger.name }, stranger), 422, "SERVER_OTHER_LOG"],
      [signCheckpoint({ ...head, origin: impostor.name }, impostor), 422, "SERVER_UNSIGNED_CHECKPOINT"],
      [ours.replace(/\n\d+\n/, "\n7\n"), 422, "SERVER_UNSIGNED_CHECKPOINT"],
      ["x".repeat(65_537), 413, "SERVER_BODY_TOO_LARGE"],
    ]
    for (const [body, status, code] of cases) {
      const got = await show(served, body)
      expect({ status: got.status, code: got.json.code }).toEqual({ status, code })
    }
    expect(await readdir(served.dir)).not.toContain("accusations")
    expect((await served.request({ path: "v1/checkpoints" })).json.code).toBe("SERVER_METHOD_NOT_ALLOWED")
    const preflight = await served.request({ method: "OPTIONS", path: "v1/checkpoints" })
    expect(preflight.headers["access-control-allow-methods"]).toBe("POST, OPTIONS")
  })

  it("is not kept from it by spoilt cosignatures", async () => {
    const dir = await folder()
    const { signerKey } = await initFolder(dir)
    const witnesses = [new RealWitness("w1"), new RealWitness("w2")]
    for (const witness of witnesses) {
      await witness.begin(signerKey)
      ends.push(() => witness.end())
    }
    const served = await begin({
      dir,
      clock: Date.now,
      policy: (key) =>
        `log ${key}\n${witnesses.map(({ line }) => line).join("\n")}\ngroup all all w1 w2\nquorum all\n`,
    })
    const ours = await grow(served, 3)
    const { text, signatures } = parseNote(ours)
    const spoil = (name: string) =>
      signatures.map((signature) =>
        signature.name === name
          ? { ...signature, bytes: signature.bytes.map((byte) => byte ^ 1) }
          : signature,
      )
    for (const name of ["w1.example", "w2.example"]) {
      const got = await show(served, formatNote({ text, signatures: spoil(name) }))
      expect(got).toMatchObject({ status: 200, json: { relation: "same", checkpoint: ours } })
    }
    const unsigned = await show(served, formatNote({ text, signatures: spoil(signerKey.name) }))
    expect(unsigned.json.code).toBe("SERVER_UNSIGNED_CHECKPOINT")

    // What is kept of such a head are the signatures that verify.
    const ahead = signCheckpoint(
      { origin: signerKey.name, treeSize: 9, rootHash: EMPTY_ROOT, extensions: [] },
      signerKey,
    )
    const [good, bad] = [1, 0].map((flip) => {
      const key = createSignerKey("w1.example", sha256(new TextEncoder().encode("w1")), 4)
      const made = cosign(parseNote(ahead).text, key, 1_700_000_000)
      return { ...made, bytes: flip === 0 ? made.bytes.map((byte) => byte ^ 1) : made.bytes }
    }) as [NoteSignature, NoteSignature]
    const [own] = parseNote(ahead).signatures as [NoteSignature]
    const headText = parseNote(ahead).text
    await show(served, formatNote({ text: headText, signatures: [bad, own, bad, good] }))
    const [name = ""] = await accusationsOf(served)
    expect(await readFile(join(dir, "accusations", name), "utf8")).toBe(
      formatNote({ text: headText, signatures: [own, good] }),
    )
  })

  it("is answered so often for one address, and later again", async () => {
    let nowMs = Date.now()
    const served = await begin({ clock: () => nowMs })
    const ours = (await served.request({ path: "checkpoint" })).body
    const answers = await Promise.all(Array.from({ length: 70 }, () => show(served, ours)))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused).toHaveLength(10)
    expect(refused[0]).toMatchObject({
      headers: { "retry-after": "1" },
      json: { code: "SERVER_TOO_MANY_REQUESTS" },
    })
    nowMs += 1_000
    expect((await show(served, ours)).status).toBe(200)
  })
})

describe("a fork of two logs with one key", () => {
  it("convicts its signer wherever its heads meet, and is kept", async () => {
    const [left, right] = await twins()
    const small = await grow(left, 4)
    await grow(right, 9)
    const got = await show(right, small)
    expect(got).toMatchObject({ status: 200, json: { relation: "inconsistent" } })
    expect(got.json).not.toHaveProperty("proof")
    // Whoever asked has it, too.
    const told = await convict(right, JSON.stringify(got.json.accusation))
    expect(told).toMatchObject({ accused: right.server.folder.origin })

    const [name = ""] = await accusationsOf(right)
    expect(name).toMatch(/^inconsistent-[0-9a-f]{16}\.json$/)
    const file = await readFile(join(right.dir, "accusations", name), "utf8")
    expect((await convict(left, file)).proven).toContain("does not begin with the tree of 5 leaves")
    expect(parseAccusation(file).found?.by).toBe("the log's own server")
    const alarms = () => right.told.filter((it) => it.level === "error" && JSON.stringify(it).includes(name))
    expect(alarms()).toHaveLength(1)
    expect((await right.request({ path: "readyz" })).json).toMatchObject({
      status: "ready",
      warnings: expect.arrayContaining([expect.stringContaining("two histories")]),
    })
    expect((await right.request({ path: "readyz?for=publishing" })).json).toMatchObject({
      code: "SERVER_NOT_READY",
      detail: expect.stringContaining("two histories"),
    })
    expect((await ask(right, "metrics", "admin")).body.toString()).toContain("prooflog_accusations 1")

    // Shown again, also when ours has grown: one file, one alarm.
    await grow(right, 2)
    expect((await show(right, small)).json.relation).toBe("inconsistent")
    expect(await accusationsOf(right)).toEqual([name])
    expect(alarms()).toHaveLength(1)

    // Equal sizes need no tiles.
    const [a, b] = [await grow(left, 7), (await right.request({ path: "checkpoint" })).body.toString()]
    expect([a, b].map((note) => parseCheckpoint(parseNote(note).text).treeSize)).toEqual([12, 12])
    expect((await show(right, a)).json).toMatchObject({
      relation: "inconsistent",
      accusation: { kind: "same-size" },
    })
    expect((await accusationsOf(right)).map((file) => file.slice(0, -22))).toEqual([
      "inconsistent",
      "same-size",
    ])
  })

  it("remembers it after a restart", async () => {
    const [left, right] = await twins()
    const disk = right.disk
    await grow(right, 3)
    await show(right, await grow(left, 2))
    await right.server.close()
    const again = await begin({ dir: right.dir, disk })
    expect((await again.request({ path: "readyz?for=publishing" })).json.detail).toContain(
      "accusations kept: 1",
    )
    expect(again.told).toContainEqual({ level: "error", words: expect.stringContaining("two histories") })
  })

  it("is an alarm while the other log is ahead, and an accusation once ours has grown past it", async () => {
    const [left, right] = await twins()
    const large = await grow(left, 6)
    const got = await show(right, large)
    expect(got).toMatchObject({ status: 200, json: { relation: "newer" } })
    expect(got.json).not.toHaveProperty("proof")
    const [name = ""] = await accusationsOf(right)
    expect(name).toMatch(/^ahead-[0-9a-f]{16}\.checkpoint$/)
    expect(await readFile(join(right.dir, "accusations", name), "utf8")).toBe(large)
    expect((await right.request({ path: "readyz?for=publishing" })).json.detail).toContain(
      "more than was ever signed here",
    )
    await grow(right, 8)
    const [accusation = ""] = await eventually(async () => {
      const names = await accusationsOf(right)
      return names.includes(name) ? undefined : names
    })
    expect(
      (await convict(left, await readFile(join(right.dir, "accusations", accusation), "utf8"))).accused,
    ).toBe(left.server.folder.origin)
    expect((await right.request({ path: "readyz" })).json.warnings).toContainEqual(
      expect.stringContaining("two histories"),
    )
  })

  it("convicts a witness that cosigned both, too", async () => {
    const dir = await folder()
    const { signerKey } = await initFolder(join(dir, "left"))
    await cp(join(dir, "left"), join(dir, "right"), { recursive: true })
    // One key, two memories: what a restored backup of a witness would be.
    const [one, other] = [new RealWitness("w"), new RealWitness("w")]
    for (const witness of [one, other]) {
      await witness.begin(signerKey)
      ends.push(() => witness.end())
    }
    const under = (witness: RealWitness, name: string) =>
      begin({
        dir: join(dir, name),
        clock: Date.now,
        policy: (key) => `log ${key}\n${witness.line}\nquorum w\n`,
      })
    const [left, right] = [await under(one, "left"), await under(other, "right")]
    await grow(right, 5)
    await show(right, await grow(left, 2))
    expect((await accusationsOf(right)).map((file) => file.slice(0, -22)).sort()).toEqual([
      "inconsistent",
      "witness-equivocation",
    ])
    const name = (await accusationsOf(right)).find((file) => file.startsWith("witness")) as string
    const file = await readFile(join(right.dir, "accusations", name), "utf8")
    expect((await convict(left, file)).accused).toBe("w.example")
  })
})

describe("a head that is signed and not published yet", () => {
  it("is newer, proven to grow out of ours, and no alarm", async () => {
    const dir = await folder()
    const { signerKey } = await initFolder(dir)
    const witness = new RealWitness("w")
    await witness.begin(signerKey)
    ends.push(() => witness.end())
    const served = await begin({
      dir,
      disk: new MemoryDisk(),
      receiptWaitMs: 1_000,
      clock: Date.now,
      policy: (key) => `log ${key}\n${witness.line}\nquorum w\n`,
    })
    const published = await grow(served, 2)
    await witness.die()
    await served.request({
      method: "POST",
      path: "v1/events",
      key: served.keys.writer,
      type: "application/json",
      body: JSON.stringify([anEvent(), anEvent()]),
    })
    const signed = await eventually(async () => {
      const note = await readFile(served.server.folder.signedHeadPath, "utf8")
      return parseCheckpoint(parseNote(note).text).treeSize === 5 ? note : undefined
    })
    const { json } = await show(served, signed)
    expect(json).toMatchObject({ relation: "newer", checkpoint: published })
    expect((json.proof as string[]).length).toBeGreaterThan(0)
    expect(await readdir(dir)).not.toContain("accusations")
  })
})
