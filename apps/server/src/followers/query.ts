/**
 * The query child: the process that holds the rows, answers questions, and may be killed by any of them.
 *
 *     reader ── append ──► rows and cursor in one transaction ──► through
 *            ── question ► DuckDB ──► text of an answer, or a file
 *
 * It is trusted by nobody, and trusts what the reader has checked. Whatever it holds can be made again from the log.
 */

import { mkdir, rm } from "node:fs/promises"
import { dirname } from "node:path"
import { type Enricher, openEnricher } from "@prooflog/enrich/enrich"
import { QueryError } from "@prooflog/query/error"
import { requireWholeEvents, writeExport } from "@prooflog/query/export"
import { facets, filterSql, histogram, listEvents } from "@prooflog/query/listing"
import { rewriteDatabase } from "@prooflog/query/rewrite"
import { openQueryStore, type QueryStore } from "@prooflog/query/store"
import { HASH_SIZE } from "@prooflog/tlog/hash"
import type { Database } from "../reading.js"
import { writeRows } from "./answer-json.js"
import type { Answers, QueryBegun, QueryCalls, QuerySetup, Question, ReaderOfQueryCalls } from "./calls.js"
import { endNow, liveAsChild } from "./child.js"
import { channelTo, openLink } from "./link.js"
import { watchMemory } from "./memory-watch.js"
import { withoutWords } from "./query-words.js"
import { TOO_MUCH_MEMORY_SIGNAL } from "./questions.js"
import { type Level, sayTo } from "./say.js"

/** What the process may hold beyond what DuckDB counts: Node, databases of addresses, answers. */
const BESIDE_DUCKDB_MB = 512

const MIB = 1024 * 1024

/** The mark of whatever is forgotten. */
const FORGOTTEN = "forgotten"

interface Begun {
  readonly setup: QuerySetup
  readonly enricher: Enricher
  store: QueryStore
}

let begun: Begun | undefined
/** Paths of the databases whose damage was told. */
const faulty = new Set<string>()
let faultsTold = 0
/** Settles when the rows that are being made anew are open, or cannot be. */
let reopened: Promise<unknown> = Promise.resolve()
/** Pages are appended one after another, in the order in which they came. */
let appending: Promise<void> = Promise.resolve()

const reader = openLink<QueryCalls, ReaderOfQueryCalls>(
  channelTo(process),
  {
    alive: () => {},
    async begin(setup) {
      watchMemory((setup.memoryMb + BESIDE_DUCKDB_MB) * MIB, () => endNow(TOO_MUCH_MEMORY_SIGNAL))
      await mkdir(dirname(setup.path), { recursive: true, mode: 0o700 })
      const enricher = await openEnricher(setup.mmdb === undefined ? {} : { mmdb: setup.mmdb })
      begun = { setup, enricher, store: await open(setup, enricher) }
      return stateOf(begun)
    },
    append(page) {
      const { store } = required()
      const appended = appending.then(() => store.append(page)).catch(throwShown)
      // Those behind it are not held up by it: they fail on their own, as they no longer follow.
      appending = appended.catch(() => {})
      return appended
    },
    async cursor() {
      const now = required()
      await appending
      await now.store.commit()
      return stateOf(now)
    },
    async question(question, signal) {
      await reopened
      return answer(required().store, question, signal).catch(throwShown)
    },
    reindex: () => reopening(required(), throwAway),
    async forget(leaves) {
      await reopened
      // What is forgotten stands in the log: nothing is to be found here by a mark.
      await required().store.forget(leaves, FORGOTTEN).catch(throwShown)
    },
    rewrite: () =>
      closing(required())
        .then(rewriteDatabase)
        .then(() => {}, throwShown),
    async close() {
      await appending
      await begun?.store.close()
      // The answer is not waited for: the parent counts this death.
      endNow()
    },
  },
  (error) => say("error", "what the reader said could not be understood", { error }),
)
const say = sayTo((said) => reader.tell("say", said))
const sayLast = (
  level: Level,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
  sent: () => void,
) => sayTo((said) => reader.tell("say", said, sent))(level, message, details)
liveAsChild(sayLast)

async function open({ path, memoryMb }: QuerySetup, { enrich }: Enricher): Promise<QueryStore> {
  const store = await openQueryStore({
    path,
    memoryMb,
    enrich,
    onDiscard: (reason) =>
      say("warn", `the file of rows was no good (${reason}): they are made again`, { path }),
  })
  store.onCommit((through) => {
    reader.tell("through", through)
    tellFaults()
  })
  // Nobody may be waiting for that commit. The next process goes on after the last one that was kept.
  store.onFailure((error) =>
    sayLast("error", "rows could not be kept", { error: shown(error) }, () => endNow()),
  )
  return store
}

/** Tells how often a database could not be read, and the operator once of each that is damaged. */
function tellFaults(): void {
  const databases = begun === undefined ? [] : databasesOf(begun.enricher)
  const met = databases.reduce((sum, { faults }) => sum + faults, 0)
  if (met === faultsTold) return
  faultsTold = met
  reader.tell("databases", databases)
  for (const { path, type, faults } of databases) {
    if (faults === 0 || faulty.has(path)) continue
    faulty.add(path)
    say("warn", "a database of addresses is damaged: some of them stay unknown", { path, type })
  }
}

/** Closes the database, has something done to its files, and opens what is there then. */
function reopening(now: Begun, change: (setup: QuerySetup) => Promise<unknown>): Promise<QueryBegun> {
  const done = reopen(now, change)
  reopened = done.catch(() => {})
  return done
}

async function reopen(
  { setup, enricher, store }: Begun,
  change: (setup: QuerySetup) => Promise<unknown>,
): Promise<QueryBegun> {
  await change(await closing({ setup, enricher, store }))
  begun = { setup, enricher, store: await open(setup, enricher) }
  return stateOf(begun)
}

/** Closes the database: nothing is answered from here on. */
async function closing({ setup, store }: Begun): Promise<QuerySetup> {
  begun = undefined
  await appending
  await store.close()
  return setup
}

async function throwAway({ path }: QuerySetup): Promise<void> {
  for (const file of [path, `${path}.wal`]) await rm(file, { force: true })
}

function stateOf({ store, enricher }: Begun): QueryBegun {
  return {
    through: store.through,
    cursor: store.cursor,
    databases: databasesOf(enricher),
  }
}

function databasesOf({ databases }: Enricher): readonly Database[] {
  return databases.map(({ path, type, built, faults }) => ({ path, type, built, faults }))
}

function required(): Begun {
  if (begun === undefined) throw new QueryError("QUERY_UNAVAILABLE", "the rows are not open")
  return begun
}

async function answer(
  store: QueryStore,
  question: Question,
  signal: AbortSignal,
): Promise<Answers[keyof Answers]> {
  switch (question.kind) {
    case "sql": {
      const { sql, parameters, withheld, limit } = question.asked
      const rows = await store.run({ sql, ...(parameters && { parameters }), withheld, signal })
      const { json, count, truncated } = await writeRows(rows, limit)
      const { columns, through } = rows
      return { columns, rowsJson: json, rowCount: count, truncated, through }
    }
    case "list": {
      const { filter, withheld, maxBytes } = question
      const options = { withheld, signal, ...(maxBytes !== undefined && { maxBytes }) }
      const { events, json, nextCursor, through } = await listEvents(store, filter, options)
      return { eventsJson: new Uint8Array(Buffer.from(json)), count: events.length, nextCursor, through }
    }
    case "facets": {
      const { filter, columns, withheld, top } = question
      return facets(store, filter, columns, { withheld, signal, ...(top !== undefined && { top }) })
    }
    case "histogram": {
      const { filter, withheld } = question
      const { interval, zone } = question.asked
      return histogram(store, filter, { interval, ...(zone !== undefined && { zone }), withheld, signal })
    }
    case "export": {
      const { question: asked, format, path, withheld, origin, logId } = question.job
      const { sql, parameters } = "sql" in asked ? asked : filterSql(asked.filter)
      const rows = await store.run({
        sql,
        ...(parameters && { parameters }),
        withheld,
        signal,
        isExport: true,
      })
      try {
        if (format === "ocsf" && "sql" in asked) await requireWholeEvents(store, sql, rows.columns)
        // What another process of this kind had written before it died.
        await rm(path, { force: true })
      } catch (error) {
        await rows.close()
        throw error
      }
      return writeExport(rows, format, path, { origin, logId, leafHashes })
    }
  }
}

async function leafHashes(leafIndices: readonly number[]): Promise<readonly Uint8Array[]> {
  const hashes = await reader.ask("leafHashes", leafIndices)
  return leafIndices.map((_, i) => hashes.subarray(i * HASH_SIZE, (i + 1) * HASH_SIZE))
}

function throwShown(error: unknown): never {
  throw shown(error)
}

/** What DuckDB says of its own faults may quote rows: of what is no QueryError only its name goes on. */
function shown(error: unknown): Error {
  if (error instanceof QueryError) return withoutWords(error)
  return new Error(`bug: the query process met a ${error instanceof Error ? error.name : typeof error}`)
}
