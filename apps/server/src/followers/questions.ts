/**
 * Questions on their way to a query child that any of them may kill.
 *
 *     ask ─► waiting ─► under way, 4 at a time ─► answered
 *               ▲             │ past its deadline: interrupted; a second later the child is killed
 *               │             ▼
 *               └──────── the child died ─► asked again, alone, if nobody knows whose fault it was
 *
 * The memory is one for all of them. Who meets its end beside others is asked again alone, too.
 *
 * Who kills the child is found: one past its deadline is known, and so is one that ran alone. If several ran, each is
 * asked again with no other beside it, before anything new; the one that kills the child again was it. Nothing that is
 * asked is asked more than three times, and nobody waits longer in line than a question may take.
 *
 * An export is a question that takes long: it goes beside the four, is never asked alone, and is begun anew once if the
 * child dies. Whoever asks for exports asks for one at a time.
 */

import { QueryError } from "@prooflog/query/error"
import type { AnswerOf, Question } from "./calls.js"
import { Gone } from "./link.js"
import type { Death } from "./supervisor.js"

/** A query child that answers. */
export type Asks = <Q extends Question>(question: Q, signal: AbortSignal) => Promise<AnswerOf<Q>>

export interface QuestionsOptions {
  /** How long a question may run, and an export. */
  readonly timeoutMs: number
  readonly exportTimeoutMs: number
  /** Between a deadline and the death of a child that does not mind it. */
  readonly graceMs: number
  /** Kills the child, whose death is then told. */
  readonly kill: (why: string) => void
}

/** A child that takes more memory than it may ends itself by this signal: `exit` would wait for what runs away. */
export const TOO_MUCH_MEMORY_SIGNAL = "SIGUSR2"

/** More would share the memory and the processors that one alone may need. */
export const AT_ONCE = 4

const MOST_WAITING = 64

/** Runs that a question may have: at first, again beside others if another was to blame, again alone. */
const MOST_RUNS = 3

interface Ticket {
  readonly question: Question
  readonly resolve: (answer: never) => void
  readonly reject: (error: unknown) => void
  readonly timeoutMs: number
  runs: number
  /** Runs out while it waits in a line. */
  patience: NodeJS.Timeout | undefined
}

interface Run {
  readonly ticket: Ticket
  readonly controller: AbortController
  /** Its deadline; once that is past, the end of its child. */
  timer: NodeJS.Timeout | undefined
  /** Why it was interrupted. */
  ended: QueryError | undefined
}

export class Questions {
  readonly #options: QuestionsOptions
  #asks: Asks | undefined
  #closed = false
  readonly #waiting: Ticket[] = []
  /** Those that may have killed a child, each to be asked alone, before all others. */
  readonly #suspects: Ticket[] = []
  readonly #running = new Set<Run>()
  /** Whether the one that runs is a suspect. */
  #alone = false

  constructor(options: QuestionsOptions) {
    this.#options = options
  }

  /**
   * @param signal - of one who may go away
   * @throws QueryError; anything else that the child could not do
   */
  ask<Q extends Question>(question: Q, signal: AbortSignal): Promise<AnswerOf<Q>> {
    const line = this.#waiting
    const timeoutMs = question.kind === "export" ? this.#options.exportTimeoutMs : this.#options.timeoutMs
    return new Promise((resolve, reject) => {
      if (this.#closed) throw unavailable("the server is stopping")
      if (line.length >= MOST_WAITING) throw busy(`${MOST_WAITING} questions wait already`)
      const ticket: Ticket = { question, resolve, reject, timeoutMs, runs: 0, patience: undefined }
      this.#wait(line, ticket, timeoutMs)
      this.#next()
      signal.addEventListener("abort", () => this.#cancel(ticket))
      if (signal.aborted) this.#cancel(ticket)
    })
  }

  /** A child is ready. */
  up(asks: Asks): void {
    this.#asks = asks
    this.#next()
  }

  /** It died; every answer it gave has come. */
  down(death: Death): void {
    const wasAlone = this.#alone
    const runs = [...this.#running]
    this.#asks = undefined
    this.#alone = false
    this.#running.clear()
    for (const { ticket, timer, ended } of runs.reverse()) {
      clearTimeout(timer)
      const isKnown = wasAlone || (runs.length === 1 && isOfMemory(death))
      if (ended !== undefined) ticket.reject(ended)
      else if (this.#closed) ticket.reject(unavailable("the server is stopping"))
      else if (ticket.runs >= this.#mostRuns(ticket) || (isKnown && !death.killed))
        ticket.reject(ownFault(death))
      // It was killed for another's sake: one past its deadline, or a page that was not taken.
      else if (isExport(ticket) || (death.killed && ticket.runs < MOST_RUNS - 1))
        this.#again(this.#waiting, ticket)
      else this.#again(this.#suspects, ticket)
    }
  }

  /** Refuses what waits and what will be asked, and interrupts what runs. */
  close(): void {
    this.#closed = true
    for (const line of this.#lines()) {
      for (const ticket of line.splice(0)) refuse(ticket, unavailable("the server is stopping"))
    }
    for (const run of this.#running) this.#end(run, unavailable("the server is stopping"))
  }

  #lines(): readonly Ticket[][] {
    return [this.#suspects, this.#waiting]
  }

  #wait(line: Ticket[], ticket: Ticket, patienceMs: number): void {
    line.push(ticket)
    ticket.patience = setTimeout(() => {
      line.splice(line.indexOf(ticket), 1)
      const why = `nothing could answer for ${patienceMs} ms`
      ticket.reject(this.#asks === undefined ? unavailable(why) : busy("other questions took all the time"))
    }, patienceMs)
  }

  /** To the front: it has waited before. Of others like it, each may take all its time. */
  #again(line: Ticket[], ticket: Ticket): void {
    const behind = line.splice(0)
    this.#wait(line, ticket, ticket.timeoutMs * AT_ONCE)
    line.push(...behind)
  }

  /** An export is never asked alone: nobody else could ask anything for so long. */
  #mostRuns(ticket: Ticket): number {
    return isExport(ticket) ? 2 : MOST_RUNS
  }

  #next(): void {
    if (this.#asks === undefined || this.#alone) return
    const [suspect] = this.#suspects
    if (suspect !== undefined) {
      if (this.#running.size > 0) return
      this.#alone = true
      this.#suspects.shift()
      this.#run(suspect, this.#asks)
      return
    }
    let places = AT_ONCE - [...this.#running].filter(({ ticket }) => !isExport(ticket)).length
    for (const ticket of [...this.#waiting]) {
      if (!isExport(ticket) && --places < 0) continue
      this.#waiting.splice(this.#waiting.indexOf(ticket), 1)
      this.#run(ticket, this.#asks)
    }
  }

  #run(ticket: Ticket, asks: Asks): void {
    clearTimeout(ticket.patience)
    ticket.runs++
    const run: Run = { ticket, controller: new AbortController(), timer: undefined, ended: undefined }
    run.timer = setTimeout(() => this.#end(run, timedOut(ticket)), ticket.timeoutMs)
    this.#running.add(run)
    asks(ticket.question, run.controller.signal).then(
      (answer) => this.#settle(run, () => ticket.resolve(answer as never)),
      (error) => {
        // Then its death will be told, which says more.
        if (error instanceof Gone) return
        const another = this.#isForAnother(run, error)
        this.#settle(run, () => {
          if (another) this.#again(this.#suspects, ticket)
          else ticket.reject(run.ended ?? error)
        })
      },
    )
  }

  /** The memory is for all that run: who met its end beside others may not be the one who takes it. */
  #isForAnother({ ticket, ended }: Run, error: unknown): boolean {
    if (!(error instanceof QueryError && error.code === "QUERY_TOO_MUCH_MEMORY")) return false
    const isRepeatable = !isExport(ticket) && ticket.runs < MOST_RUNS
    return ended === undefined && isRepeatable && this.#running.size > 1
  }

  #settle(run: Run, settle: () => void): void {
    // After the death of its child it may be asked again already.
    if (!this.#running.delete(run)) return
    clearTimeout(run.timer)
    this.#alone = false
    settle()
    this.#next()
  }

  #cancel(ticket: Ticket): void {
    const gone = new QueryError("QUERY_INTERRUPTED", "whoever asked has gone away")
    const line = this.#lines().find((line) => line.includes(ticket))
    if (line !== undefined) {
      line.splice(line.indexOf(ticket), 1)
      refuse(ticket, gone)
    }
    for (const run of this.#running) if (run.ticket === ticket) this.#end(run, gone)
  }

  #end(run: Run, why: QueryError): void {
    if (run.ended !== undefined) return
    run.ended = why
    clearTimeout(run.timer)
    run.controller.abort()
    run.timer = setTimeout(() => this.#options.kill("a question does not stop"), this.#options.graceMs)
  }
}

function isExport({ question }: Ticket): boolean {
  return question.kind === "export"
}

function refuse({ patience, reject }: Ticket, error: QueryError): void {
  clearTimeout(patience)
  reject(error)
}

function isOfMemory({ signal }: Death): boolean {
  return signal === TOO_MUCH_MEMORY_SIGNAL
}

function ownFault(death: Death): QueryError {
  if (isOfMemory(death)) {
    return new QueryError("QUERY_TOO_MUCH_MEMORY", "the question takes more memory than it may have")
  }
  return new QueryError("QUERY_RESTARTED", "the process that answers questions died, and died again")
}

function timedOut({ timeoutMs }: Ticket): QueryError {
  return new QueryError("QUERY_TIMEOUT", `the question was not answered in ${timeoutMs} ms`)
}

function busy(why: string): QueryError {
  return new QueryError("QUERY_BUSY", why)
}

function unavailable(why: string): QueryError {
  return new QueryError("QUERY_UNAVAILABLE", why)
}
