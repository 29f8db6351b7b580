/**
 * A server that is killed while it erases: the next one finishes what was announced.
 *
 * Each is two servers and a log that is purged: `npm test` takes those after which the next server has something
 * else to do, `npm run test:slow` all.
 */

import { once } from "node:events"
import { cp, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { decodeEntry } from "@prooflog/event/entry"
import { bundlePath, parseBundle } from "@prooflog/tlog/bundle"
import { parsePolicy } from "@prooflog/tlog/policy"
import { verifyCertificate } from "@prooflog/verifier/certificate"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { PUBLISH_EVERY_MS, serve, temporaryFolder } from "../running-log.js"
import {
  type Asked,
  eventually,
  filesWith,
  followed,
  get,
  type Json,
  logFor,
  runNow,
  tell,
  untilIdle,
} from "./asked.js"

const KILL_AT = fileURLToPath(new URL("kill-at.mjs", import.meta.url))

const NEEDLE = "needle-of-one-person"

/** What is kept, in this order; before the first two nothing is announced. */
const STATES = [
  "what it erases",
  "the draft of the notice",
  "where the notice stands",
  "that the case is announced",
  "that all its cases know",
  "that it is withdrawn",
  "the certificate",
  "that it is gone",
]

export interface Kill {
  readonly when: "before" | "after"
  /** Which state of {@link STATES} it is about to keep or has kept, from 1. */
  readonly step: number
}

export const ALL_KILLS: readonly Kill[] = [
  ...STATES.map((_, i): Kill => ({ when: "before", step: i + 1 })),
  // The draft is there, and nothing else: it must be announced once, and without being asked for.
  { when: "after", step: 2 },
]

export function killErasures(kills: readonly Kill[]): void {
  describe("a server that is killed while it erases", () => {
    let folder: Awaited<ReturnType<typeof temporaryFolder>>
    let dir: string
    let keys: { adminKey: string; writerKey: string }
    let caseId: string
    let leaves: number[]

    /** A log with a case in its queue, which each kill gets a copy of. */
    beforeAll(async () => {
      folder = await temporaryFolder()
      dir = join(folder.path, "log")
      const server = await serve(dir)
      const keyOf = (role: string) => new RegExp(`${role} key\\s+(\\S+)`).exec(server.printed)?.[1] ?? "none"
      keys = { adminKey: keyOf("admin"), writerKey: keyOf("writer") }
      const log = { url: server.url, ...keys }
      await logFor(log, "U1", 20)
      leaves = await logFor(log, "U2", 20, () => ({ user_agent: NEEDLE }))
      await followed(log)
      const { body } = await tell(log, "v1/erasures", { user_id: "U2", why: "request 17" })
      caseId = body.id as string
      await server.stop()
      // A notice is waited for until it is published: once a second, unless told otherwise.
      const config = join(dir, "prooflog.json")
      const settings = { ...JSON.parse(await readFile(config, "utf8")), publish_every_ms: PUBLISH_EVERY_MS }
      await writeFile(config, JSON.stringify(settings))
    })
    afterAll(() => folder.remove())

    it.each(kills.map(({ when, step }) => [when, STATES[step - 1], step] as const))(
      "%s it has kept %s",
      async (when, _, step) => {
        const copy = join(folder.path, `${when}-${step}`)
        await cp(dir, copy, { recursive: true })
        const killed = await serve(copy, {
          NODE_OPTIONS: `--import=${KILL_AT}`,
          KILL_AT: String(step),
          KILL_WHEN: when,
        })
        const log: Asked = { url: killed.url, adminKey: keys.adminKey }
        const exited = killed.process.exitCode === null ? once(killed.process, "exit") : undefined
        await followed(log)
        await tell(log, "v1/erasures/run").catch(() => {})
        expect(await exited).toEqual([null, "SIGKILL"])

        const server = await serve(copy)
        const again: Asked = { url: server.url, adminKey: keys.adminKey }
        try {
          const isAnnounced = step > 2 || when === "after"
          const stateOf = async () => (await get(again, `v1/erasures/${caseId}`)).body.state
          if (!isAnnounced) {
            await untilIdle(again)
            expect(await stateOf()).toBe("queued")
            await followed(again)
            await runNow(again)
          }
          await eventually(async () => ((await stateOf()) === "gone" ? true : undefined))
          expect(await filesWith(copy, NEEDLE)).toEqual([])
          const { body } = await get(again, `v1/erasures/${caseId}/certificate`)
          const policy = parsePolicy(await readFile(join(copy, "policy")))
          const { items, notice } = verifyCertificate(JSON.stringify(body), policy)
          expect(items.map(({ leafIndex }) => leafIndex)).toEqual(leaves)
          expect(await noticesIn(again)).toEqual([[notice.leafIndex, 1, 20]])
          expect((await get(again, `v1/events/${leaves[0]}`)).body).toMatchObject({
            status: 410,
            notice_leaf: notice.leafIndex,
          })
        } finally {
          await server.stop()
        }
      },
    )
  })
}

/** Leaf, kind and count of every notice in the published log. */
async function noticesIn(log: Asked): Promise<(readonly [number, number, number])[]> {
  const { published } = (await get(log, "v1/log")).body as { published: Json }
  const size = published.tree_size as number
  expect(size).toBeLessThanOrEqual(256)
  const response = await fetch(`${log.url}${bundlePath(0, size)}`)
  const entries = parseBundle(new Uint8Array(await response.arrayBuffer()), size).map((each) =>
    decodeEntry(each),
  )
  return entries.flatMap((entry, leaf) =>
    entry.type === "notice" ? [[leaf, entry.kind, entry.count] as const] : [],
  )
}
