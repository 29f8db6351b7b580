/**
 * Something long that a server does with its archive, waited for: a bar for each step of it.
 *
 *     check routine 2026-03  [████████████████░░░░░░░░] 66 %  66,000 records  51,000/s  1 s left
 */

import { setTimeout as sleep } from "node:timers/promises"
import { escapeText } from "@prooflog/verifier/report"
import { type ArchiveJob, archiveJobIn, archiveStatusIn, type JobKind } from "./archive-answer.js"
import { CliError } from "./error.js"
import type { LogServer } from "./log-server.js"
import { type Progress, startProgress } from "./progress.js"
import type { Terminal } from "./terminal.js"

const POLL_MS = 250

/** A remark is enough so often, where no bar can be drawn. */
const REMARK_MS = 3_000

/**
 * Has the server begin a job.
 *
 * @throws {@link CliError} `CLI_REFUSED` as the server says it: one runs already, or this cannot be done
 */
export async function beginJob(server: LogServer, kind: JobKind, asked: object): Promise<ArchiveJob> {
  const body = JSON.stringify(asked)
  const ask = { method: "POST", body, type: "application/json", onlyIfRefused: true } as const
  return archiveJobIn(await server.json(`v1/archive/${kind}`, ask))
}

/**
 * Waits until a job has ended, and returns it: done, or failed.
 *
 * @throws {@link CliError} `CLI_CANNOT_TELL` if the server has forgotten it
 */
export async function endedJob(
  server: LogServer,
  begun: ArchiveJob,
  terminal: Terminal,
): Promise<ArchiveJob> {
  const shown = new ShownSteps(terminal)
  try {
    let job = begun
    while (job.state === "running") {
      shown.show(job)
      await sleep(POLL_MS)
      const now = archiveStatusIn(await server.json("v1/archive")).job
      // It ends with the server, and another can have begun since.
      if (now?.id !== begun.id)
        throw new CliError(
          "CLI_CANNOT_TELL",
          `the server no longer knows ${begun.kind} ${begun.id}: prooflog archive status says how the archive stands`,
        )
      job = now
    }
    return job
  } finally {
    shown.stop()
  }
}

/** Each step has a bar of its own: how many will follow is not known. */
class ShownSteps {
  readonly #terminal: Terminal
  #step: string | undefined
  #progress: Progress | undefined
  #saidMs = performance.now()

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  show(job: ArchiveJob): void {
    const { step = job.kind, key, done, of } = job
    // Of a step that is just seen, nobody knows how long it took so far.
    if (`${step} ${key}` !== this.#step) this.#begin(job, `${step} ${key}`)
    else if (step === "wait") this.#progress?.waits("for what was begun before")
    else this.#progress?.update(of === undefined || of === 0 ? 0 : Math.min(1, done / of), done)
  }

  stop(): void {
    this.#progress?.stop()
  }

  #begin({ kind, step = kind, className, key }: ArchiveJob, name: string): void {
    this.stop()
    this.#step = name
    // Class and month: the whole key leaves no room for a bar.
    const about = key === undefined ? className : key.split("/").slice(1, 3).join(" ")
    const what = escapeText(about === undefined ? step : `${step} ${about}`)
    this.#progress = startProgress(this.#terminal, what, step === "rewrite" ? "segments" : "records")
    // Where only lines are written, a step that is over soon would never be seen.
    if (this.#terminal.isLive || performance.now() - this.#saidMs < REMARK_MS) return
    this.#saidMs = performance.now()
    this.#terminal.say(what)
  }
}
