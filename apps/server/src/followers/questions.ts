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
 * asked is asked more than three times, and nobody waits longer in line than a question may take; while there is no
 * child, that time stands still.
 *
 * Whose question killed a child is doubted for a while: what they ask next waits for a pause, which doubles each time,
 * and then behind all others, one at a time. If a child dies beside it, it was that one: others lose no more than the
 * time of a new child.
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

/** How long the questions of one who killed a child wait: at first, and at most. */
const PAUSE_MS = [2_000, 60_000] as const

/** After a pause, how long it is remembered who had to wait. */
const REMEMBERED_MS = 600_000

/** How long a question waits for a child, if it may not itself take longer. */
const NO_CHILD_MS = 10_000

/** Runs that a question may have: at first, again beside others if another was to blame, again alone. */
const MOST_RUNS = 3

interface Ticket {
  readonly question: Question
  readonly resolve: (answer: never) => void
  readonly reject: (error: unknown) => void
  readonly timeoutMs: number
  /** Who asks, where that is known and may be held against them. */
  readonly asker: string | undefined
  runs: number
  /** Whether its asker has killed a child before. */
  isDoubted: boolean
  /** Runs out while it waits in a line. */
  patience: NodeJS.Timeout | undefined
  /** What is left of it, at a time of the monotonic clock. */
  leftMs: number
  sinceMs: number
}

/** One whose question killed a child. */
interface Killer {
  readonly kills: number
  /** Until when they wait, by the monotonic clock. */
  readonly untilMs: number
}

interface Run {
  readonly ticket: Ticket
  readonly controller: AbortController
  /** Its deadline; once that is past, the end of its child. */
  timer: NodeJS.Timeout | undefined
  /** Why it was interrupted. */
  ended: QueryError | undefined
  /** Whether that was not enough, and its child was killed for it. */
  isRunaway: boolean
}

export class Questions {
  readonly #options: QuestionsOptions
  #asks: Asks | undefined
  #closed = false
  readonly #waiting: Ticket[] = []
  /** Those that may have killed a child, each to be asked alone, before all others. */
  readonly #suspects: Ticket[] = []
  /** Those of askers who have killed a child, asked one at a time, behind all others. */
  readonly #doubted: Ticket[] = []
  readonly #killers = new Map<string, Killer>()
  /** The end of the first pause that somebody waits for. */
  #pause: NodeJS.Timeout | undefined
  readonly #running = new Set<Run>()
  /** Whether the one that runs is a suspect. */
  #alone = false
  /** Of one who waits until nothing is under way. */
  #rested: (() => void) | undefined

  constructor(options: QuestionsOptions) {
    this.#options = options
  }

  /**
   * @param signal - of one who may go away
   * @throws QueryError; anything else that the child could not do
   */
  ask<Q extends Question>(question: Q, signal: AbortSignal): Promise<AnswerOf<Q>> {
    const timeoutMs = question.kind === "export" ? this.#options.exportTimeoutMs : this.#options.timeoutMs
    const asker = question.kind === "sql" ? question.asked.asker : undefined
    const isDoubted = this.#isKiller(asker)
    const line = isDoubted ? this.#doubted : this.#waiting
    return new Promise((resolve, reject) => {
      if (this.#closed) throw unavailable("the server is stopping")
      if (line.length >= MOST_WAITING) throw busy(`${MOST_WAITING} questions wait already`)
      if (isDoubted && line.filter((each) => each.asker === asker).length >= AT_ONCE) throw busy(DOUBTED)
      const ticket: Ticket = {
        question,
        resolve,
        reject,
        timeoutMs,
        asker,
        runs: 0,
        isDoubted,
        patience: undefined,
        leftMs: timeoutMs,
        sinceMs: 0,
      }
      line.push(ticket)
      this.#await(ticket)
      this.#next()
      signal.addEventListener("abort", () => this.#cancel(ticket))
      if (signal.aborted) this.#cancel(ticket)
    })
  }

  /** A child is ready. */
  up(asks: Asks): void {
    this.#asks = asks
    for (const line of this.#lines()) for (const ticket of line) this.#await(ticket)
    this.#next()
  }

  /** Asks the child nothing more until it is up again; resolves when nothing is under way. One at a time. */
  rest(): Promise<void> {
    const wasUp = this.#asks !== undefined
    this.#asks = undefined
    if (wasUp) this.#holdPatience()
    return new Promise((resolve) => {
      this.#rested = resolve
      this.#lookRested()
    })
  }

  #lookRested(): void {
    if (this.#running.size > 0) return
    this.#rested?.()
    this.#rested = undefined
  }

  /** Whether a child that dies now may have died of a question. */
  get areUnderWay(): boolean {
    return this.#running.size > 0
  }

  /** It died; every answer it gave has come. */
  down(death: Death): void {
    const wasAlone = this.#alone
    const runs = [...this.#running]
    const wasUp = this.#asks !== undefined
    this.#asks = undefined
    this.#alone = false
    this.#running.clear()
    if (wasUp) this.#holdPatience()
    const culprit = death.killed ? undefined : culpritOf(runs, death, wasAlone)
    const isForAnother = death.killed || culprit?.ticket.isDoubted === true
    this.#doubt(askersToBlame(runs, death, culprit), runs)
    for (const run of runs.reverse()) {
      const { ticket, timer, ended } = run
      clearTimeout(timer)
      if (ended !== undefined) ticket.reject(ended)
      else if (this.#closed) ticket.reject(unavailable("the server is stopping"))
      else if (ticket.runs >= this.#mostRuns(ticket) || run === culprit) ticket.reject(ownFault(death))
      else if (ticket.isDoubted) this.#again(this.#doubted, ticket)
      // It was killed for another's sake: one past its deadline, a page that was not taken, or one that is doubted.
      else if (isExport(ticket) || (isForAnother && ticket.runs < MOST_RUNS - 1))
        this.#again(this.#waiting, ticket)
      else this.#again(this.#suspects, ticket)
    }
    this.#lookRested()
  }

  /** Refuses what waits and what will be asked, and interrupts what runs. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#pause)
    for (const line of this.#lines()) {
      for (const ticket of line.splice(0)) refuse(ticket, unavailable("the server is stopping"))
    }
    for (const run of this.#running) this.#end(run, unavailable("the server is stopping"))
  }

  #lines(): readonly Ticket[][] {
    return [this.#suspects, this.#waiting, this.#doubted]
  }

  /** Has it wait on: for its turn while there is a child, else for a child, which is not on its time. */
  #await(ticket: Ticket): void {
    const isUp = this.#asks !== undefined
    const patienceMs = isUp ? ticket.leftMs : Math.max(ticket.timeoutMs, NO_CHILD_MS)
    clearTimeout(ticket.patience)
    ticket.sinceMs = performance.now()
    ticket.patience = setTimeout(() => {
      this.#leaveLine(ticket)
      if (!isUp) ticket.reject(unavailable(`nothing could answer for ${patienceMs} ms`))
      else ticket.reject(busy(ticket.isDoubted ? DOUBTED : "other questions took all the time"))
    }, patienceMs)
  }

  /** What waits keeps what it has left for when there is a child again. */
  #holdPatience(): void {
    const nowMs = performance.now()
    for (const line of this.#lines()) {
      for (const ticket of line) {
        ticket.leftMs -= nowMs - ticket.sinceMs
        this.#await(ticket)
      }
    }
  }

  /** Returns whether it was in a line. */
  #leaveLine(ticket: Ticket): boolean {
    const line = this.#lines().find((line) => line.includes(ticket))
    line?.splice(line.indexOf(ticket), 1)
    return line !== undefined
  }

  /** To the front: it has waited before. Of others like it, each may take all its time. */
  #again(line: Ticket[], ticket: Ticket): void {
    line.unshift(ticket)
    ticket.leftMs = ticket.timeoutMs * AT_ONCE
    this.#await(ticket)
  }

  #isKiller(asker: string | undefined): boolean {
    const killer = asker === undefined ? undefined : this.#killers.get(asker)
    return killer !== undefined && performance.now() < killer.untilMs + REMEMBERED_MS
  }

  /** Has those askers wait, with all that they have asked and what ran for them. */
  #doubt(askers: ReadonlySet<string>, runs: readonly Run[]): void {
    const nowMs = performance.now()
    for (const asker of this.#killers.keys()) if (!this.#isKiller(asker)) this.#killers.delete(asker)
    for (const asker of askers) {
      const kills = (this.#killers.get(asker)?.kills ?? 0) + 1
      const [first, most] = PAUSE_MS
      this.#killers.set(asker, { kills, untilMs: nowMs + Math.min(most, first * 2 ** (kills - 1)) })
    }
    const isTheirs = ({ asker }: Ticket) => asker !== undefined && askers.has(asker)
    for (const line of [this.#suspects, this.#waiting]) {
      const theirs = line.filter(isTheirs)
      line.splice(0, line.length, ...line.filter((ticket) => !isTheirs(ticket)))
      this.#doubted.push(...theirs)
    }
    for (const ticket of [...this.#doubted, ...runs.map(({ ticket }) => ticket)]) {
      if (isTheirs(ticket)) ticket.isDoubted = true
    }
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
    if (places > 0) this.#nextDoubted(this.#asks)
  }

  /** The first whose pause is over, unless another of its kind is under way; or looks again when one is. */
  #nextDoubted(asks: Asks): void {
    clearTimeout(this.#pause)
    if (this.#doubted.length === 0 || [...this.#running].some(({ ticket }) => ticket.isDoubted)) return
    const nowMs = performance.now()
    const endOf = ({ asker = "" }: Ticket) => this.#killers.get(asker)?.untilMs ?? nowMs
    const ready = this.#doubted.find((ticket) => endOf(ticket) <= nowMs)
    if (ready !== undefined) {
      this.#doubted.splice(this.#doubted.indexOf(ready), 1)
      this.#run(ready, asks)
    } else {
      const firstMs = Math.min(...this.#doubted.map(endOf))
      this.#pause = setTimeout(() => this.#next(), Math.ceil(firstMs - nowMs))
    }
  }

  #run(ticket: Ticket, asks: Asks): void {
    clearTimeout(ticket.patience)
    ticket.runs++
    const run: Run = {
      ticket,
      controller: new AbortController(),
      timer: undefined,
      ended: undefined,
      isRunaway: false,
    }
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
    this.#lookRested()
    this.#next()
  }

  #cancel(ticket: Ticket): void {
    const gone = new QueryError("QUERY_INTERRUPTED", "whoever asked has gone away")
    if (this.#leaveLine(ticket)) refuse(ticket, gone)
    for (const run of this.#running) if (run.ticket === ticket) this.#end(run, gone)
  }

  #end(run: Run, why: QueryError): void {
    if (run.ended !== undefined) return
    run.ended = why
    clearTimeout(run.timer)
    run.controller.abort()
    run.timer = setTimeout(() => {
      run.isRunaway = true
      this.#options.kill("a question does not stop")
    }, this.#options.graceMs)
  }
}

/** The one that a child died of, if that is known: it was alone, or the only one to take memory, or is doubted. */
function culpritOf(runs: readonly Run[], death: Death, wasAlone: boolean): Run | undefined {
  if (wasAlone || (runs.length === 1 && isOfMemory(death))) return runs[0]
  return runs.find(({ ticket }) => ticket.isDoubted)
}

/** Those whose questions killed a child: one was to blame, or all that ran were of one asker. */
function askersToBlame(runs: readonly Run[], death: Death, culprit: Run | undefined): ReadonlySet<string> {
  const blamed = culprit === undefined ? runs.filter(({ isRunaway }) => isRunaway) : [culprit]
  const askers = new Set(runs.map(({ ticket }) => ticket.asker))
  const areOfOne = blamed.length === 0 && isOfMemory(death) && askers.size === 1
  const found = (areOfOne ? runs : blamed).map(({ ticket }) => ticket.asker)
  return new Set(found.filter((asker) => asker !== undefined))
}

/** What is said to one whose questions have killed a child, and who asks too many more. */
const DOUBTED = "a question of this key ended the process that answers: those that come after it must wait"

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
