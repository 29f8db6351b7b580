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

/** What is done: in which folder, on which day, how it is asked for, and what events of the log tell of it in the end. */
const DEEDS = {
  archive: {
    from: "fresh",
    day: 100,
    path: "v1/archive/run",
    told: { "log.archive.archived": [2, 90] },
  },
  destroy: {
    from: "archived",
    day: 365,
    path: "v1/archive/run",
    told: {
      "log.archive.archived": [2, 90],
      "log.destroy.withdrawn": [2, 45],
      "log.destroy.gone": [1, 45],
    },
  },
  erase: {
    from: "asked",
    day: 103,
    path: "v1/erasures/run",
    told: { "log.archive.archived": [2, 90], "log.erase.withdrawn": [1, 10], "log.erase.gone": [1, 10] },
  },
} as const

export type Deed = keyof typeof DEEDS

/** They stand in the records of a day, or of a person, and nowhere else. */
const NEEDLES = { first: "needle-of-day-0", tenth: "needle-of-day-10", person: "needle-of-one-person" }

type Place = "hot" | "archived" | "gone"

type Told = Record<string, readonly [count: number, records: number]>

export class KilledLogs {
  readonly #log: LogAt
  /** As they were logged, by leaf. */
  readonly #records = new Map<number, Buffer>()
  /** Leaves that are due, those of the person, and those that are never archived. */
  readonly #due = new Set<number>()
  readonly #person = new Set<number>()
  readonly #plain = new Set<number>()
  #caseId = ""

  private constructor(log: LogAt) {
    this.#log = log
  }

  static async make(): Promise<KilledLogs> {
    const logs = new KilledLogs(await LogAt.make(SCHEDULE, { alerts: false }))
    await logs.#fill()
    return logs
  }

  remove(): Promise<void> {
    return this.#log.remove()
  }

  async #fill(): Promise<void> {
    const log = this.#log
    const keep = async (name: string) => {
      await log.stop()
      await cp(log.dir, join(log.path, name), { recursive: true })
    }
    await this.#logOn(0, NEEDLES.first)
    await this.#logOn(10, NEEDLES.tenth)
    await followed(log)
    await keep("fresh")
    await this.#remember(join(log.path, "fresh"))
    await log.at(BEGIN_MS + 100 * DAY_MS)
    await followed(log)
    expect(await archiveJob(log, "run")).toMatchObject({ state: "done", result: { archived: 90 } })
    await keep("archived")
    await log.at(BEGIN_MS + 101 * DAY_MS)
    const { body } = await tell(log, "v1/erasures", { user_id: "P1", why: "request 17" })
    this.#caseId = body.id as string
    await keep("asked")
  }

  async #logOn(day: number, needle: string): Promise<void> {
    const log = this.#log
    await log.at(BEGIN_MS + day * DAY_MS)
    const logged = (user: string, count: number, action: string, word: string) =>
      logFor(log, user, count, () => ({ action, user_agent: word, reason: needle }))
    const plain = await logged("U1", 20, "plain", needle)
    const stored = await logged("U1", 20, "stored", needle)
    const person = await logged("P1", 5, "stored", NEEDLES.person)
    // Not the word of the day: its records stay.
    await logFor(log, "U1", 20, () => ({ action: "long", user_agent: "needle-of-none" }))
    for (const leaf of plain) this.#plain.add(leaf)
    for (const leaf of person) this.#person.add(leaf)
    if (day === 0) for (const leaf of [...plain, ...stored, ...person]) this.#due.add(leaf)
  }

  async #remember(dir: string): Promise<void> {
    const copy = `${dir}-looked-at`
    await cp(dir, copy, { recursive: true })
    for (const { leafIndex, bytes } of await storedIn(copy)) {
      if (Buffer.from(bytes).includes("needle-of")) this.#records.set(leafIndex, Buffer.from(bytes))
    }
    expect(this.#records.size).toBe(130)
  }

  /**
   * Kills it before a thing that lasts, and has the next server go on.
   *
   * @param n - before which, of those that `what` matches
   * @returns before what that was, `undefined` if it had come to its end before
   */
  async killed(deed: Deed, n: number, what = ""): Promise<string | undefined> {
    const dir = join(this.#log.path, `${deed}-killed`)
    await copyAnew(join(this.#log.path, DEEDS[deed].from), dir)
    const note = join(this.#log.path, "note")
    await rm(note, { force: true })
    const kill = { NODE_OPTIONS: `--import=${KILL_AT}`, KILL_AT: `${n}`, KILL_WHAT: what, KILL_NOTE: note }
    const server = await this.#serve(dir, deed, kill)
    const exited = once(server.child, "exit")
    if (deed !== "archive") await followed(server)
    await tell(server, DEEDS[deed].path).catch(() => {})
    const isOver = await eventually(async () => {
      if (server.child.exitCode !== null || server.child.signalCode !== null) return { yes: false }
      return (await isIdle(server, deed).catch(() => false)) ? { yes: true } : undefined
    })
    if (isOver.yes) await server.stop()
    else {
      expect(await exited).toEqual([null, "SIGKILL"])
      await this.#expectAllowed(dir, deed)
      await this.#finish(dir, deed)
    }
    await this.#expectDone(dir, deed)
    return isOver.yes ? undefined : readFile(note, "utf8")
  }

  /** Serves it until it is done, and every segment is held against the log. */
  async #finish(dir: string, deed: Deed): Promise<void> {
    const server = await this.#serve(dir, deed)
    try {
      if (deed !== "archive") await followed(server)
      if (deed === "erase") await this.#finishErasing(server)
      else {
        // What was cut off goes on by itself; what was not begun is asked for.
        const { job } = (await get(server, "v1/archive")).body as { job?: Json }
        const done = job === undefined ? archiveJob(server, "run") : endOf(server, job.id as string)
        expect(await done).toMatchObject({ state: "done", result: { failed: [] } })
      }
      expect(await archiveJob(server, "verify")).toMatchObject({ result: { faults: [] } })
      const { owed } = await archiveOf(server)
      expect(owed).toEqual({
        unfinished: 0,
        stale: 0,
        withdrawn: 0,
        purge: false,
        rewrite: false,
        untold: 0,
      })
    } finally {
      await server.stop()
    }
  }

  /** What was announced goes on by itself; what was not is asked for. */
  async #finishErasing(server: ServerAt): Promise<void> {
    const stateOf = async () => (await get(server, `v1/erasures/${this.#caseId}`)).body.state
    await untilIdle(server)
    if ((await stateOf()) === "gone") return
    expect((await runNow(server)).error).toBeUndefined()
    expect(await stateOf()).toBe("gone")
  }

  #serve(dir: string, deed: Deed, environment: NodeJS.ProcessEnv = {}): Promise<ServerAt> {
    const timeMs = BEGIN_MS + DEEDS[deed].day * DAY_MS
    // What is archived needs no rows.
    const env = { ...environment, FOLLOW: deed === "archive" ? "0" : "1" }
    return ServerAt.start(dir, timeMs, this.#log.adminKey, env)
  }

  /** Leaves whose records are destroyed by a deed. */
  #goneBy(deed: Deed): ReadonlySet<number> {
    return { archive: new Set<number>(), destroy: this.#due, erase: this.#person }[deed]
  }

  /** Of a server that was killed: every record is readable, or may be gone by now. */
  async #expectAllowed(dir: string, deed: Deed): Promise<void> {
    // A look into LevelDB mends what the kill left, which is for the next server to do.
    const copy = `${dir}-looked-at`
    await copyAnew(dir, copy)
    const { places } = await this.#findIn(copy)
    const gone = [...places].flatMap(([leaf, place]) => (place === "gone" ? [leaf] : []))
    expect(gone.filter((leaf) => !this.#goneBy(deed).has(leaf))).toEqual([])
  }

  /** All is as if nobody had been killed. What is gone is in no file, and there is no file that nobody knows. */
  async #expectDone(dir: string, deed: Deed): Promise<void> {
    const { places, told } = await this.#findIn(dir)
    const expected = [...this.#records.keys()].map((leaf): [number, Place] => {
      if (this.#goneBy(deed).has(leaf)) return [leaf, "gone"]
      return [leaf, this.#plain.has(leaf) ? "hot" : "archived"]
    })
    expect([...places]).toEqual(expected)
    expect(told).toEqual(DEEDS[deed].told)
    const { segments } = JSON.parse(await readFile(join(dir, "retention/archive.json"), "utf8"))
    const known = segments.flatMap(({ manifest }: { manifest: Json }) => {
      const { class: name, month, first_leaf, last_leaf, sha256 } = manifest
      const key = `segments/${name}/${month}/${first_leaf}-${last_leaf}-${String(sha256).slice(0, 16)}.parquet`
      return [key, `${key}.json`]
    })
    expect(await filesBelow(join(dir, "data/archive"))).toEqual([...known, "owner.json"].sort())
    expect(await filesBelow(join(dir, "data/archive-scratch"))).toEqual([])
    if (deed === "destroy") expect(await filesWith(dir, NEEDLES.first)).toEqual([])
    if (deed === "erase") expect(await filesWith(dir, NEEDLES.person)).toEqual([])
  }

  /**
   * Where the record of each leaf is that was logged, and what was told.
   *
   * @throws if one that is said to be hot or archived is not there as it was logged
   */
  async #findIn(dir: string): Promise<{ places: ReadonlyMap<number, Place>; told: Told }> {
    const rows = new Map<string, ReadonlyMap<number, Uint8Array>>()
    const places = new Map<number, Place>()
    const told: Told = {}
    for (const { kind, leafIndex, bytes } of await storedIn(dir)) {
      const logged = this.#records.get(leafIndex)
      if (logged === undefined) {
        if (kind === "record" && bytes.length > 0) countTold(bytes, told)
        continue
      }
      const tombstone = kind === "tombstone" ? decodeTombstone(bytes) : undefined
      if (tombstone?.state === "destroyed") {
        places.set(leafIndex, "gone")
        continue
      }
      let record: Uint8Array | undefined = bytes
      if (tombstone !== undefined) {
        const { segment: key } = tombstone
        if (!rows.has(key)) rows.set(key, await rowsOf(join(dir, "data/archive", key)))
        record = rows.get(key)?.get(leafIndex)
      }
      expect([leafIndex, record && logged.equals(record)]).toEqual([leafIndex, true])
      places.set(leafIndex, tombstone === undefined ? "hot" : "archived")
    }
    return { places, told }
  }
}

async function copyAnew(from: string, to: string): Promise<void> {
  await rm(to, { recursive: true, force: true })
  await cp(from, to, { recursive: true })
}

async function storedIn(dir: string) {
  const storage = await openLevelStorage(join(dir, "data/log"))
  try {
    return await storage.records(0, await storage.treeSize())
  } finally {
    await storage.close()
  }
}

async function rowsOf(path: string): Promise<ReadonlyMap<number, Uint8Array>> {
  const rows = new Map<number, Uint8Array>()
  for await (const page of readSegment(path)) {
    for (const { leafIndex, record } of page) rows.set(leafIndex, record)
  }
  return rows
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .flatMap((each) => (each.isFile() ? [join(each.parentPath, each.name).slice(folder.length + 1)] : []))
    .sort()
}

/** Counts an event of the log about itself, if it tells of something that is done once. */
function countTold(record: Uint8Array, told: Told): void {
  const { core, fields } = openRecord(record)
  const action = String(Object.fromEntries(core).action)
  if (!/^log\.(?:archive\.archived|destroy\.\w+|erase\.(?:withdrawn|gone))$/.test(action)) return
  const { records } = Object.fromEntries(fields).attributes as unknown as { readonly records: number }
  const [count, sum] = told[action] ?? [0, 0]
  told[action] = [count + 1, sum + records]
}

async function isIdle(server: Asked, deed: Deed): Promise<boolean> {
  if (deed === "erase") {
    const { body } = await get(server, "v1/erasures")
    return body.running === false && body.last_run !== undefined
  }
  const { job } = (await get(server, "v1/archive")).body as { job?: Json }
  return job !== undefined && job.state !== "running"
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
