import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { type KeyRing, openKeyRing } from "./key-ring.js"
import { createApiKey, includesRole, listApiKeys, ROLES, revokeApiKey } from "./keys.js"

const NOW = Date.parse("2026-03-01T12:00:00Z")

describe("the key ring", () => {
  let dir: string
  let path: string
  let ring: KeyRing
  let errors: unknown[]
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "prooflog-keys-"))
    path = join(dir, "api-keys.json")
    errors = []
    ring = await openKeyRing(path, { everyMs: 10, onError: (error) => errors.push(error) })
  })
  afterEach(async () => {
    ring.close()
    await rm(dir, { recursive: true })
  })

  it("knows the holder of a key, whatever the case of the scheme", async () => {
    const { key, apiKey } = await createApiKey(path, { roles: ["writer", "reader"], source: "billing" }, NOW)
    await ring.reload()
    const caller = { keyId: apiKey.id, roles: ["writer", "reader"], source: "billing" }
    expect(ring.identify(`Bearer ${key}`, NOW)).toEqual(caller)
    expect(ring.identify(`bearer ${key}`, NOW)).toEqual(caller)
    expect(apiKey.source).toBe("billing")
  })

  it("knows nobody without a key, or with another scheme", () => {
    expect(ring.identify(undefined, NOW)).toBeUndefined()
    expect(ring.identify("Basic YTpi", NOW)).toBeUndefined()
  })

  it.each([
    "",
    "pl_",
    "pl_00000000_0",
    `pl_00000000_${"0".repeat(64)}`,
    `pl_00000000_${"0".repeat(65)}`,
    "x",
  ])("refuses the key %j as unknown", (key) => {
    expect(() => ring.identify(`Bearer ${key}`, NOW)).toThrow(
      expect.objectContaining({ code: "SERVER_UNKNOWN_KEY" }),
    )
  })

  it("refuses a key from the moment it expires", async () => {
    const { key } = await createApiKey(
      path,
      { roles: ["writer"], expires: "2026-03-01T13:00:00+01:00" },
      NOW - 1,
    )
    await ring.reload()
    expect(ring.identify(`Bearer ${key}`, NOW - 1)).toBeDefined()
    expect(() => ring.identify(`Bearer ${key}`, NOW)).toThrow(
      expect.objectContaining({ code: "SERVER_EXPIRED_KEY" }),
    )
  })

  it("refuses a revoked key, and says so only to its holder", async () => {
    const { key, apiKey } = await createApiKey(path, { roles: ["writer"] }, NOW)
    await revokeApiKey(path, apiKey.id, NOW)
    await ring.reload()
    expect(() => ring.identify(`Bearer ${key}`, NOW)).toThrow(
      expect.objectContaining({ code: "SERVER_REVOKED_KEY" }),
    )
    const guess = `pl_${apiKey.id}_${"0".repeat(64)}`
    expect(() => ring.identify(`Bearer ${guess}`, NOW)).toThrow(
      expect.objectContaining({ code: "SERVER_UNKNOWN_KEY" }),
    )
  })

  describe.each([
    ["damaged", (at: string) => writeFile(at, "{")],
    // As it is for a moment when it is written in place.
    ["empty", (at: string) => writeFile(at, "")],
    ["gone", (at: string) => rm(at)],
  ])("while the file is %s", (_, spoil) => {
    it("keeps the keys it knew, and tells; afterwards it knows what the file says", async () => {
      const { key } = await createApiKey(path, { roles: ["writer"] }, NOW)
      await ring.reload()
      const { key: other } = await createApiKey(path, { roles: ["reader"] }, NOW)
      const whole = await readFile(path)
      await spoil(path)
      await expect(ring.reload()).rejects.toMatchObject({ code: "SERVER_MALFORMED_KEY_FILE" })
      // It also looks by itself.
      errors.length = 0
      await expect.poll(() => errors.length, { timeout: 10_000 }).toBeGreaterThan(0)
      expect(errors[0]).toMatchObject({ code: "SERVER_MALFORMED_KEY_FILE" })
      expect(ring.identify(`Bearer ${key}`, NOW)).toBeDefined()
      await writeFile(path, whole)
      await ring.reload()
      expect(ring.identify(`Bearer ${key}`, NOW)).toBeDefined()
      expect(ring.identify(`Bearer ${other}`, NOW)).toBeDefined()
    })
  })

  it("never knows fewer keys than a file that is written in place, again and again", async () => {
    const { key } = await createApiKey(path, { roles: ["writer"] }, NOW)
    await ring.reload()
    const whole = await readFile(path)
    for (let i = 0; i < 200; i++) {
      const reading = ring.reload().catch((error) => errors.push(error))
      await writeFile(path, whole)
      await reading
      expect(ring.identify(`Bearer ${key}`, NOW)).toBeDefined()
    }
    for (const error of errors) expect(error).toMatchObject({ code: "SERVER_MALFORMED_KEY_FILE" })
  })

  it("adds no key to an empty file, which would be its only one", async () => {
    await writeFile(path, "")
    await expect(createApiKey(path, { roles: ["writer"] }, NOW)).rejects.toMatchObject({
      code: "SERVER_MALFORMED_KEY_FILE",
    })
    expect(await readFile(path, "utf8")).toBe("")
  })

  it.each(["", "{", "[]", '{"format":2,"keys":[]}', '{"format":1,"keys":[{}]}'])(
    "is not opened over the file %j",
    async (text) => {
      await writeFile(path, text)
      await expect(listApiKeys(path)).rejects.toMatchObject({ code: "SERVER_MALFORMED_KEY_FILE" })
    },
  )

  it("knows that some roles include others", () => {
    const included = Object.fromEntries(
      ROLES.map((held) => [held, ROLES.filter((role) => includesRole([held], role))]),
    )
    expect(included).toEqual({
      writer: ["writer"],
      reader: ["reader"],
      auditor: ["reader", "auditor"],
      admin: ["writer", "reader", "auditor", "admin"],
      follower: ["follower"],
    })
  })
})
