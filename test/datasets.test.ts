/**
 * Real logs go through the front door: `prooflog import`, questions to them, then `prooflog audit`.
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
import { type Askable, followed, get, rows } from "./reading/asking.js"
import { PROOFLOG, published, type ServingChild, serve, temporaryFolder } from "./running-log.js"

const DATASETS = fileURLToPath(new URL("../../shared/datasets", import.meta.url))
const present = existsSync(DATASETS)
if (!present) console.log("skipped: ../shared/datasets is absent, so no real log is imported")

describe.skipIf(!present)("real logs", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let server: ServingChild
  let key: string
  let policy: string
  /** As someone who may ask. */
  let log: Askable

  beforeAll(async () => {
    folder = await temporaryFolder()
    server = await serve(join(folder.path, "log"))
    key = /writer key\s+(\S+)/.exec(server.printed)?.[1] ?? "no writer key was printed"
    policy = join(folder.path, "log", "policy")
    log = {
      url: server.url,
      key: /admin key\s+(\S+)/.exec(server.printed)?.[1] ?? "no admin key was printed",
    }
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

  it("takes every line of a blog's access log", async () => {
    const { counts } = await imported("http-blog-2016/access.log.gz", "combined")
    expect(counts).toEqual({ accepted: 206_860, duplicates: 0, rejected: 0 })
  }, 240_000)

  // What the README beside the log says of it, counted by others.
  it("answers what is known of the blog's log, in SQL and by filters", async () => {
    await followed(log, 1 + 206_860, 120_000)
    const theirs = "FROM access_logs WHERE source <> 'prooflog'"
    expect(await rows(log, `SELECT count(*), count(DISTINCT ip_address) ${theirs}`)).toEqual([
      [206_860, 8_799],
    ])
    expect(await rows(log, `SELECT count(*) ${theirs} AND http_status >= 500`)).toEqual([[1_106]])
    const top = `SELECT ip_address, count(*) AS n ${theirs} GROUP BY ip_address ORDER BY n DESC LIMIT 1`
    expect(await rows(log, top)).toEqual([["192.0.101.226", 37_506]])
    const worst = `
      SELECT strftime(timezone('America/New_York', timezone('UTC', timestamp)), '%d/%b/%Y:%H') AS hour,
        count(*) FILTER (http_status >= 500) AS errors, count(*) AS n
      ${theirs} GROUP BY hour HAVING n >= 20 ORDER BY errors / n DESC LIMIT 4`
    expect(await rows(log, worst)).toEqual([
      ["27/Mar/2016:03", 91, 418],
      ["14/Mar/2016:00", 44, 220],
      ["08/Mar/2016:03", 67, 342],
      ["09/Mar/2016:02", 44, 228],
    ])
    const { body: facets } = await get(log, "v1/facets?field=ip_address&from=2016-01-01&to=2017-01-01")
    expect((facets.facets as Record<string, unknown[]>).ip_address?.[0]).toEqual({
      value: "192.0.101.226",
      count: 37_506,
    })
    const zone = "interval=1h&zone=America/New_York&from=2016-03-27T07:00:00Z&to=2016-03-27T08:00:00Z"
    const { body: histogram } = await get(log, `v1/histogram?${zone}`)
    const buckets = histogram.buckets as { count: number; by_result: Record<string, number> }[]
    expect(buckets.map(({ count, by_result }) => [count, by_result.error])).toEqual([[418, 91]])
  }, 180_000)

  it("names the one malformed line of an Apache log, by number and reason, and takes nothing the second time", async () => {
    const file = "elastic-examples/apache_logs.log"
    const { counts, rejects } = await imported(file, "combined")
    expect(counts).toEqual({ accepted: 9_999, duplicates: 0, rejected: 1 })
    expect((await imported(file, "combined")).counts).toEqual({ accepted: 0, duplicates: 9_999, rejected: 1 })
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
    // Genesis, all that was accepted above, and an event for each of the six questions.
    const treeSize = 1 + 206_860 + 9_999 + 2_900 + 37 + 6
    await published(server.url, treeSize)
    const { code, out } = await prooflog("audit", server.url, "--policy", policy, "--cross-check", "--json")
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ tree_size: treeSize })
  }, 120_000)
})
