/**
 * From an empty folder to evidence that verifies, by commands alone.
 */

import { readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { post, published, type ServingChild, sampleEvent, serve, temporaryFolder } from "../running-log.js"
import { prooflog } from "./prooflog.js"

let folder: Awaited<ReturnType<typeof temporaryFolder>>
const at = (name: string) => join(folder.path, name)

beforeAll(async () => {
  folder = await temporaryFolder()
})
afterAll(() => folder.remove())

describe("init and keygen", () => {
  it("make a folder whose keys are the owner's alone", async () => {
    const { code, out } = await prooflog(["init", at("log"), "--origin", "log.example/access"])
    expect(code).toBe(0)
    expect(out).toContain("log.example/access+")
    const policy = await readFile(join(at("log"), "policy"), "utf8")
    expect(policy).toMatch(/^log log\.example\/access\+[0-9a-f]{8}\+/m)
    for (const key of ["signer.key", "label.key"]) {
      expect((await stat(join(at("log"), "keys", key))).mode & 0o777).toBe(0o600)
    }
  })

  it("can use a key that was made before, and keep it elsewhere", async () => {
    const made = await prooflog(["keygen", "elsewhere.example/log", "-o", at("elsewhere.key")])
    expect(made.code).toBe(0)
    expect(await readFile(at("elsewhere.key"), "utf8")).toMatch(/^PRIVATE\+KEY\+elsewhere\.example\/log\+/)
    const args = [
      "init",
      at("elsewhere"),
      "--origin",
      "elsewhere.example/log",
      "--key",
      at("elsewhere.key"),
      "--json",
    ]
    const { out } = await prooflog(args)
    expect(JSON.parse(out)).toMatchObject({
      verifier_key: made.out.trim(),
      signer_key_file: at("elsewhere.key"),
    })
  })

  it("never write over a key", async () => {
    const before = await readFile(at("elsewhere.key"), "utf8")
    expect((await prooflog(["keygen", "x", "-o", at("elsewhere.key")])).code).toBe(2)
    expect(await readFile(at("elsewhere.key"), "utf8")).toBe(before)
  })

  it("print both keys, or as JSON", async () => {
    const { out } = await prooflog(["keygen", "witness.example", "--witness", "--json"])
    const { signer_key, verifier_key } = JSON.parse(out)
    expect(signer_key).toMatch(/^PRIVATE\+KEY\+witness\.example\+[0-9a-f]{8}\+B/)
    expect(verifier_key).toMatch(/^witness\.example\+[0-9a-f]{8}\+B/)
  })
})

describe("serve", () => {
  let server: ServingChild
  let adminKey = ""
  let writerKey = ""

  beforeAll(async () => {
    server = await serve(at("served"))
    adminKey = /admin key +(\S+)/.exec(server.printed)?.[1] ?? ""
    writerKey = /writer key +(\S+)/.exec(server.printed)?.[1] ?? ""
  })
  afterAll(() => server.kill())

  it("makes a log of an empty folder, and prints what one needs to write to it", () => {
    expect(server.printed).toMatch(/verifier key +prooflog\.local\/[0-9a-f]{32}\+/)
    expect([adminKey, writerKey].every((key) => /^pl_[0-9a-f]{8}_[0-9a-f]{64}$/.test(key))).toBe(true)
    const curl = /curl -s '([^']+)' -H 'Authorization: Bearer (\S+)' -H 'Content-Type: application\/json'/
    expect(curl.exec(server.printed)?.slice(1)).toEqual([`${server.url}v1/events?wait=receipt`, writerKey])
  })

  it("prints a sample event that is accepted", async () => {
    const body = JSON.parse(/-d '(\{.*\})'/.exec(server.printed)?.[1] ?? "")
    expect((await post(`${server.url}v1/events`, writerKey, body)).status).toBe(201)
  })

  it("makes, lists and revokes keys, through the server and in the folder", async () => {
    const env = { PROOFLOG_URL: server.url, PROOFLOG_KEY: adminKey }
    const made = await prooflog(["key", "create", "--role", "reader,writer", "--source", "shop", "--json"], {
      env,
    })
    expect(made.code).toBe(0)
    const { key, id, roles, source } = JSON.parse(made.out)
    expect([roles, source]).toEqual([["writer", "reader"], "shop"])
    expect((await post(`${server.url}v1/events`, key, sampleEvent(3))).status).toBe(201)
    expect((await prooflog(["key", "revoke", id], { env })).out).toContain("revoked 20")
    expect((await post(`${server.url}v1/events`, key, sampleEvent(4))).status).toBe(401)
    const inFolder = await prooflog(["key", "list", "--dir", at("served"), "--json"])
    const listed = await prooflog(["key", "list", "--json"], { env })
    expect(JSON.parse(inFolder.out)).toEqual(JSON.parse(listed.out))
    expect(JSON.parse(listed.out).keys).toHaveLength(3)
    expect(listed.out + inFolder.out).not.toContain(key)
    const refused = await prooflog(["key", "create", "--role", "emperor"], { env })
    expect(refused.code).toBe(2)
    expect(refused.err).toContain("SERVER_REFUSED_KEY_REQUEST")
  })

  it("proves events with fields withheld, to who has the policy", async () => {
    const env = { PROOFLOG_URL: server.url, PROOFLOG_KEY: adminKey }
    await published(server.url, 3)
    const proven = await prooflog(
      ["prove", "2", "1", "2", "--withhold", "ip_address", "-o", at("evidence.json")],
      { env },
    )
    expect(proven).toMatchObject({ code: 0, out: "" })
    expect(proven.err).toContain("2 events proven")
    const policy = join(at("served"), "policy")
    const { code, out } = await prooflog(["verify", at("evidence.json"), "--policy", policy, "--json"])
    expect(code).toBe(0)
    const { events } = JSON.parse(out)
    expect(events.map((event: { leaf_index: number }) => event.leaf_index)).toEqual([1, 2])
    expect(events[0].withheld).toEqual(["ip_address"])
    expect(events[0].fields.user_id).toBe("U12345")
  })

  it("stops when it is told to, and shows no keys the second time", async () => {
    expect(await server.stop()).toBe(0)
    server = await serve(at("served"))
    expect(server.printed).not.toContain("pl_")
    expect((await fetch(`${server.url}v1/log`)).status).toBe(200)
  })
})
