/**
 * The tail: events as they come, by filter, as server-sent events.
 *
 *     GET v1/tail?result=denied
 *         id: 8123                        leaf index: what a reader resumes after, by Last-Event-ID
 *         event: access
 *         data: {"leaf_index":8123,…}     the flat event, as in GET v1/events
 *
 *     rows committed ─► ask for those after the last one ─► wait until they are published ─► send, as fast as taken
 *            └────────────── nothing new: a comment, every 15 seconds ◄──────────────┘
 *
 * Nothing is kept for a slow reader: it is asked for again where it stopped. That a tail is opened and closed is
 * logged; its own events are of source `prooflog`, which is left out unless asked for, so it does not wake itself.
 */

import { QueryError } from "@prooflog/query/error"
import { type Filter, namesOf, parseCursor, parseFilter, requireVisible } from "@prooflog/query/listing"
import { type Answer, contentHeaders } from "./answer.js"
import { ServerError } from "./error.js"
import { type Call, requireRole } from "./gate.js"
import { FILTER_PARAMETERS } from "./listing-routes.js"
import { logOwn, WHOLE_LOG } from "./own-events.js"
import { malformed, parseIndex } from "./query.js"
import type { Route } from "./route.js"
import type { ServedLog } from "./served-log.js"
import { statusOf } from "./status.js"
import { Turns } from "./turns.js"
import { withheldFromReader } from "./withhold.js"

/** Tails that may be open at once. */
export const MAX_TAILS = 64

/** Events asked for at once, and bytes of them: what is in memory for one reader, who may take none of it. */
const PAGE = 500
const PAGE_BYTES = 1024 * 1024

/** Questions of all tails at once: every commit wakes all of them, and others ask too. */
const ASKING_AT_ONCE = 2

/** Proxies close what is silent for a minute; so does whoever lost their network without a word. */
const KEEP_ALIVE_MS = 15_000

/** When to ask again where no answer could be given. */
const ASK_AGAIN_MS = 1_000

const KEEP_ALIVE = Buffer.from(": keep-alive\n\n")

/** What a proxy must not hold back. */
const HEADERS = [...contentHeaders("text/event-stream", "no-store"), "X-Accel-Buffering", "no"]

export interface TailOptions {
  /** Fires when the server stops: tails end then. */
  readonly stopping: AbortSignal
  readonly clock: () => number
  /** Ms between two comments; 15,000 unless set. */
  readonly keepAliveMs?: number
}

export function tailRoutes(log: ServedLog, options: TailOptions): readonly Route[] {
  const turns = new Turns(ASKING_AT_ONCE)
  let open = 0

  async function answerTail(call: Call): Promise<Answer> {
    const withheld = withheldFromReader(requireRole(call, ["reader"]), log.withholding)
    const doing = (said: object) => ({ resource: WHOLE_LOG, said: { filter: call.query, ...said } })
    const { filter, next } = await tailOf(log, call, withheld).catch(async (error: unknown) => {
      await logOwn(log, call, { action: "log.tail.open", ...doing({}) }, error)
      throw error
    })
    // Nobody takes events where only the head is asked for.
    if (call.method === "HEAD") return { status: 200, headers: HEADERS, body: "" }
    if (open >= MAX_TAILS) throw new ServerError("SERVER_BUSY", `there are ${MAX_TAILS} tails already`)
    open++
    try {
      await logOwn(log, call, { action: "log.tail.open", ...doing({ from: next }) })
    } catch (error) {
      open--
      throw error
    }
    const tail = new Tail(log, call, { filter, next, withheld, turns, ...options })
    return { status: 200, headers: HEADERS, body: (gone) => follow(tail, gone) }

    async function* follow(tail: Tail, gone: AbortSignal): AsyncGenerator<Uint8Array> {
      let failure: unknown
      try {
        yield* tail.events(gone)
      } catch (error) {
        failure = error
        throw error
      } finally {
        open--
        const said = { from: next, to: tail.next, rows: tail.rows }
        await logOwn(log, call, { action: "log.tail.close", ...doing(said) }, failure, options.clock())
      }
    }
  }

  return [
    {
      method: "GET",
      path: "v1/tail",
      access: ["reader"],
      summary: "Events as they come, as server-sent events",
      parameters: [
        {
          name: "cursor",
          in: "query",
          description:
            "Leaf index after which to begin, as the header Last-Event-ID; from now on if left out",
          schema: { type: "string" },
        },
        ...FILTER_PARAMETERS,
      ],
      answers: {
        200: {
          description: "id is the leaf index, event is access, data the flat event as JSON",
          mediaType: "text/event-stream",
        },
      },
      handle: answerTail,
    },
  ]
}

interface Asked {
  readonly filter: Filter
  /** First leaf that is of interest. */
  readonly next: number
}

/** @throws QueryError `QUERY_BAD_FILTER`; {@link ServerError} `SERVER_MALFORMED_QUERY` */
async function tailOf(
  { ledger, reading }: ServedLog,
  call: Call,
  withheld: readonly string[],
): Promise<Asked> {
  if (reading.status().state === "off") {
    throw new QueryError("QUERY_UNAVAILABLE", "this server does not follow its log: it was started without")
  }
  const query = new URLSearchParams(call.query)
  for (const name of ["limit", "order"]) if (query.has(name)) throw malformed(name, "is not for a tail")
  const given = query.getAll("cursor")
  if (given.length > 1) throw malformed("cursor", "must be given once")
  query.delete("cursor")
  const filter = parseFilter(query)
  requireVisible(namesOf(filter), withheld)
  const resumed = call.req.headers["last-event-id"]
  // A reader that lost its connection sends both: how far it came goes before where it began.
  const after = typeof resumed === "string" && resumed !== "" ? resumed : given[0]
  return { filter, next: after === undefined ? ledger.publishedHead.treeSize : leafOf(after) + 1 }
}

/** `17`, or a cursor that `GET v1/events?order=asc` gave. */
function leafOf(text: string): number {
  return parseIndex(text) ?? parseCursor(text, "asc").leafIndex
}

interface TailEvent {
  readonly leaf_index: number
}

interface Page {
  readonly events: readonly TailEvent[]
  /** Leaves up to which there are no others. */
  readonly seen: number
}

interface TailState extends Asked, TailOptions {
  readonly withheld: readonly string[]
  readonly turns: Turns
}

/** One open tail. */
class Tail {
  /** First leaf that its reader has not been told of. */
  next: number
  /** Events that its reader was sent. */
  rows = 0
  readonly #log: ServedLog
  readonly #call: Call
  readonly #state: TailState

  constructor(log: ServedLog, call: Call, state: TailState) {
    this.#log = log
    this.#call = call
    this.#state = state
    this.next = state.next
  }

  /** Ends when the reader has left or the server stops; throws if its key is revoked or answers fail. */
  async *events(gone: AbortSignal): AsyncGenerator<Uint8Array> {
    const ended = AbortSignal.any([gone, this.#state.stopping])
    const { reading } = this.#log
    let through = reading.status().through
    let wake = () => {}
    const forget = reading.onThrough((size) => {
      through = size
      wake()
    })
    ended.addEventListener("abort", () => wake())
    try {
      // The first comment tells a reader that it is connected.
      yield KEEP_ALIVE
      while (!ended.aborted) {
        if (through > this.next && (yield* this.#page(ended))) continue
        const sleepMs = through > this.next ? ASK_AGAIN_MS : this.#keepAliveMs
        const woken = await this.#sleep(sleepMs, ended, (resolve) => {
          wake = resolve
        })
        if (!woken) yield KEEP_ALIVE
      }
    } catch (error) {
      if (!ended.aborted) throw error
    } finally {
      forget()
    }
  }

  /** @returns whether there was an answer: a process that died is begun anew, and is asked again later */
  async *#page(ended: AbortSignal): AsyncGenerator<Uint8Array, boolean> {
    const { clock } = this.#state
    // A key that was revoked meanwhile sees nothing more.
    this.#log.keys.identify(this.#call.req.headers.authorization, clock())
    const page = await this.#ask(ended)
    if (page === undefined) return false
    const { events, seen } = page
    const last = events.at(-1)
    if (last !== undefined) yield* this.#published(last.leaf_index + 1, ended)
    for (const event of events) {
      if (ended.aborted) return true
      this.next = event.leaf_index + 1
      this.rows++
      yield Buffer.from(`id: ${event.leaf_index}\nevent: access\ndata: ${JSON.stringify(event)}\n\n`)
    }
    this.next = Math.max(this.next, seen)
    return true
  }

  /** Of an answer only its events are kept, which wait for their reader. */
  async #ask(ended: AbortSignal): Promise<Page | undefined> {
    const { filter, withheld, turns } = this.#state
    const page: Filter = {
      ...filter,
      order: "asc",
      limit: PAGE,
      ...(this.next > 0 && { cursor: { side: "after", leafIndex: this.next - 1 } }),
    }
    try {
      const asking = { withheld, maxBytes: PAGE_BYTES, signal: ended }
      const answer = await turns.take(() => this.#log.reading.list(page, asking))
      const events = JSON.parse(Buffer.from(answer.eventsJson).toString()) as TailEvent[]
      // A page with nothing behind it has seen all there was.
      return { events, seen: answer.nextCursor === undefined ? answer.through : 0 }
    } catch (error) {
      if (error instanceof QueryError && statusOf(error.code).status === 503) return undefined
      throw error
    }
  }

  /** Waits for a head that everyone may see: who is told of an event may ask for its proof. */
  async *#published(treeSize: number, ended: AbortSignal): AsyncGenerator<Uint8Array> {
    const { ledger } = this.#log
    const end = new Promise<undefined>((resolve) => ended.addEventListener("abort", () => resolve(undefined)))
    while (!ended.aborted && ledger.publishedHead.treeSize < treeSize) {
      const head = await Promise.race([ledger.published(treeSize, this.#keepAliveMs), end])
      if (head === undefined && !ended.aborted) yield KEEP_ALIVE
    }
  }

  /** Whether something woke it before its time. */
  #sleep(ms: number, ended: AbortSignal, onWake: (wake: () => void) => void): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => resolve(false), ms)
      onWake(() => {
        clearTimeout(timer)
        resolve(true)
      })
      if (ended.aborted) {
        clearTimeout(timer)
        resolve(true)
      }
    })
  }

  get #keepAliveMs(): number {
    return this.#state.keepAliveMs ?? KEEP_ALIVE_MS
  }
}
