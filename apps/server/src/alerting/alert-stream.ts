/**
 * Alerts as they change, as server-sent events.
 *
 *     GET v1/alerts/stream
 *         event: alert
 *         data: {"change":"opened","alert":{…}}        as in GET v1/alerts/{id}
 *
 * Nothing is kept for who was away, or is slow: whoever connects looks at GET v1/alerts first.
 */

import type { AlertChange } from "@prooflog/alerts/alert-book"
import { type Answer, contentHeaders } from "../answer.js"
import { ServerError } from "../error.js"
import { type Call, requireRole } from "../gate.js"
import { logOwn } from "../own-events.js"
import type { Route } from "../route.js"
import type { ServedLog } from "../served-log.js"
import { withheldFromReader } from "../withhold.js"
import { sayAlert } from "./say-alert.js"

/** Streams that may be open at once. */
const MAX_STREAMS = 64

/** Changes that wait for one reader; for more, the oldest go. */
const MAX_WAITING = 1_000

/** Proxies close what is silent for a minute. */
const KEEP_ALIVE_MS = 15_000

const KEEP_ALIVE = Buffer.from(": keep-alive\n\n")

const HEADERS = [...contentHeaders("text/event-stream", "no-store"), "X-Accel-Buffering", "no"]

export interface AlertStreamOptions {
  /** Fires when the server stops: streams end then. */
  readonly stopping: AbortSignal
  readonly clock: () => number
}

export function alertStreamRoutes(log: ServedLog, { stopping, clock }: AlertStreamOptions): readonly Route[] {
  let open = 0

  async function answer(call: Call): Promise<Answer> {
    const withheld = withheldFromReader(requireRole(call, ["reader"]), log.withholding)
    if (call.method === "HEAD") return { status: 200, headers: HEADERS, body: "" }
    if (open >= MAX_STREAMS) throw new ServerError("SERVER_BUSY", `there are ${MAX_STREAMS} streams already`)
    await logOwn(log, call, { action: "log.alert.read", resource: "alerts", said: { stream: true } })
    return { status: 200, headers: HEADERS, body: (gone) => stream(call, withheld, gone) }
  }

  async function* stream(
    call: Call,
    withheld: readonly string[],
    gone: AbortSignal,
  ): AsyncGenerator<Uint8Array> {
    const ended = AbortSignal.any([gone, stopping])
    const waiting: AlertChange[] = []
    let wake = () => {}
    open++
    const forget = log.alerts.onChange((change) => {
      if (waiting.push(change) > MAX_WAITING) waiting.shift()
      wake()
    })
    ended.addEventListener("abort", () => wake())
    try {
      yield KEEP_ALIVE
      while (!ended.aborted) {
        const change = waiting.shift()
        if (change === undefined) {
          if (!(await slept(ended, (resolve) => (wake = resolve)))) yield KEEP_ALIVE
          continue
        }
        // A key that was revoked meanwhile sees nothing more.
        log.keys.identify(call.req.headers.authorization, clock())
        const alert = sayAlert({ ...change.alert, silencedBy: [] }, withheld)
        yield Buffer.from(`event: alert\ndata: ${JSON.stringify({ change: change.kind, alert })}\n\n`)
      }
    } finally {
      open--
      forget()
    }
  }

  return [
    {
      method: "GET",
      path: "v1/alerts/stream",
      access: ["reader"],
      summary: "Alerts as they change, as server-sent events",
      answers: {
        200: {
          description: "event is alert, data what changed and the alert",
          mediaType: "text/event-stream",
        },
      },
      handle: answer,
    },
  ]
}

/** Whether something woke it before its time. */
function slept(ended: AbortSignal, onWake: (wake: () => void) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), KEEP_ALIVE_MS)
    const wake = () => {
      clearTimeout(timer)
      resolve(true)
    }
    onWake(wake)
    if (ended.aborted) wake()
  })
}
