import { mkdtemp, rm, writeFile } from "node:fs/promises"
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

  it("keeps the keys it knew while the file is damaged, and tells", async () => {
    const { key } = await createApiKey(path, { roles: ["writer"] }, NOW)
    await ring.reload()
    await writeFile(path, "{")
    await expect.poll(() => errors.length).toBeGreaterThan(0)
    expect(errors[0]).toMatchObject({ code: "SERVER_MALFORMED_KEY_FILE" })
    expect(ring.identify(`Bearer ${key}`, NOW)).toBeDefined()
  })

  it.each(["{", "[]", '{"format":2,"keys":[]}', '{"format":1,"keys":[{}]}'])(
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
