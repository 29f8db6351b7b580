/**
 * Real logs go through the front door: `prooflog import`, then `prooflog audit`.
 *
 * They are not part of the repository: where `../shared/datasets` is absent, this is skipped.
 */

import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PROOFLOG, published, type ServingChild, serve, temporaryFolder } from "./running-log.js"

const DATASETS = fileURLToPath(new URL("../../shared/datasets", import.meta.url))
const present = existsSync(DATASETS)
if (!present) console.log("skipped: ../shared/datasets is absent, so no real log is imported")

describe.skipIf(!present)("real logs", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let server: ServingChild
  let key: string
  let policy: string

  beforeAll(async () => {
    folder = await temporaryFolder()
    server = await serve(join(folder.path, "log"))
    key = /writer key\s+(\S+)/.exec(server.printed)?.[1] ?? "no writer key was printed"
    policy = join(folder.path, "log", "policy")
  })

  afterAll(async () => {
    await server.kill()
    await folder.remove()
  })

  const prooflog = async (...args: string[]) => {
    const child = spawn(process.execPath, [PROOFLOG, ...args], {
      env: { ...process.env, PROOFLOG_URL: server.url, PROOFLOG_KEY: key },
      stdio: ["ignore", "pipe", "inherit"],
    })
    let out = ""
    child.stdout.on("data", (chunk) => {
      out += chunk
    })
    const [code] = await once(child, "exit")
    return { code, out }
  }

  const imported = async (file: string, format: string) => {
    const rejects = join(folder.path, `${format}.rejects.ndjson`)
    const { code, out } = await prooflog(
      "import",
      join(DATASETS, file),
      "--format",
      format,
      "--rejects",
      rejects,
      "--json",
    )
    expect(code).toBe(0)
    const { accepted, duplicates, rejected } = JSON.parse(out)
    return { counts: { accepted, duplicates, rejected }, rejects }
  }

  it("takes every line of a blog's access log, and nothing the second time", async () => {
    const file = "http-blog-2016/access.log.gz"
    expect((await imported(file, "combined")).counts).toEqual({
      accepted: 206_860,
      duplicates: 0,
      rejected: 0,
    })
    expect((await imported(file, "combined")).counts).toEqual({
      accepted: 0,
      duplicates: 206_860,
      rejected: 0,
    })
  }, 240_000)

  it("names the one malformed line of an Apache log, by number and reason", async () => {
    const { counts, rejects } = await imported("elastic-examples/apache_logs.log", "combined")
    expect(counts).toEqual({ accepted: 9_999, duplicates: 0, rejected: 1 })
    const lines = (await readFile(rejects, "utf8")).trimEnd().split("\n")
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ line: 8_899, reason: expect.any(String) })
  })

  it("takes every CloudTrail record, also those whose source is no address", async () => {
    const { counts } = await imported("cloudtrail-stratus/CloudTrail", "cloudtrail")
    expect(counts).toEqual({ accepted: 2_900, duplicates: 0, rejected: 0 })
  })

  it("takes every Kubernetes audit event", async () => {
    const { counts } = await imported("k8s-audit-raw/audit2rbac-demo.ndjson", "k8s")
    expect(counts).toEqual({ accepted: 37, duplicates: 0, rejected: 0 })
  })

  it("audits clean, with the second opinion on every tile", async () => {
    // Genesis, and all that was accepted above.
    const treeSize = 1 + 206_860 + 9_999 + 2_900 + 37
    await published(server.url, treeSize)
    const { code, out } = await prooflog("audit", server.url, "--policy", policy, "--cross-check", "--json")
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ tree_size: treeSize })
  }, 120_000)
})
