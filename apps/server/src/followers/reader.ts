/**
 * The reader: the process that checks the log, once, for all who follow it.
 *
 *     server ─ head, tiles, bundles, records ─► follow: every byte checked ─► pages ─┬► query child
 *                                                                                  └► alerts child
 *            ─ questions ────────────────────► 4 at a time ────────────────────────► query child
 *
 * What is wrong with the log stops it for good, is said, and shows in its state; questions are answered all the same,
 * as far as it came. A child that dies is begun anew, and is fed from where what it has kept ends.
 */

import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { LedgerError } from "@prooflog/ledger/error"
import { QueryError } from "@prooflog/query/error"
import type { LeafPage } from "@prooflog/query/store"
import { type Policy, parsePolicy } from "@prooflog/tlog/policy"
import { VerifierError } from "@prooflog/verifier/error"
import { type FollowCursor, parseFollowCursor } from "@prooflog/verifier/follow"
import { ServerError } from "../error.js"
import type { AlertsCalls, AlertsSetup, Forgotten, Health, ReaderOfAlertsCalls } from "./alerts-calls.js"
import { AlertsFeed } from "./alerts-feed.js"
import type {
  FollowState,
  QueryBegun,
  QueryCalls,
  ReaderCalls,
  ReaderOfQueryCalls,
  ReaderSetup,
  ServerCalls,
} from "./calls.js"
import { endNow, liveAsChild } from "./child.js"
import { farError } from "./far-error.js"
import { farLeaves, leafHashes } from "./far-leaves.js"
import { feed, NotTaken } from "./feed.js"
import { channelTo, Gone, type Link, openLink } from "./link.js"
import { AT_ONCE, Questions, TOO_MUCH_MEMORY_SIGNAL } from "./questions.js"
import { sayTo } from "./say.js"
import { Supervisor, TIMING, type Timing } from "./supervisor.js"

/** Until a source that could not be read is tried again. */
const AGAIN_MS = 1_000

/** How long the query child may take for a page before the alerts child is fed without it. */
const SLOW_MS = 1_000

/** How long the next query child is waited for, and how often it is looked for. */
const NEXT_MS = 10_000
const NEXT_STEP_MS = 20

const QUERY_CHILD = fileURLToPath(new URL("./query.js", import.meta.url))
const ALERTS_CHILD = fileURLToPath(new URL("./alerts.js", import.meta.url))

class Reader {
  readonly #setup: ReaderSetup
  readonly #policy: Policy
  readonly #source = farLeaves(server)
  readonly #questions: Questions
  readonly #query: Supervisor<ReaderOfQueryCalls, QueryCalls>
  readonly #alerts: Supervisor<ReaderOfAlertsCalls, AlertsCalls> | undefined
  readonly #alertsFeed: AlertsFeed
  #following: AbortController | undefined
  #state: FollowState["state"] = "starting"
  #stoppedBy: FollowState["stoppedBy"]
  #databases: FollowState["databases"] = []
  /** Leaves that are known to be signed: of a head that was checked, or with rows. */
  #headSize = 0

  constructor(setup: ReaderSetup) {
    this.#setup = setup
    this.#policy = parsePolicy(setup.policy)
    this.#questions = new Questions({ ...setup, kill: (why) => this.#query.kill(why, true) })
    this.#query = new Supervisor<ReaderOfQueryCalls, QueryCalls>({
      name: "query",
      module: QUERY_CHILD,
      // Each question keeps one, and so does an export; a commit is not to wait for them.
      threads: AT_ONCE + 4,
      timing: this.#childTiming(),
      say,
      handlers: {
        say: (said) => server.tell("say", said),
        through: (through) => server.tell("through", through),
        databases: (databases) => {
          this.#databases = databases
          this.#tell(this.#state)
        },
        leafHashes: (leafIndices) => leafHashes(this.#source, leafIndices, this.#headSize),
      },
      begin: (link) => this.#begin(link),
      isBlameless: ({ signal }) => signal === TOO_MUCH_MEMORY_SIGNAL && this.#questions.areUnderWay,
      onDeath: (death) => {
        this.#following?.abort()
        this.#alertsFeed.offersEnd()
        this.#tell(this.#state === "stopped" ? "stopped" : "restarting")
        this.#questions.down(death)
      },
    })
    this.#alertsFeed = new AlertsFeed({
      alone: (from, append, signal) => this.#feedAlerts(from, append, signal),
      onFailure: (error) => this.#alertsFailed(error),
    })
    this.#alerts = setup.alerts && this.#supervised(setup.alerts)
    this.#query.start()
    this.#alerts?.start()
  }

  get questions(): Questions {
    return this.#questions
  }

  /** @throws ServerError `SERVER_ALERTS_AWAY` */
  get alerts(): Link<AlertsCalls> {
    if (this.#alerts?.link !== undefined) return this.#alerts.link
    throw new ServerError("SERVER_ALERTS_AWAY", "the process of alerts is not ready")
  }

  tellHealth(health: Health): void {
    this.#alerts?.link?.tell("health", health)
  }

  #supervised(setup: AlertsSetup): Supervisor<ReaderOfAlertsCalls, AlertsCalls> {
    return new Supervisor<ReaderOfAlertsCalls, AlertsCalls>({
      name: "alerts",
      module: ALERTS_CHILD,
      timing: this.#childTiming(),
      say,
      handlers: {
        say: (said) => server.tell("say", said),
        own: (step) => server.ask("own", step),
        changed: (change) => server.tell("changed", change),
      },
      begin: async (link) => {
        // As of the query child.
        this.#tell(this.#state)
        const { cursor } = await link.ask("begin", setup)
        this.#alertsFeed.begin(isCursor(cursor) ? cursor : undefined, (page) => link.ask("append", page))
      },
      onDeath: () => {
        this.#alertsFeed.end()
        this.#tell(this.#state)
      },
    })
  }

  #feedAlerts(
    from: FollowCursor | undefined,
    append: (page: LeafPage) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    const { pollMs } = this.#setup
    return feed({
      ...{ source: this.#source, policy: this.#policy, from, pollMs, append, signal },
      onHead: () => {},
    })
  }

  #alertsFailed(error: unknown): void {
    // A dead one is begun anew whatever is done here.
    if (error instanceof Gone || (error instanceof NotTaken && error.cause instanceof Gone)) return
    if (isOfTheMoment(error)) setTimeout(() => this.#alertsFeed.goOn(), AGAIN_MS)
    else if (error instanceof NotTaken || !(error instanceof VerifierError))
      this.#alerts?.kill("it did not take a page")
    // Whoever feeds the rows finds it, too, and says what it is.
    else say("error", "alerts are fed no further: the log failed a check", { error })
  }

  /** Closed within the time that this process has for closing. */
  #childTiming(): Partial<Timing> {
    const { timing } = this.#setup
    return { ...timing, closeMs: (timing.closeMs ?? TIMING.closeMs) * 0.75 }
  }

  async #begin(link: Link<QueryCalls>): Promise<void> {
    // The server knows it from its first moment: if this process is killed, that one is the server's to end.
    this.#tell(this.#state)
    let begun = await link.ask("begin", this.#setup.query)
    if (!isCursor(begun.cursor)) {
      say("warn", "the rows do not say where they end, and are made again")
      begun = await link.ask("reindex", undefined)
    }
    this.#answers(link)
    this.#follow(link, begun)
  }

  /** Follows from where the rows end, unless the log is known to be wrong. */
  #follow(link: Link<QueryCalls>, { through, cursor, databases }: QueryBegun): void {
    this.#databases = databases
    this.#headSize = Math.max(this.#headSize, through)
    server.tell("through", through)
    say("info", "the query process is ready", { through })
    if (this.#stoppedBy === undefined) void this.#feed(link, cursor)
    else this.#tell("stopped")
  }

  async #feed(link: Link<QueryCalls>, cursor: string | undefined): Promise<void> {
    const following = new AbortController()
    this.#following = following
    this.#tell("following")
    try {
      await feed({
        source: this.#source,
        policy: this.#policy,
        from: cursor === undefined ? undefined : parseFollowCursor(cursor),
        pollMs: this.#setup.pollMs,
        append: (page) => {
          this.#alertsFeed.offer(page)
          return this.#unlessSlow(link.ask("append", page))
        },
        onHead: (treeSize) => {
          this.#headSize = treeSize
        },
        signal: following.signal,
      })
    } catch (error) {
      if (!following.signal.aborted) this.#failed(link, following, error)
    } finally {
      // Whatever ended it: it may take long until rows are made of pages again.
      this.#alertsFeed.offersEnd()
    }
  }

  /** A query child that is busy, or hangs, keeps no page from the alerts child. */
  async #unlessSlow(taken: Promise<void>): Promise<void> {
    const late = setTimeout(() => this.#alertsFeed.offersEnd(), SLOW_MS)
    try {
      await taken
    } finally {
      clearTimeout(late)
    }
  }

  /** The child's fault, the moment's, or the log's. */
  #failed(link: Link<QueryCalls>, following: AbortController, error: unknown): void {
    if (error instanceof NotTaken) {
      // A dead one is begun anew whatever is done here.
      if (error.cause instanceof Gone) return
      say("error", "the query process did not take a page", { error })
      this.#query.kill("it did not take a page")
    } else if (isOfTheMoment(error)) {
      say("warn", "the log could not be read; it is tried again", { error })
      setTimeout(() => void this.#followAgain(link, following), AGAIN_MS)
    } else {
      const { code = "SERVER_BUG", message } = farError(error)
      this.#stoppedBy = { code, message }
      say("error", "alarm of the reader: the log failed a check, and is followed no further", { error })
      this.#tell("stopped")
    }
  }

  async #followAgain(link: Link<QueryCalls>, failed: AbortController): Promise<void> {
    try {
      const begun = await link.ask("cursor", undefined)
      // Unless something else has begun to follow meanwhile, or ended all following.
      if (this.#following === failed && !failed.signal.aborted) this.#follow(link, begun)
    } catch (error) {
      if (!(error instanceof Gone)) this.#failed(link, failed, new NotTaken("no cursor", { cause: error }))
    }
  }

  async reindex(): Promise<void> {
    const link = this.#ready()
    this.#following?.abort()
    this.#stoppedBy = undefined
    this.#tell("starting")
    this.#follow(link, await this.#anew(link, "reindex"))
  }

  forgetAlerts(forgotten: Forgotten): Promise<void> {
    this.#alertsFeed.readAgain()
    return this.alerts.ask("forget", forgotten)
  }

  forget(leaves: readonly number[]): Promise<void> {
    return this.#ready().ask("forget", leaves)
  }

  /** Whoever asks meanwhile waits, and so does the log; another query child answers. */
  async rewrite(): Promise<void> {
    const link = this.#ready()
    this.#following?.abort()
    await this.#questions.rest()
    await this.#anew(link, "rewrite")
    this.#query.kill("it has seen what is forgotten, and another goes on", true)
    const untilMs = performance.now() + NEXT_MS
    while ((this.#query.link ?? link) === link && performance.now() < untilMs) await sleep(NEXT_STEP_MS)
  }

  #ready(): Link<QueryCalls> {
    if (this.#query.link !== undefined) return this.#query.link
    throw new QueryError("QUERY_UNAVAILABLE", "the query process is not ready")
  }

  #answers(link: Link<QueryCalls>): void {
    this.#questions.up((question, signal) => link.ask("question", question, signal) as never)
  }

  /** A query child that could not open its rows again is of no use to anyone: the next one goes on from where it ended. */
  async #anew<How extends "reindex" | "rewrite">(
    link: Link<QueryCalls>,
    how: How,
  ): Promise<ReturnType<QueryCalls[How]>> {
    try {
      return await link.ask(how, undefined)
    } catch (cause) {
      if (!(cause instanceof Gone)) this.#query.kill("it did not make its rows anew")
      throw new QueryError("QUERY_UNAVAILABLE", "the query process went away while it made its rows anew", {
        cause,
      })
    }
  }

  async close(): Promise<void> {
    this.#following?.abort()
    this.#questions.close()
    this.#alertsFeed.end()
    await Promise.all([this.#query.close(), this.#alerts?.close()])
  }

  #tell(state: FollowState["state"], queryPid = this.#query.pid): void {
    this.#state = state
    server.tell("state", {
      state,
      ...(this.#stoppedBy && { stoppedBy: this.#stoppedBy }),
      databases: this.#databases,
      queryPid,
      alertsPid: this.#alerts?.pid,
      deaths: this.#query.deaths + (this.#alerts?.deaths ?? 0),
    })
  }
}

/** Whether following can begin there: a new database says nothing. */
function isCursor(text: string | undefined): boolean {
  try {
    if (text !== undefined) parseFollowCursor(text)
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

/** Whether trying again may help; everything else is damage, a lie, or a bug. */
function isOfTheMoment(error: unknown): boolean {
  if (error instanceof LedgerError) return error.code === "LEDGER_STORAGE_FAILED"
  if (error instanceof ServerError) return error.code === "SERVER_ARCHIVE_UNAVAILABLE"
  return error instanceof VerifierError && error.code === "VERIFIER_SOURCE_FAILED"
}

let reader: Reader | undefined

function begun(): Reader {
  if (reader === undefined) throw new QueryError("QUERY_UNAVAILABLE", "the reader has not begun")
  return reader
}

const server = openLink<ReaderCalls, ServerCalls>(
  channelTo(process),
  {
    alive: () => {},
    begin(setup) {
      reader = new Reader(setup)
    },
    question: (question, signal) => begun().questions.ask(question, signal),
    reindex: () => begun().reindex(),
    forget: (leaves) => begun().forget(leaves),
    rewrite: () => begun().rewrite(),
    askAlerts: (question) => begun().alerts.ask("question", question),
    health: (health) => reader?.tellHealth(health),
    forgetAlerts: (forgotten) => begun().forgetAlerts(forgotten),
    async close() {
      await reader?.close()
      endNow()
    },
  },
  (error) => say("error", "what the server said could not be understood", { error }),
)
const say = sayTo((said) => server.tell("say", said))
liveAsChild((level, message, details, sent) =>
  sayTo((said) => server.tell("say", said, sent))(level, message, details),
)
