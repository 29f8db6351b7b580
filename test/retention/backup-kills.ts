/**
 * A backup and a restore that are killed at their steps: the former backup is whole, and the next run completes.
 *
 * A step is a file that is renamed or removed. Each is two processes and an audit: `npm test` takes some of them,
 * `npm run test:slow` all.
 */

import { cp, readFile, rm } from "node:fs/promises"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { parseSignerKey, verifierKeyOf } from "@prooflog/tlog/key"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { KeptBackup } from "../../apps/cli/dist/backup/kept-backup.js"
import { prooflog } from "../cli/prooflog.js"
import { filesWith, followed, logFor, runNow, tell } from "./asked.js"
import {
  addEvents,
  auditOf,
  type BackedUpLog,
  backedUp,
  isThere,
  logWith,
  restored,
  runRestore,
  whileServed,
  wordsIn,
} from "./backup-log.js"

const KILL_AT = fileURLToPath(new URL("backup-kill-at.mjs", import.meta.url))

/** Each step is a process of its own. */
const TIMEOUT_MS = 240_000

const NEEDLE = "needle-of-one-person"

/** Runs a command that is killed at its n-th step. */
function killed(args: readonly string[], n: number, env: Readonly<Record<string, string>> = {}) {
  return prooflog(args, { env: { ...env, KILL_AT: String(n), NODE_OPTIONS: `--import=${KILL_AT}` } })
}

/** How many steps a command has that is not killed. */
async function stepsOf(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<number> {
  const { code, err } = await killed(args, 0, env)
  expect(code).toBe(0)
  const steps = Number(/^(\d+) steps$/m.exec(err)?.[1])
  expect(steps).toBeGreaterThan(10)
  return steps
}

/** Steps, from 1, that a command is killed at. */
export type Choose = (steps: number) => readonly number[]

/** Reads all that a backup lists, and holds it against its head. Returns its tree size. */
async function wholeSize(backup: string, signerKey: string): Promise<number> {
  const key = verifierKeyOf(parseSignerKey((await readFile(signerKey, "utf8")).trim()))
  const kept = await KeptBackup.open(backup, key)
  for (let index = 0; index < kept.entries.bundles; index++) await kept.entries.bundle(index)
  for (const file of kept.manifest.records) await kept.leaves(file)
  return kept.manifest.treeSize
}

/** @param choose - which of the steps */
export function killBackups(choose: Choose): void {
  describe("a killed backup", () => {
    let log: BackedUpLog

    beforeAll(async () => {
      log = await logWith(300, { follow: true })
    })
    afterAll(() => log.remove())

    it(
      "leaves the former one whole, and the next run completes it, with nothing of a person who was erased between",
      async () => {
        await logFor(log, NEEDLE, 3, (n) => ({ event_id: `${n}-of-the-person` }))
        await followed(log)
        const former = join(log.path, "former")
        await backedUp(log, former)
        const { tree_size } = JSON.parse(await readFile(join(former, "prooflog-backup.json"), "utf8"))
        await tell(log, "v1/erasures", { user_id: NEEDLE, why: "request 17" })
        await runNow(log)
        await addEvents(log, 1_000, 300)
        const args = (to: string) => ["backup", to, "--url", log.url]
        const env = { PROOFLOG_KEY: log.adminKey }
        const copyOfFormer = async () => {
          const to = join(log.path, "killed")
          await rm(to, { recursive: true, force: true })
          await cp(former, to, { recursive: true })
          return to
        }
        const seen = new Set<string>()
        for (const step of choose(await stepsOf(args(await copyOfFormer()), env))) {
          const to = await copyOfFormer()
          const { code, err } = await killed(args(to), step, env)
          expect([step, code, err]).toEqual([step, null, expect.any(String)])
          const size = await wholeSize(to, log.signerKey)
          seen.add(size === tree_size ? "former" : "next")
          const next = await backedUp(log, to)
          expect(await wholeSize(to, log.signerKey)).toBe(next.tree_size)
          expect(await filesWith(to, NEEDLE)).toEqual([])
        }
        expect([...seen].sort()).toEqual(["former", "next"])
      },
      TIMEOUT_MS,
    )

    it("of a first one leaves nothing that passes for a backup", async () => {
      const to = join(log.path, "first")
      await killed(["backup", to, "--url", log.url], 9, { PROOFLOG_KEY: log.adminKey })
      const refused = await prooflog(["restore", to, join(log.path, "none"), "--signer-key", log.signerKey])
      expect([refused.code, refused.err]).toEqual([
        2,
        expect.stringContaining("holds no backup that is complete"),
      ])
      const { tree_size } = await backedUp(log, to)
      expect(await wholeSize(to, log.signerKey)).toBe(tree_size)
    })
  })

  describe("a killed restore", () => {
    let log: BackedUpLog
    let backup: string
    let mirror: string

    beforeAll(async () => {
      log = await logWith(300)
      backup = join(log.path, "backup")
      mirror = join(log.path, "mirror")
      await backedUp(log, backup)
      await addEvents(log, 300, 40)
      await backedUp(log, mirror)
      await log.stop()
    })
    afterAll(() => log.remove())

    it(
      "leaves what is no log, and the next one goes on; the loss is announced once",
      async () => {
        const keys = join(log.path, "keys")
        const key = join(keys, "signer.key")
        const dir = join(log.path, "restored")
        const args = ["restore", backup, dir, "--signer-key", key, "--mirror", mirror]
        const asBefore = async () => {
          for (const path of [keys, dir]) await rm(path, { recursive: true, force: true })
          await cp(dirname(log.signerKey), keys, { recursive: true })
        }
        await asBefore()
        const stages = new Set<string>()
        for (const step of choose(await stepsOf(args))) {
          await asBefore()
          expect([step, (await killed(args, step)).code]).toEqual([step, null])
          if (await isThere(join(dir, "prooflog.json"))) {
            stages.add("complete")
          } else {
            const stage = await stageOf(dir)
            stages.add(stage)
            if (stage === "announcing") {
              const other = await runRestore(backup, dir, log.signerKey, "--mirror", mirror)
              expect(wordsIn(other)).toContain("is being restored with")
            }
            if (stage !== "not begun") {
              await expect(whileServed(dir, async () => {})).rejects.toMatchObject({
                code: "SERVER_FOLDER_NOT_EMPTY",
              })
            }
          }
          if (
            (await isThere(join(dir, "prooflog.json"))) &&
            !(await isThere(join(dir, "restore.incomplete")))
          ) {
            // All was done, but for letting others have the folder: it is a log.
            const again = await runRestore(backup, dir, key, "--mirror", mirror)
            expect(wordsIn(again)).toContain("is not empty")
          } else {
            const said = await restored(backup, dir, key, "--mirror", mirror)
            expect(said).toMatchObject({ tree_size: 344, lost: 41, lost_notice: 343 })
          }
          expect(await isThere(join(dir, "restore.incomplete"))).toBe(false)
          await whileServed(dir, async ({ url }) =>
            expect((await auditOf(url, log.policyFile)).treeSize).toBe(344),
          )
        }
        expect([...stages].sort()).toEqual(["announcing", "building", "complete", "not begun"])
      },
      TIMEOUT_MS,
    )

    async function stageOf(dir: string): Promise<string> {
      const marker = await readFile(join(dir, "restore.incomplete"), "utf8").catch(
        () => '{"stage":"not begun"}',
      )
      return JSON.parse(marker).stage
    }
  })
}
