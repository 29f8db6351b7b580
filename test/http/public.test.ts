import { readFile } from "node:fs/promises"
import { COLUMNS } from "@prooflog/query/columns"
import { decodeBase64 } from "@prooflog/tlog/base64"
import { parseBundle } from "@prooflog/tlog/bundle"
import { checkConsistency } from "@prooflog/tlog/consistency"
import { leafHash } from "@prooflog/tlog/hash"
import { checkInclusion } from "@prooflog/tlog/inclusion"
import { type OpenedCheckpoint, openCheckpoint, parsePolicy } from "@prooflog/tlog/policy"
import { verifyReceipt } from "@prooflog/verifier/verify-receipt"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { anEvent, eventually, type Served, send, serve } from "./served.js"

/** Leaves of the log in these tests: a full tile, and one that is not. */
const TREE_SIZE = 300

describe("the public paths", () => {
  let served: Served
  let opened: OpenedCheckpoint
  beforeAll(async () => {
    served = await serve()
    const events = Array.from({ length: TREE_SIZE - 1 }, () => anEvent())
    await served.request({
      method: "POST",
      path: "v1/events?wait=receipt",
      key: served.keys.writer,
      type: "application/json",
      body: JSON.stringify(events),
    })
    opened = await eventually(async () => {
      const { body } = await served.request({ path: "checkpoint" })
      const found = openCheckpoint(body, parsePolicy(await readFile(served.server.folder.policyPath)))
      return found.checkpoint.treeSize === TREE_SIZE ? found : undefined
    })
  })
  afterAll(() => served.stop())

  it("give a checkpoint that the folder's policy accepts, good for a second", async () => {
    const { headers } = await served.request({ path: "checkpoint" })
    expect(opened.checkpoint).toMatchObject({ origin: served.server.folder.origin, treeSize: TREE_SIZE })
    expect(headers).toMatchObject({
      "content-type": "text/plain; charset=utf-8",
      "cache-control": "max-age=1",
      "access-control-allow-origin": "*",
      "x-content-type-options": "nosniff",
    })
  })

  it.each([
    ["a full tile", "tile/0/000", 8_192],
    ["a partial tile", "tile/0/001.p/44", 44 * 32],
    ["a narrower width of it", "tile/0/001.p/1", 32],
    ["a partial width of a full tile", "tile/0/000.p/255", 255 * 32],
    ["a tile of level 1", "tile/1/000.p/1", 32],
  ])("give %s, for ever", async (_, path, length) => {
    const { status, body, headers } = await served.request({ path })
    expect({ status, length: body.length }).toEqual({ status: 200, length })
    expect(headers).toMatchObject({
      "content-type": "application/octet-stream",
      "cache-control": "public, max-age=31536000, immutable",
      "access-control-allow-origin": "*",
    })
  })

  it("give entry bundles whose entries hash to the tiles", async () => {
    for (const [place, width] of [
      ["000", 256],
      ["001.p/44", 44],
    ] as const) {
      const entries = parseBundle((await served.request({ path: `tile/entries/${place}` })).body, width)
      const tile = (await served.request({ path: `tile/0/${place}` })).body
      expect(Buffer.concat(entries.map((entry) => leafHash(entry)))).toEqual(tile)
    }
  })

  it.each([
    ["a width that no published tree reaches", "tile/0/001.p/45"],
    ["a tile that is not full yet", "tile/0/001"],
    ["a bundle past the end", "tile/entries/002"],
    ["a tile far past the end", "tile/0/x999/x999/x999/x999/999"],
    ["a level that is not there", "tile/2/000.p/1"],
    ["a level past 63", "tile/64/000"],
    ["a full tile spelled as a partial one", "tile/0/000.p/256"],
    ["a width of nothing", "tile/0/000.p/0"],
    ["a width with a leading zero", "tile/0/000.p/01"],
    ["an index without its zeros", "tile/0/0"],
    ["an index with too many", "tile/0/0000"],
    ["a group too many", "tile/0/x000/000"],
    ["a group without x", "tile/0/000/001.p/44"],
    ["a level with a leading zero", "tile/00/000"],
    ["a level with a sign", "tile/+0/000"],
    ["capitals", "TILE/0/000"],
    ["an encoded digit", "tile/0/%3000"],
    ["an encoded slash", "tile%2F0/000"],
    ["a slash at the end", "tile/0/000/"],
    ["two slashes", "tile//0/000"],
    ["a way up", "tile/0/../0/000"],
    ["a way up, encoded", "tile/0/..%2f..%2fprooflog.json"],
    ["a broken escape", "tile/0/%zz"],
    ["a bundle spelled data", "tile/data/000"],
    ["nothing after tile/", "tile/"],
    ["an index past 2^53", "tile/0/x999/x999/x999/x999/x999/x999/999"],
  ])("answer 404, which no cache may keep, for %s", async (_, path) => {
    const { status, headers, json } = await served.request({ path })
    expect({ status, cache: headers["cache-control"] }).toEqual({ status: 404, cache: "no-store" })
    expect(["SERVER_NOT_FOUND", "SERVER_NOT_PUBLISHED"]).toContain(json.code)
  })

  it("prove that a leaf is in a tree, of any published size", async () => {
    for (const [leafIndex, treeSize] of [
      [0, 1],
      [5, 7],
      [255, 256],
      [256, TREE_SIZE],
      [17, TREE_SIZE],
    ] as const) {
      const { json } = await served.request({
        path: `v1/proofs/inclusion?leaf_index=${leafIndex}&tree_size=${treeSize}`,
      })
      const { json: consistency } = await served.request({
        path: `v1/proofs/consistency?old_size=${treeSize}`,
      })
      const bundle =
        leafIndex < 256 ? `000${leafIndex < 255 ? `.p/${leafIndex + 1}` : ""}` : `001.p/${leafIndex - 255}`
      const { body } = await served.request({ path: `tile/entries/${bundle}` })
      const entry = parseBundle(body, (leafIndex % 256) + 1).at(-1) as Uint8Array
      const path = hashes(json.path)
      expect(json).toMatchObject({ leaf_index: leafIndex, tree_size: treeSize })
      // The root of the smaller tree is not known from elsewhere: the two proofs vouch for each other.
      if (treeSize === TREE_SIZE) {
        const { rootHash } = opened.checkpoint
        checkInclusion({ leafIndex, treeSize, leafHash: leafHash(entry), path, rootHash })
        checkConsistency({
          oldSize: treeSize,
          oldRoot: rootHash,
          newSize: treeSize,
          newRoot: rootHash,
          proof: hashes(consistency.proof),
        })
      } else {
        expect(hashes(consistency.proof).length).toBeGreaterThan(0)
      }
    }
  })

  it("prove that trees extend one another", async () => {
    const { json } = await served.request({ path: `v1/proofs/consistency?old_size=1&new_size=${TREE_SIZE}` })
    const genesis = parseBundle(
      (await served.request({ path: "tile/entries/000.p/1" })).body,
      1,
    )[0] as Uint8Array
    checkConsistency({
      oldSize: 1,
      oldRoot: leafHash(genesis),
      newSize: TREE_SIZE,
      newRoot: opened.checkpoint.rootHash,
      proof: hashes(json.proof),
    })
  })

  it("give receipts that verify by themselves", async () => {
    const policy = parsePolicy(await readFile(served.server.folder.policyPath))
    const { headers, body } = await served.request({ path: "v1/receipts/42" })
    expect(headers["content-type"]).toBe("text/plain; charset=utf-8")
    expect(verifyReceipt(body, policy)).toBeDefined()
  })

  it.each([
    ["v1/proofs/inclusion", 400, "SERVER_MALFORMED_QUERY"],
    ["v1/proofs/inclusion?leaf_index=-1", 400, "SERVER_MALFORMED_QUERY"],
    ["v1/proofs/inclusion?leaf_index=01", 400, "SERVER_MALFORMED_QUERY"],
    ["v1/proofs/inclusion?leaf_index=1e2", 400, "SERVER_MALFORMED_QUERY"],
    ["v1/proofs/inclusion?leaf_index=9007199254740992", 400, "SERVER_MALFORMED_QUERY"],
    ["v1/proofs/inclusion?leaf_index=1&leaf_index=2", 400, "SERVER_MALFORMED_QUERY"],
    ["v1/proofs/inclusion?leaf_index=300", 404, "SERVER_NOT_PUBLISHED"],
    ["v1/proofs/inclusion?leaf_index=1&tree_size=301", 404, "SERVER_NOT_PUBLISHED"],
    ["v1/proofs/inclusion?leaf_index=7&tree_size=7", 404, "SERVER_NOT_PUBLISHED"],
    ["v1/proofs/consistency?old_size=2&new_size=1", 400, "SERVER_MALFORMED_QUERY"],
    ["v1/proofs/consistency?old_size=2&new_size=301", 404, "SERVER_NOT_PUBLISHED"],
    ["v1/receipts/300", 404, "SERVER_NOT_PUBLISHED"],
    ["v1/receipts/x", 404, "SERVER_NOT_FOUND"],
    ["v1/receipts/%ff", 404, "SERVER_NOT_FOUND"],
    ["v1/receipts/", 404, "SERVER_NOT_FOUND"],
    ["v1/Log", 404, "SERVER_NOT_FOUND"],
    ["v1/log/", 404, "SERVER_NOT_FOUND"],
    ["", 404, "SERVER_NOT_FOUND"],
  ])("answer %s with %s %s", async (path, status, code) => {
    const got = await served.request({ path })
    expect({ status: got.status, code: got.json.code }).toEqual({ status, code })
  })

  it("say what the log is, promises and takes", async () => {
    const { json } = await served.request({ path: "v1/log" })
    expect(json).toMatchObject({
      origin: served.server.folder.origin,
      verifier_key: served.server.folder.verifierKey,
      published: { tree_size: TREE_SIZE },
      signed: { tree_size: TREE_SIZE },
      limits: { body_bytes: 10_485_760, events: 10_000, record_bytes: 65_535 },
      schedule: { default: "routine" },
    })
    expect(Object.keys((json.schedule as { classes: object }).classes).sort()).toEqual([
      "audit",
      "critical",
      "high",
      "routine",
    ])
  })

  it("answer HEAD as GET, without the body", async () => {
    const get = await served.request({ path: "tile/0/000" })
    const head = await served.request({ method: "HEAD", path: "tile/0/000" })
    expect(head.headers).toEqual({ ...get.headers, date: head.headers.date })
    expect(head.body).toHaveLength(0)
  })

  it("let every web page read them, a refusal too", async () => {
    const preflight = await served.request({
      method: "OPTIONS",
      path: "tile/0/000",
      headers: { Origin: "https://a.example" },
    })
    expect(preflight).toMatchObject({
      status: 204,
      headers: {
        allow: "OPTIONS, GET, HEAD",
        "access-control-allow-origin": "*",
        "access-control-allow-headers": "*",
      },
    })
    for (const path of ["tile/0/002", "v1/receipts/999", "v1/proofs/inclusion"]) {
      expect((await served.request({ path })).headers["access-control-allow-origin"]).toBe("*")
    }
    const keyed = await served.request({ method: "OPTIONS", path: "v1/evidence" })
    expect(keyed).toMatchObject({ status: 204, headers: { allow: "OPTIONS, GET, HEAD, POST" } })
    expect(keyed.headers["access-control-allow-origin"]).toBeUndefined()
  })

  it("refuse other methods, and say which there are", async () => {
    for (const path of ["checkpoint", "tile/0/000", "v1/log", "healthz", "docs"]) {
      const { status, headers, json } = await served.request({ method: "DELETE", path })
      expect({ status, allow: headers.allow, code: json.code }).toEqual({
        status: 405,
        allow: "OPTIONS, GET, HEAD",
        code: "SERVER_METHOD_NOT_ALLOWED",
      })
    }
    const keys = await served.request({ method: "PATCH", path: "v1/keys" })
    expect(keys.headers.allow).toBe("OPTIONS, POST, GET, HEAD")
  })

  it("ignore other schemes of authorization, as a proxy's may pass by, and refuse a bad key of ours", async () => {
    expect((await served.request({ path: "healthz", headers: { Authorization: "Basic YTpi" } })).status).toBe(
      200,
    )
    const bad = await served.request({ path: "healthz", key: "pl_1" })
    expect({ status: bad.status, code: bad.json.code }).toEqual({ status: 401, code: "SERVER_UNKNOWN_KEY" })
  })

  it("describe themselves: every path, and a page that loads nothing", async () => {
    const { json } = await served.request({ path: "openapi.json" })
    expect(Object.keys(json.paths as object).sort()).toEqual(
      [
        "/checkpoint",
        "/docs",
        "/healthz",
        "/metrics",
        "/openapi.json",
        "/readyz",
        "/tile/{path}",
        "/v1/alert-rules",
        "/v1/alerts",
        "/v1/alerts/stream",
        "/v1/alerts/{id}",
        "/v1/alerts/{id}/acknowledge",
        "/v1/archive",
        "/v1/archive/restore",
        "/v1/archive/run",
        "/v1/archive/verify",
        "/v1/backup",
        "/v1/challenges",
        "/v1/checkpoints",
        "/v1/erasures",
        "/v1/erasures/run",
        "/v1/erasures/{id}",
        "/v1/erasures/{id}/certificate",
        "/v1/events",
        "/v1/events/{leaf_index}",
        "/v1/evidence",
        "/v1/exports",
        "/v1/exports/{id}",
        "/v1/exports/{id}/file",
        "/v1/exports/{id}/manifest",
        "/v1/facets",
        "/v1/histogram",
        "/v1/holds",
        "/v1/holds/{id}/release",
        "/v1/keys",
        "/v1/keys/{id}",
        "/v1/log",
        "/v1/proofs/consistency",
        "/v1/proofs/inclusion",
        "/v1/query",
        "/v1/reading",
        "/v1/receipts/{leaf_index}",
        "/v1/records",
        "/v1/reindex",
        "/v1/schedule",
        "/v1/schema",
        "/v1/silences",
        "/v1/silences/{id}",
        "/v1/sinks",
        "/v1/sinks/{name}/retry",
        "/v1/sinks/{name}/test",
        "/v1/tail",
      ].sort(),
    )
    const page = await served.request({ path: "docs" })
    expect(page.headers["content-security-policy"]).toMatch(/^default-src 'none'; style-src 'sha256-/)
    expect(page.body.toString()).not.toMatch(/<script|https?:\/\//)
  })

  it("describe filters and answers as they are", async () => {
    const { json } = await served.request({ path: "openapi.json" })
    const paths = json.paths as Record<string, { get: { parameters: Described[] } }>
    interface Described {
      readonly name: string
      readonly schema: { readonly properties?: object }
    }
    const filterOf = (path: string) =>
      Object.keys(paths[path]?.get.parameters.find(({ name }) => name === "filter")?.schema.properties ?? {})
    const filtered = COLUMNS.map(({ name }) => name).filter((name) => name !== "attributes" && name !== "raw")
    for (const path of ["/v1/events", "/v1/facets", "/v1/histogram", "/v1/tail"])
      expect(filterOf(path)).toEqual(["from", "to", ...filtered])
    expect(JSON.stringify(paths["/v1/histogram"])).toContain('"local_start"')
  })

  it("end where the prefix ends", async () => {
    const prefixed = await serve({ prefix: "/acme/log/" })
    expect(prefixed.server.url).toMatch(/\/acme\/log\/$/)
    expect((await prefixed.request({ path: "checkpoint" })).status).toBe(200)
    for (const path of ["/checkpoint", "/acme/logcheckpoint", "/acme/log", "/other/log/checkpoint"]) {
      const bytes = await send(prefixed.server.port, [
        `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      ])
      expect(bytes.toString()).toMatch(/^HTTP\/1.1 404 [\s\S]*SERVER_NOT_FOUND/)
    }
    await prefixed.stop()
  })
})

function hashes(list: unknown): Uint8Array[] {
  return (list as string[]).map((text) => decodeBase64(text) as Uint8Array)
}
