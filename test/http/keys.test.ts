import { readFile, stat } from "node:fs/promises"
import { createApiKey, listApiKeys, revokeApiKey } from "@prooflog/server/keys"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { anEvent, eventually, NOW_MS, type Served, serve } from "./served.js"

describe("API keys by HTTP", () => {
  let served: Served
  beforeAll(async () => {
    served = await serve()
  })
  afterAll(() => served.stop())

  function ask(method: string, path: string, body?: string) {
    return served.request({
      method,
      path,
      key: served.keys.admin,
      ...(body === undefined ? {} : { body, type: "application/json" }),
    })
  }

  function write(key: string) {
    const body = JSON.stringify(anEvent())
    return served.request({ method: "POST", path: "v1/events", key, type: "application/json", body })
  }

  it("are made, used, listed without their secret, and revoked for ever", async () => {
    const made = await ask("POST", "v1/keys", '{"roles":["writer"],"source":"billing"}')
    const { key, id } = made.json as { key: string; id: string }
    expect(made.status).toBe(201)
    expect(key).toMatch(new RegExp(`^pl_${id}_[0-9a-f]{64}$`))
    expect((await write(key)).status).toBe(201)

    const listed = await ask("GET", "v1/keys")
    expect(listed.json.keys).toContainEqual({
      id,
      roles: ["writer"],
      source: "billing",
      created: expect.any(String),
    })
    expect(listed.body.toString()).not.toMatch(/sha256|pl_/)

    const revoked = await ask("DELETE", `v1/keys/${id}`)
    expect(revoked.json).toMatchObject({ id, revoked: expect.any(String) })
    const refused = await write(key)
    expect({ status: refused.status, code: refused.json.code }).toEqual({
      status: 401,
      code: "SERVER_REVOKED_KEY",
    })
    expect((await ask("DELETE", `v1/keys/${id}`)).json).toEqual(revoked.json)
  })

  it.each([
    ["no roles", '{"roles":[]}', "roles"],
    ["an unknown role", '{"roles":["king"]}', "roles"],
    ["a role twice", '{"roles":["writer","writer"]}', "roles"],
    ["roles that are no list", '{"roles":"writer"}', "roles"],
    ["the log's own source", '{"roles":["writer"],"source":"prooflog"}', "source"],
    ["a source with capitals", '{"roles":["writer"],"source":"API"}', "source"],
    ["a source too long", `{"roles":["writer"],"source":"${"a".repeat(65)}"}`, "source"],
    ["an expiry in the past", '{"roles":["writer"],"expires":"2020-01-01T00:00:00Z"}', "expires"],
    ["an expiry without zone", '{"roles":["writer"],"expires":"2099-01-01T00:00:00"}', "expires"],
    ["an expiry on a day that is none", '{"roles":["writer"],"expires":"2099-13-01T00:00:00Z"}', "expires"],
    ["a member that is not known", '{"roles":["writer"],"colour":"blue"}', "colour"],
    ["no object", "null", "roles"],
  ])("are not made with %s", async (_, body, parameter) => {
    const got = await ask("POST", "v1/keys", body)
    expect({ status: got.status, code: got.json.code, parameter: got.json.parameter }).toEqual({
      status: 422,
      code: "SERVER_REFUSED_KEY_REQUEST",
      parameter,
    })
  })

  it("are not found if they never were", async () => {
    expect((await ask("DELETE", "v1/keys/ffffffff")).json.code).toBe("SERVER_NOT_FOUND")
  })

  it("are read again when another process changes their file", async () => {
    const path = served.server.folder.apiKeysPath
    const { key, apiKey } = await createApiKey(path, { roles: ["writer"] }, NOW_MS)
    await eventually(async () => ((await write(key)).status === 201 ? true : undefined))
    await revokeApiKey(path, apiKey.id, NOW_MS)
    await eventually(async () => ((await write(key)).json.code === "SERVER_REVOKED_KEY" ? true : undefined))
  })

  it("are kept as hashes, for their owner only", async () => {
    const path = served.server.folder.apiKeysPath
    const text = await readFile(path, "utf8")
    for (const key of Object.values(served.keys)) expect(text).not.toContain(key.slice(12))
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it("are made by many at once, and none is lost", async () => {
    const path = served.server.folder.apiKeysPath
    const before = (await listApiKeys(path)).length
    const made = await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        i % 2 === 0
          ? createApiKey(path, { roles: ["reader"] }, NOW_MS).then(({ apiKey }) => apiKey.id)
          : ask("POST", "v1/keys", '{"roles":["reader"]}').then(({ json }) => json.id),
      ),
    )
    const after = await listApiKeys(path)
    expect(after.length).toBe(before + 8)
    expect(after.map(({ id }) => id)).toEqual(expect.arrayContaining(made))
  })

  it("do not fall to a guess at the secret of a known id", async () => {
    const guess = `${served.keys.writer.slice(0, -1)}${served.keys.writer.endsWith("0") ? "1" : "0"}`
    expect((await write(guess)).json.code).toBe("SERVER_UNKNOWN_KEY")
    expect((await write(`${served.keys.writer}0`)).json.code).toBe("SERVER_UNKNOWN_KEY")
    expect((await write(served.keys.writer.toUpperCase())).json.code).toBe("SERVER_UNKNOWN_KEY")
  })
})
