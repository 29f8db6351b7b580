/**
 * A log whose server is killed while it archives, destroys or erases, and what must be true of it right then and in the
 * end; for the test that is run each time, and for the one that kills at every step.
 *
 *     made once    ─► fresh        records of a month, all hot
 *                  ─► archived     the same, in segments
 *                  ─► asked        a person's erasure asked for
 *     each kill    ─► a copy ─► killed ─► nothing is lost, nothing went that may not ─► served again ─► as if nobody had been killed
 */

import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { cp, readdir, readFile, rm } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { openRecord } from "@prooflog/event/record"
import { decodeTombstone } from "@prooflog/event/tombstone"
import { readSegment } from "@prooflog/query/segment"
import { openLevelStorage } from "@prooflog/storage-level"
import { expect } from "vitest"
import { type Asked, eventually, filesWith, followed, get, type Json, logFor, runNow, tell } from "./asked.js"
import { archiveJob, archiveOf, DAY_MS, endOf, LogAt } from "./log-at.js"

const SERVE_AT = fileURLToPath(new URL("serve-at.mjs", import.meta.url))
const KILL_AT = fileURLToPath(new URL("archive-kill-at.mjs", import.meta.url))

const BEGIN_MS = Date.parse("2024-02-03T09:00:00Z")

/** What was logged on the first day is due on day 360, what was ten days later on day 370. */
const SCHEDULE = `
classes:
  stored: { hot: 30d, archive: 300d, destroy_after: 30d }
  long: { hot: 30d, archive: 10y }
  plain: { hot: 330d, archive: 0, destroy_after: 30d }
  audit: { hot: 7y }
default: stored
rules:
  - { class: long, action: long }
  - { class: plain, action: plain }
`

/** What a log is made to do, at which time, beginning with which folder. */
export const DEEDS = {
  archive: { from: "fresh", day: 100 },
  destroy: { from: "archived", day: 365 },
  erase: { from: "asked", day: 103 },
} as const

export type Deed = keyof typeof DEEDS

/** Texts that stand in records, and nowhere else, by whether they go. */
const NEEDLES = { due: "needle-first-day", later: "needle-tenth-day", person: "needle-one-person" }

type Place = "hot" | "archived" | "gone"

/** What can be told of a folder that nobody serves. */
interface Told {
  /** Of each leaf that was logged. */
  readonly places: ReadonlyMap<number, Place>
  /** Of what the archive and the erasure did, in events of the log: how often, and how many records. */
  readonly events: Readonly<Record<string, string>>
}

export class KilledLogs {
  readonly #log: LogAt
  /** As it was logged, by leaf. */
  readonly #records = new Map<number, Buffer>()
  /** Leaves of the first day, and those of the person. */
  readonly #due = new Set<number>()
  readonly #person = new Set<number>()
  #caseId = ""

  private constructor(log: LogAt) {
    this.#log = log
  }

  static async make(): Promise<KilledLogs> {
    const log = await LogAt.make(SCHEDULE, { alerts: false })
    const logs = new KilledLogs(log)
    for (const [day, needle] of [
      [0, NEEDLES.due],
      [10, NEEDLES.later],
    ] as const) {
      await log.at(BEGIN_MS + day * DAY_MS)
      for (const action of ["stored", "long", "plain"]) {
        const leaves = await logFor(log, "U1", 20, () => ({ action, user_agent: `${needle}-${action}` }))
        if (day === 0 && action !== "long") for (const leaf of leaves) logs.#due.add(leaf)
      }
      const more = () => ({ action: "stored", user_agent: NEEDLES.person, reason: needle })
      for (const leaf of await logFor(log, "P1", 5, more)) {
        logs.#person.add(leaf)
        if (day === 0) logs.#due.add(leaf)
      }
    }
    await followed(log)
    await log.stop()
    await logs.#remember()
    await cp(log.dir, join(log.path, "fresh"), { recursive: true })
    await log.at(BEGIN_MS + 100 * DAY_MS)
    await followed(log)
    expect(await archiveJob(log, "run")).toMatchObject({ state: "done", result: { archived: 90 } })
    await log.stop()
    await cp(log.dir, join(log.path, "archived"), { recursive: true })
    await log.at(BEGIN_MS + 101 * DAY_MS)
    const { body } = await tell(log, "v1/erasures", { user_id: "P1", why: "request 17" })
    logs.#caseId = body.id as string
    await log.stop()
    await cp(log.dir, join(log.path, "asked"), { recursive: true })
    return logs
  }

  remove(): Promise<void> {
    return this.#log.remove()
  }

  async #remember(): Promise<void> {
    const storage = await openLevelStorage(join(this.#log.dir, "data/log"))
    for (const { leafIndex, bytes } of await storage.records(0, await storage.treeSize())) {
      const isOurs = bytes.length > 0 && Buffer.from(bytes).includes("needle-")
      if (isOurs) this.#records.set(leafIndex, Buffer.from(bytes))
    }
    await storage.close()
    expect(this.#records.size).toBe(130)
  }

  /** Does it without killing anyone. */
  async undisturbed(deed: Deed): Promise<Told> {
    const dir = await this.#copy(DEEDS[deed].from, `${deed}-undisturbed`)
    await this.#finish(dir, deed)
    const told = await this.#toldBy(dir)
    await this.#expectDone(dir, deed, told)
    return told
  }

  /**
   * Kills it before a thing that lasts, and has the next server go on.
   *
   * @param n - before which, of those that `what` matches
   * @returns before what that was, `undefined` if it had come to its end before
   */
  async killed(deed: Deed, n: number, what: string, expected: Told): Promise<string | undefined> {
    const dir = await this.#copy(DEEDS[deed].from, `${deed}-killed`)
    const note = join(this.#log.path, "note")
    await rm(note, { force: true })
    const kill = { NODE_OPTIONS: `--import=${KILL_AT}`, KILL_AT: `${n}`, KILL_WHAT: what, KILL_NOTE: note }
    const server = await this.#serve(dir, deed, kill)
    const exited = once(server.child, "exit")
    if (deed !== "archive") await followed(server)
    await tell(server, RUNS[deed]).catch(() => {})
    const isOver = async () => (await isIdle(server, deed).catch(() => false)) === true
    const ended = await Promise.race([
      exited.then(() => "killed"),
      eventually(async () => ((await isOver()) ? "over" : undefined)).catch(() => "killed"),
    ])
    if (ended === "over") {
      await server.stop()
      return undefined
    }
    expect(await exited).toEqual([null, "SIGKILL"])
    await this.#expectAllowed(dir, deed)
    await this.#finish(dir, deed)
    const told = await this.#toldBy(dir)
    expect(told).toEqual(expected)
    await this.#expectDone(dir, deed, told)
    return readFile(note, "utf8")
  }

  /** Serves it until it is done, and every segment is held against the log. */
  async #finish(dir: string, deed: Deed): Promise<void> {
    const server = await this.#serve(dir, deed)
    try {
      if (deed === "erase") {
        await eventually(async () => ((await isIdle(server, deed)) ? true : undefined)).catch(() => {})
        const stateOf = async () => (await get(server, `v1/erasures/${this.#caseId}`)).body.state
        if ((await stateOf()) !== "gone") {
          await followed(server)
          await runNow(server)
        }
        expect(await stateOf()).toBe("gone")
      } else {
        // What was cut off goes on by itself; what was not begun is asked for.
        const { job } = (await get(server, "v1/archive")).body as { job?: Json }
        if (deed !== "archive") await followed(server)
        const done =
          job === undefined ? await archiveJob(server, "run") : await endOf(server, job.id as string)
        expect(done).toMatchObject({ state: "done", result: { failed: [] } })
      }
      expect(await archiveJob(server, "verify")).toMatchObject({ result: { faults: [] } })
      const { owed } = await archiveOf(server)
      expect(owed).toEqual({ unfinished: 0, stale: 0, withdrawn: 0, purge: false, rewrite: false, untold: 0 })
    } finally {
      await server.stop()
    }
  }

  async #serve(dir: string, deed: Deed, env: NodeJS.ProcessEnv = {}): Promise<ServerAt> {
    const timeMs = BEGIN_MS + DEEDS[deed].day * DAY_MS
    // What is archived needs no rows.
    const follow = deed === "archive" ? "0" : "1"
    return ServerAt.start(dir, timeMs, this.#log.adminKey, { ...env, FOLLOW: follow })
  }

  async #copy(from: string, name: string): Promise<string> {
    const copy = join(this.#log.path, name)
    await rm(copy, { recursive: true, force: true })
    await cp(join(this.#log.path, from), copy, { recursive: true })
    return copy
  }

  /** Of a server that was killed: every record is readable, or may be gone by now. */
  async #expectAllowed(dir: string, deed: Deed): Promise<void> {
    // A look into LevelDB mends what the kill left, which is for the next server to do.
    const copy = `${dir}-looked-at`
    await rm(copy, { recursive: true, force: true })
    await cp(dir, copy, { recursive: true })
    const { places } = await this.#toldBy(copy)
    const mayGo = deed === "destroy" ? this.#due : deed === "erase" ? this.#person : new Set()
    for (const [leaf, place] of places)
      if (place === "gone") expect([leaf, mayGo.has(leaf)]).toEqual([leaf, true])
  }

  /** @throws if a record that is said to be hot or archived is not there as it was logged */
  async #toldBy(dir: string): Promise<Told> {
    const storage = await openLevelStorage(join(dir, "data/log"))
    const stored = await storage.records(0, await storage.treeSize())
    await storage.close()
    const segments = new Map<string, ReadonlyMap<number, Uint8Array>>()
    const places = new Map<number, Place>()
    const events: Record<string, [count: number, records: number]> = {}
    for (const { kind, leafIndex, bytes } of stored) {
      const logged = this.#records.get(leafIndex)
      if (logged === undefined) {
        if (kind === "record" && bytes.length > 0) countOwn(bytes, events)
        continue
      }
      const tombstone = kind === "tombstone" ? decodeTombstone(bytes) : undefined
      if (tombstone?.state === "destroyed") {
        places.set(leafIndex, "gone")
        continue
      }
      places.set(leafIndex, tombstone === undefined ? "hot" : "archived")
      let record: Uint8Array | undefined = bytes
      if (tombstone !== undefined) {
        const { segment: key } = tombstone
        if (!segments.has(key)) segments.set(key, await rowsOf(join(dir, "data/archive", key)))
        record = segments.get(key)?.get(leafIndex)
      }
      expect([leafIndex, record && logged.equals(record)]).toEqual([leafIndex, true])
    }
    return {
      places,
      events: Object.fromEntries(Object.entries(events).map(([name, each]) => [name, each.join(" of ")])),
    }
  }

  /** What is gone is in no file, and no file is there that nobody knows. */
  async #expectDone(dir: string, deed: Deed, { places }: Told): Promise<void> {
    const state = JSON.parse(await readFile(join(dir, "retention/archive.json"), "utf8"))
    const known = state.segments.flatMap(({ manifest }: { manifest: Json }) => {
      const { class: name, month, first_leaf, last_leaf, sha256 } = manifest
      const key = `segments/${name}/${month}/${first_leaf}-${last_leaf}-${String(sha256).slice(0, 16)}.parquet`
      return [key, `${key}.json`]
    })
    const there = await readdir(join(dir, "data/archive"), { recursive: true, withFileTypes: true })
    const files = there.flatMap((each) =>
      each.isFile() ? [join(each.parentPath, each.name).slice(join(dir, "data/archive/").length)] : [],
    )
    expect(files.sort()).toEqual([...known, "owner.json"].sort())
    expect(await readdir(join(dir, "data/archive-scratch"))).toEqual([])
    if (deed === "destroy") {
      for (const action of ["stored", "plain"])
        expect(await filesWith(dir, `${NEEDLES.due}-${action}`)).toEqual([])
    }
    if (deed === "erase") expect(await filesWith(dir, NEEDLES.person)).toEqual([])
    const gone = [...places].filter(([, place]) => place === "gone").map(([leaf]) => leaf)
    const expected = deed === "destroy" ? this.#due : deed === "erase" ? this.#person : []
    expect(gone).toEqual([...expected].sort((a, b) => a - b))
  }
}

const RUNS = { archive: "v1/archive/run", destroy: "v1/archive/run", erase: "v1/erasures/run" } as const

async function isIdle(server: Asked, deed: Deed): Promise<boolean> {
  if (deed === "erase") {
    const { body } = await get(server, "v1/erasures")
    return body.running === false && body.last_run !== undefined
  }
  const { job } = (await get(server, "v1/archive")).body as { job?: Json }
  return job !== undefined && job.state !== "running"
}

function countOwn(record: Uint8Array, events: Record<string, [count: number, records: number]>): void {
  const { core, fields } = openRecord(record)
  const action = String(new Map(core).get("action"))
  if (!/^log\.(?:archive\.archived|destroy\.|erase\.)/.test(action)) return
  const attributes = new Map(fields).get("attributes")
  const records = attributes instanceof Map ? Number(attributes.get("records")) : 0
  const [count, sum] = events[action] ?? [0, 0]
  events[action] = [count + 1, sum + records]
}

async function rowsOf(path: string): Promise<ReadonlyMap<number, Uint8Array>> {
  const rows = new Map<number, Uint8Array>()
  for await (const page of readSegment(path))
    for (const { leafIndex, record } of page) rows.set(leafIndex, record)
  return rows
}

/** A server in a process of its own. */
class ServerAt implements Asked {
  readonly child: ChildProcess
  readonly url: string
  readonly adminKey: string

  private constructor(child: ChildProcess, url: string, adminKey: string) {
    this.child = child
    this.url = url
    this.adminKey = adminKey
  }

  static async start(
    dir: string,
    timeMs: number,
    adminKey: string,
    env: NodeJS.ProcessEnv,
  ): Promise<ServerAt> {
    const child = fork(SERVE_AT, [dir, `${timeMs}`], { env: { ...process.env, ...env }, execArgv: [] })
    const failed = once(child, "exit").then(([code]) => {
      throw new Error(`the server ended with ${code}`)
    })
    failed.catch(() => {})
    const [{ url }] = (await Promise.race([once(child, "message"), failed])) as [{ url: string }]
    return new ServerAt(child, url, adminKey)
  }

  async stop(): Promise<void> {
    const exited = once(this.child, "exit")
    this.child.send("stop")
    await exited
  }
}
