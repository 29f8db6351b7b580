/**
 * The door: one way in, one way out.
 *
 *     req ─► gate ─► call ─┬─ POST v1/events ─► submit ──┐
 *                          └─ all the rest ──► Express ──┴─► answer ─► send
 *
 * Express takes longer to route a request than everything else that a single event costs, so the busiest path is
 * answered before it; in the same shape, so that it could as well be one of its routes.
 */

import type { IncomingMessage, RequestListener, ServerResponse } from "node:http"
import { type Answer, send } from "./answer.js"
import type { Refuse } from "./app.js"
import type { Call } from "./gate.js"
import type { Tally } from "./tally.js"

export interface DoorOptions {
  readonly gate: (req: IncomingMessage) => Call
  /** Left out, submissions go through Express too: slower, and otherwise the same. */
  readonly submit: ((call: Call) => Promise<Answer>) | undefined
  readonly viaExpress: (call: Call, res: ServerResponse) => Promise<Answer>
  readonly refuse: Refuse
  readonly tally: Tally
  /** Whether connections are to be closed after their answer. */
  readonly isStopping: () => boolean
}

export function openDoor({
  gate,
  submit,
  viaExpress,
  refuse,
  tally,
  isStopping,
}: DoorOptions): RequestListener {
  return async (req, res) => {
    let answer: Answer
    try {
      const call = gate(req)
      answer = await (submit !== undefined && isSubmit(call) ? submit(call) : viaExpress(call, res))
    } catch (error) {
      answer = refuse(error)
    }
    try {
      const sending = send(res, answer, isStopping())
      // What went out, which may be that there was no room for it; what was meant, if nobody was there any more.
      tally.countAnswer(res.headersSent ? res.statusCode : answer.status)
      await sending
    } catch (error) {
      // Half an answer is out, to which nothing can be added: only the operator is told.
      refuse(error)
    }
  }
}

function isSubmit({ method, path }: Call): boolean {
  return method === "POST" && path === "v1/events"
}
