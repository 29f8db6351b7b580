/**
 * A child process that is kept alive: begun, listened to, ended when it hangs, begun anew when it dies.
 *
 *     start ─► fork ─► begin ─► ready ─────► dead ─► pause ─► fork ─► …
 *                 └──── hangs: SIGKILL ───────┘      0.1 … 10 s, longer each time it does not stay
 *
 * It hangs if it leaves three questions whether it is alive unanswered, one after another: by count and not by the
 * clock, so that a machine that slept does not kill its children when it wakes.
 */

import { type ChildProcess, fork } from "node:child_process"
import { setPriority } from "node:os"
import { type Calls, channelTo, type Handlers, type Link, openLink } from "./link.js"
import type { Say } from "./say.js"

/** What every child can be asked. */
export interface ChildCalls {
  alive(value: undefined): void
  /** Ends it in good order: it answers when nothing is left to be lost, and exits. */
  close(value: undefined): void
}

export interface Death {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  /** Whether this process killed it: because it hung, or because `kill` was called. */
  readonly killed: boolean
}

export interface Timing {
  /** A child that says nothing for so long is killed. */
  readonly hungMs: number
  /** Pause before a child is begun anew: at first, and at most. */
  readonly pauseMs: readonly [first: number, most: number]
  /** A child that stays for so long is no longer held to fail. */
  readonly staysMs: number
  /** How long a child may take to close. */
  readonly closeMs: number
}

export const TIMING: Timing = { hungMs: 30_000, pauseMs: [100, 10_000], staysMs: 5_000, closeMs: 4_000 }

export interface SupervisorOptions<Ours extends Calls<Ours>, Theirs extends Calls<Theirs> & ChildCalls> {
  /** For whoever reads what is said. */
  readonly name: string
  /** Path of the module that the child runs. */
  readonly module: string
  readonly timing?: Partial<Timing> | undefined
  /** Of libuv, for what runs beside the event loop; 4 unless set. */
  readonly threads?: number
  readonly say: Say
  readonly handlers: Handlers<Ours>
  /** Makes a new child ready. If it throws, the child is killed and begun anew. */
  readonly begin: (link: Link<Theirs>, child: { readonly pid: number }) => Promise<void>
  /** Whether a death was no fault of the child's, so that the next one is not waited for any longer. */
  readonly isBlameless?: (death: Death) => boolean
  /** Is told of each death; every answer that a dead child gave has come by then. */
  readonly onDeath?: (death: Death) => void
}

/** A little less urgent than the server. At 10 it fell behind for ever while a tenth of two processors stood idle. */
const NICE = 4

/** How much of what a child writes to stderr is told when it dies: V8 and DuckDB write why they abort. */
const LAST_WORDS = 2_000

/** Unanswered questions after which a child is held to hang. */
const BEATS = 3

export class Supervisor<Ours extends Calls<Ours>, Theirs extends Calls<Theirs> & ChildCalls> {
  readonly #options: SupervisorOptions<Ours, Theirs>
  readonly #timing: Timing
  #child: ChildProcess | undefined
  #link: Link<Theirs> | undefined
  #ready = false
  #killed = false
  #blameless = false
  #closing: Promise<void> | undefined
  #pause: NodeJS.Timeout | undefined
  #failures = 0
  #deaths = 0

  constructor(options: SupervisorOptions<Ours, Theirs>) {
    this.#options = options
    this.#timing = { ...TIMING, ...options.timing }
  }

  /** Begins the first child. Called once. */
  start(): void {
    this.#fork()
  }

  /** The child's, once it is ready. */
  get link(): Link<Theirs> | undefined {
    return this.#ready ? this.#link : undefined
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  get deaths(): number {
    return this.#deaths
  }

  /**
   * Kills the child; another one is begun.
   *
   * @param blameless - whether it is no fault of the child's, so that the next one is not waited for any longer
   */
  kill(why: string, blameless = false): void {
    if (this.#child === undefined || this.#killed) return
    this.#options.say("warn", `the ${this.#options.name} process is killed: ${why}`, {
      child_pid: this.#child.pid,
    })
    this.#killed = true
    this.#blameless = blameless
    this.#child.kill("SIGKILL")
  }

  /** Ends the child and begins no other; after `closeMs` it is killed. Repeatable. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    clearTimeout(this.#pause)
    const child = this.#child
    if (child === undefined) return
    const dead = new Promise<void>((resolve) => void child.once("close", () => resolve()))
    const late = setTimeout(() => this.kill("it does not close"), this.#timing.closeMs)
    // However it answers, its death is what counts.
    this.#link?.ask("close", undefined).catch(() => {})
    await dead
    clearTimeout(late)
  }

  #fork(): void {
    const { name, module, handlers, say, threads = 4 } = this.#options
    const child = fork(module, [], {
      env: { ...process.env, UV_THREADPOOL_SIZE: String(threads) },
      serialization: "advanced",
      stdio: ["ignore", "ignore", "pipe", "ipc"],
      // Those of a debugger or a test runner are not for it.
      execArgv: [],
    })
    const link = openLink<Ours, Theirs>(channelTo(child), handlers, (error) =>
      say("error", `the ${name} process said what could not be understood`, { error }),
    )
    this.#child = child
    this.#link = link
    this.#killed = false
    this.#blameless = false
    const lastWords = listenTo(child)
    const beat = this.#watch(child, link)
    const stays = setTimeout(() => {
      this.#failures = 0
    }, this.#timing.staysMs)
    child.on("error", (error) => say("error", `the ${name} process cannot be begun`, { error }))
    // Its end is told later than that nobody can be asked any more.
    child.once("disconnect", () => {
      if (this.#link === link) this.#ready = false
    })
    child.once("close", (exitCode, signal) => {
      clearInterval(beat)
      clearTimeout(stays)
      this.#died({ exitCode, signal, killed: this.#killed }, lastWords())
    })
    if (child.pid === undefined) return
    beLessUrgent(child.pid)
    void this.#begin(link, child.pid)
  }

  async #begin(link: Link<Theirs>, pid: number): Promise<void> {
    try {
      await this.#options.begin(link, { pid })
      if (this.#link === link) this.#ready = true
    } catch (error) {
      if (this.#link !== link || this.#closing !== undefined) return
      this.#options.say("error", `the ${this.#options.name} process cannot begin its work`, { error })
      this.kill("it cannot begin its work")
    }
  }

  #watch(child: ChildProcess, link: Link<Theirs>): NodeJS.Timeout {
    let unanswered = 0
    return setInterval(
      () => {
        if (unanswered >= BEATS) {
          if (child === this.#child) this.kill(`it has said nothing for ${this.#timing.hungMs} ms`)
          return
        }
        unanswered++
        link.ask("alive", undefined).then(
          () => {
            unanswered = 0
          },
          // It is dead, which is told elsewhere.
          () => {},
        )
      },
      this.#timing.hungMs / (BEATS + 1),
    )
  }

  #died(death: Death, lastWords: string): void {
    const { name, say, onDeath, isBlameless } = this.#options
    this.#child = undefined
    this.#link = undefined
    this.#ready = false
    if (this.#closing === undefined) {
      this.#deaths++
      const { exitCode: exit_code, signal, killed } = death
      if (!killed)
        say("error", `the ${name} process died`, {
          exit_code,
          signal,
          ...(lastWords && { stderr: lastWords }),
        })
      const [first, most] = this.#timing.pauseMs
      const pauseMs = Math.min(most, first * 2 ** this.#failures)
      if (!this.#blameless && isBlameless?.(death) !== true) this.#failures++
      this.#pause = setTimeout(() => this.#fork(), pauseMs)
    }
    onDeath?.(death)
  }
}

/** Set before it has threads of its own: on Linux they inherit it, and are not reached later. */
function beLessUrgent(pid: number): void {
  try {
    setPriority(pid, NICE)
  } catch {
    // EACCES where the system does not allow it, ESRCH if it is dead already: it works at any priority.
  }
}

/** Returns what gives the end of what a child has written to stderr. */
function listenTo({ stderr }: ChildProcess): () => string {
  let words = ""
  stderr?.setEncoding("utf8").on("data", (text: string) => {
    words = (words + text).slice(-LAST_WORDS)
  })
  return () => words
}
