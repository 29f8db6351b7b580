/** `prooflog archive` of a real log: filled, held against the log, damaged, brought back. */

import { cp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { SCHEDULE_TEMPLATE } from "@prooflog/archive/schedule-template"
import { startServer } from "@prooflog/server"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { logFor } from "../retention/asked.js"
import { restored, runBackup } from "../retention/backup-log.js"
import { LogAt } from "../retention/log-at.js"
import { published } from "../running-log.js"
import { prooflogHere } from "./prooflog.js"

describe("the archive of a real log", () => {
  const RECORDS = 20
  let log: LogAt
  let leaves: number[]

  const run = (...args: string[]) => runAt(log.url, ...args)
  const runAt = async (url: string, ...args: string[]) => {
    const environment = { PROOFLOG_URL: url, PROOFLOG_KEY: log.adminKey }
    const { verdict, out, thrown } = await prooflogHere(["archive", ...args], environment)
    return { verdict, out, code: (thrown as { code?: string } | undefined)?.code }
  }
  const verify = () => run("verify")
  const segments = () => join(log.dir, "data/archive/segments")

  beforeAll(async () => {
    log = await LogAt.make(SCHEDULE_TEMPLATE.replace("hot: 6mo, archive: 2y", "hot: 0, archive: 2y"))
    await log.at(Date.now())
    leaves = await logFor(log, "U1", RECORDS)
    await published(log.url, (leaves.at(-1) as number) + 1)
  })

  afterAll(() => log.remove())

  it("is empty, then has what is no longer hot, and is what the log says", async () => {
    expect((await run("status")).out).toMatch(/^nothing was archived yet: /)
    const ran = { verdict: 0, out: "20 records archived, 0 destroyed, 0 held back\n", code: undefined }
    expect(await run("run")).toEqual(ran)
    expect((await run("status")).out).toMatch(
      /^routine +1 +20 +\S+ KiB +(\d{4}-\d{2}-\d{2} +){2}leaf \d+ +0$/m,
    )
    const { verdict, out } = await verify()
    expect({ verdict, out }).toEqual({
      verdict: 0,
      out: "✓ verified: 1 segment with 20 records: all are what the log says\n",
    })
  })

  it.each([
    ["bytes are others", (bytes: Buffer) => Buffer.concat([bytes.subarray(0, -1), Buffer.of(0)])],
    ["manifest is another", undefined],
    ["object is gone", null],
  ] as const)("is not what the log says if its %s", async (_, change) => {
    const [name = ""] = await readdir(segments(), { recursive: true }).then((names) =>
      names.filter((each) => each.endsWith(".parquet")),
    )
    const path = join(segments(), change === undefined ? `${name}.json` : name)
    const bytes = await readFile(path)
    if (change === null) await rm(path)
    else if (change === undefined) await writeFile(path, `${bytes} `)
    else await writeFile(path, change(bytes))
    const { verdict, out } = await verify()
    expect(verdict).toBe(1)
    expect(out).toMatch(
      /^✗ not verified: 1 of 1 segment is not what the log says .*\n {2}segments\/routine\/.*: leaf \d+: /,
    )
    await writeFile(path, bytes)
    expect((await verify()).verdict).toBe(0)
  })

  it("cannot be looked at where the store refuses to be read", async () => {
    const elsewhere = join(log.path, "elsewhere")
    await rename(segments(), elsewhere)
    await symlink(elsewhere, segments())
    expect(await verify()).toEqual({ verdict: undefined, out: "", code: "CLI_CANNOT_TELL" })
    await rm(segments())
    await rename(elsewhere, segments())
    expect((await verify()).verdict).toBe(0)
  })

  it("is left alone by a copy that was restored, wherever it lies", async () => {
    const outside = join(log.path, "outside")
    await log.stop()
    await cp(join(log.dir, "data/archive"), outside, { recursive: true })
    const config = join(log.dir, "prooflog.json")
    const before = await readFile(config, "utf8")
    await writeFile(config, JSON.stringify({ ...JSON.parse(before), archive: { directory: outside } }))
    await log.at(Date.now())
    const [backup, copy, key] = ["backup", "copy", "signer.key"].map((name) => join(log.path, name))
    expect((await runBackup(log, backup as string)).verdict).toBe(0)
    await cp(join(log.dir, "keys/signer.key"), key as string)
    await restored(backup as string, copy as string, key as string, "--adopt-head")
    const server = await startServer({ dir: copy as string, port: 0, logger: false, adoptHead: true })
    const ofCopy = await runAt(server.url, "run")
    await server.close()
    expect(ofCopy).toMatchObject({ verdict: 0, out: "20 records archived, 0 destroyed, 0 held back\n" })
    expect((await verify()).verdict).toBe(0)
    await log.stop()
    await writeFile(config, before)
    await log.at(Date.now())
  })

  it("gives back what is asked for", async () => {
    const [from, to] = [String(leaves[3]), String(leaves[7])]
    expect((await run("restore", "--from-leaf", from, "--to-leaf", to)).out).toBe("4 records restored\n")
    const days = ["--from", "2023-10-01", "--to", "2200-01-01"]
    expect((await run("restore", "--class", "routine", ...days)).out).toBe("16 records restored\n")
    expect((await run("status")).out).toMatch(/^routine +0 +0 +0 B/m)
  })
})
