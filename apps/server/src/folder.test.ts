import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { decodeEntry } from "@prooflog/event/entry"
import { DEFAULT_SCHEDULE } from "@prooflog/event/schedule"
import { createSignerKey, formatSignerKey } from "@prooflog/tlog/key"
import { parsePolicy } from "@prooflog/tlog/policy"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { genesisEntry, initFolder, openFolder } from "./folder.js"

describe("the folder of a log", () => {
  let base: string
  let count = 0
  const fresh = () => join(base, `log-${count++}`)
  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), "prooflog-folder-"))
  })
  afterAll(() => rm(base, { recursive: true }))

  it("is made with everything in its place, secrets for their owner only", async () => {
    const dir = fresh()
    const folder = await initFolder(dir)
    expect(folder.created).toBe(true)
    expect((await readdir(dir)).sort()).toEqual([
      "alerts.yaml",
      "keys",
      "policy",
      "prooflog.json",
      "schedule.yaml",
    ])
    expect((await readdir(join(dir, "keys"))).sort()).toEqual(["label.key", "signer.key"])
    for (const name of ["signer.key", "label.key"]) {
      expect((await stat(join(dir, "keys", name))).mode & 0o777).toBe(0o600)
    }
    expect(folder.labelKey).toHaveLength(32)
    expect(folder.signedHeadPath).toBe(`${folder.signerKeyPath}.signed`)
    expect(folder.origin).toMatch(/^prooflog\.local\/[0-9a-f]{32}$/)
    expect(await readFile(join(dir, "keys", "signer.key"), "utf8")).toMatch(
      /^PRIVATE\+KEY\+prooflog\.local\//,
    )
  })

  it("has the policy that an auditor needs, and no more", async () => {
    const dir = fresh()
    const { origin, verifierKey, policyPath } = await initFolder(dir, { origin: "log.example/acme" })
    expect(origin).toBe("log.example/acme")
    expect(await readFile(policyPath, "utf8")).toBe(`log ${verifierKey}\nquorum none\n`)
    expect(parsePolicy(await readFile(policyPath)).logs).toHaveLength(1)
  })

  it("is opened, not made anew, when it is there", async () => {
    const dir = fresh()
    const made = await initFolder(dir)
    const again = await initFolder(dir)
    expect(again).toEqual({ ...made, created: false })
    expect(await openFolder(dir)).toMatchObject({ origin: made.origin, verifierKey: made.verifierKey })
    await expect(initFolder(dir, { origin: "log.example/other" })).rejects.toMatchObject({
      code: "SERVER_MALFORMED_FOLDER",
    })
    await expect(initFolder(dir, { keyPath: join(base, "other.key") })).rejects.toMatchObject({
      code: "SERVER_MALFORMED_FOLDER",
    })
  })

  it("always begins with the same genesis", async () => {
    const folder = await initFolder(fresh())
    const entry = decodeEntry(genesisEntry(folder, DEFAULT_SCHEDULE))
    expect(entry).toMatchObject({
      type: "genesis",
      origin: folder.origin,
      logId: new Uint8Array(folder.logId),
    })
    expect(genesisEntry(await openFolder(folder.dir), DEFAULT_SCHEDULE)).toEqual(
      genesisEntry(folder, DEFAULT_SCHEDULE),
    )
  })

  it("may have its signer key elsewhere: made there, or found there", async () => {
    const keyPath = join(base, "secret", "log.key")
    const made = await initFolder(fresh(), { origin: "log.example/a", keyPath })
    expect(made.signerKeyPath).toBe(keyPath)
    expect(await readdir(join(made.dir, "keys"))).toEqual(["label.key"])
    const found = await initFolder(fresh(), { keyPath })
    expect(found).toMatchObject({ origin: "log.example/a", verifierKey: made.verifierKey })
    await expect(initFolder(fresh(), { origin: "log.example/b", keyPath })).rejects.toMatchObject({
      code: "SERVER_MALFORMED_FOLDER",
    })
  })

  it("can be moved, and takes the key in it along", async () => {
    const dir = fresh()
    const { verifierKey } = await initFolder(dir)
    const moved = fresh()
    await rename(dir, moved)
    expect(await openFolder(moved)).toMatchObject({
      verifierKey,
      signerKeyPath: join(moved, "keys", "signer.key"),
    })
  })

  it("is not signed with a witness's key", async () => {
    const keyPath = join(base, "witness.key")
    await writeFile(keyPath, formatSignerKey(createSignerKey("w.example", new Uint8Array(32), 0x04)))
    await expect(initFolder(fresh(), { keyPath })).rejects.toMatchObject({ code: "SERVER_MALFORMED_FOLDER" })
  })

  it("is not made where other things are", async () => {
    const dir = fresh()
    await mkdir(dir)
    await writeFile(join(dir, "diary.txt"), "dear")
    await expect(initFolder(dir)).rejects.toMatchObject({ code: "SERVER_FOLDER_NOT_EMPTY" })
    expect(await readdir(dir)).toEqual(["diary.txt"])
  })

  it.each(["", "a b", "a+b", "a\nb", "x".repeat(256)])("is not named %j", async (origin) => {
    await expect(initFolder(fresh(), { origin })).rejects.toMatchObject({ code: "SERVER_MALFORMED_FOLDER" })
  })

  it("is finished after a crash at any step of its making", async () => {
    const whole = fresh()
    await initFolder(whole)
    // The steps of moving into place, and what a crash after each of them leaves.
    const names = ["keys", "policy", "schedule.yaml", "prooflog.json"]
    for (let moved = 0; moved <= names.length; moved++) {
      const dir = fresh()
      await mkdir(join(dir, ".prooflog-new"), { recursive: true })
      for (const [i, name] of names.entries()) {
        const place = i < moved ? dir : join(dir, ".prooflog-new")
        await cp(join(whole, name), join(place, name), { recursive: true })
      }
      const folder = await initFolder(dir)
      expect(folder.verifierKey).toBe((await openFolder(whole)).verifierKey)
    }
  })

  it("throws away a draft that never was complete", async () => {
    const dir = fresh()
    await mkdir(join(dir, ".prooflog-new", "keys"), { recursive: true })
    await writeFile(join(dir, ".prooflog-new", "keys", "signer.key"), "half")
    expect((await initFolder(dir)).created).toBe(true)
    expect(await readdir(dir)).not.toContain(".prooflog-new")
  })

  it.each([
    ["is not JSON", "{"],
    ["is of another format", '{"format":2}'],
    ["has a member that means nothing", "stranger"],
    ["has a prefix without slashes", "prefix"],
    ["has a log id that is none", "log_id"],
    ["withholds from a role that is none", "withhold"],
    ["listens nowhere", "listen"],
  ])("is refused when its prooflog.json %s", async (_, change) => {
    const dir = fresh()
    await initFolder(dir)
    const path = join(dir, "prooflog.json")
    const config = JSON.parse(await readFile(path, "utf8"))
    await writeFile(
      path,
      change.startsWith("{") ? change : JSON.stringify({ ...config, [change]: { king: ["x"] } }),
    )
    await expect(openFolder(dir)).rejects.toMatchObject({ code: "SERVER_MALFORMED_FOLDER" })
  })

  it.each([
    [{ reader: ["ip_adress"] }, "did you mean ip_address"],
    [{ reader: ["IP_ADDRESS"] }, "did you mean ip_address"],
    [{ auditor: ["user_id", "country"] }, "made from ip_address"],
    [{ admin: ["asn"] }, "made from ip_address"],
    [{ reader: ["browser"] }, "made from user_agent"],
    [{ reader: ["class"] }, "public"],
    [{ reader: ["leaf_index"] }, "public"],
    [{ reader: ["http_status"] }, "core"],
    [{ reader: ["timestamp"] }, "core"],
    [{ reader: [""] }, "no event has"],
    [{ reader: ["__proto__"] }, "no event has"],
    [{ reader: "ip_address" }, "withhold.reader"],
    [{ reader: [7] }, "withhold.reader"],
    [{ writer: ["ip_address"] }, "reader, auditor, admin"],
    [["ip_address"], "object"],
    [null, "object"],
  ])("is refused when it would withhold nothing: %j", async (withhold, words) => {
    const dir = fresh()
    await initFolder(dir)
    const path = join(dir, "prooflog.json")
    const config = JSON.parse(await readFile(path, "utf8"))
    await writeFile(path, JSON.stringify({ ...config, withhold }))
    await expect(openFolder(dir)).rejects.toMatchObject({
      code: "SERVER_MALFORMED_FOLDER",
      message: expect.stringContaining(words),
    })
    const good = { reader: ["ip_address", "raw", "attributes", "user_id"], admin: [] }
    await writeFile(path, JSON.stringify({ ...config, withhold: good }))
    expect((await openFolder(dir)).serving.withhold).toEqual(good)
  })

  it("says what questions may take, as much of it as is wanted", async () => {
    const dir = fresh()
    const { serving } = await initFolder(dir)
    expect(serving.query).toEqual({ memoryMb: 1_024, timeoutMs: 30_000, maxRows: 100_000 })
    const path = join(dir, "prooflog.json")
    const config = JSON.parse(await readFile(path, "utf8"))
    const query = { memory_mb: 256, max_rows: 5, mmdb: ["geo/city.mmdb", "/srv/asn.mmdb"] }
    await writeFile(path, JSON.stringify({ ...config, query }))
    expect((await openFolder(dir)).serving.query).toEqual({
      memoryMb: 256,
      timeoutMs: 30_000,
      maxRows: 5,
      mmdb: [join(dir, "geo", "city.mmdb"), "/srv/asn.mmdb"],
    })
  })

  it.each([
    ["query.memory_mb", { memory_mb: 127 }],
    ["query.memory_mb", { memory_mb: "1024" }],
    ["query.timeout_ms", { timeout_ms: 0.5 }],
    ["query.timeout_ms", { timeout_ms: null }],
    ["query.max_rows", { max_rows: 1_000_001 }],
    ["query.mmdb", { mmdb: "city.mmdb" }],
    ["query.mmdb", { mmdb: [""] }],
    ['"memory_gb" in query', { memory_gb: 1 }],
    ["query that is not an object", []],
    ["query that is not an object", null],
  ])("is refused, naming %s, when it says %j of questions", async (named, query) => {
    const dir = fresh()
    await initFolder(dir)
    const path = join(dir, "prooflog.json")
    const config = JSON.parse(await readFile(path, "utf8"))
    await writeFile(path, JSON.stringify({ ...config, query }))
    await expect(openFolder(dir)).rejects.toThrow(named)
  })

  it("says how witnesses are asked and how often heads are published", async () => {
    const dir = fresh()
    const { serving } = await initFolder(dir)
    expect(serving.witnesses).toEqual({ timeoutMs: 5_000, refreshMs: 3_600_000 })
    expect(serving.publishEveryMs).toBeUndefined()
    const path = join(dir, "prooflog.json")
    const config = JSON.parse(await readFile(path, "utf8"))
    const asked = { publish_every_ms: 250, witnesses: { timeout_ms: 900 } }
    await writeFile(path, JSON.stringify({ ...config, ...asked }))
    expect((await openFolder(dir)).serving).toMatchObject({
      publishEveryMs: 250,
      witnesses: { timeoutMs: 900, refreshMs: 3_600_000 },
    })
  })

  it.each([
    ["publish_every_ms", { publish_every_ms: 0 }],
    ["witnesses.timeout_ms", { witnesses: { timeout_ms: "5s" } }],
    ["witnesses.refresh_ms", { witnesses: { refresh_ms: 1 } }],
    ['"urls" in witnesses', { witnesses: { urls: [] } }],
    ["witnesses that is not an object", { witnesses: ["w1"] }],
  ])("is refused, naming %s, when it says %j", async (named, members) => {
    const dir = fresh()
    await initFolder(dir)
    const path = join(dir, "prooflog.json")
    const config = JSON.parse(await readFile(path, "utf8"))
    await writeFile(path, JSON.stringify({ ...config, ...members }))
    await expect(openFolder(dir)).rejects.toThrow(named)
  })

  it("is none without prooflog.json", async () => {
    await expect(openFolder(base)).rejects.toMatchObject({ code: "SERVER_NOT_A_LOG" })
  })
})
