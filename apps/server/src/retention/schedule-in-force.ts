/**
 * The schedule in force: what the file wants, what the log has promised, and how the two become one.
 *
 *     DIR/schedule.yaml ─► read ─► may it follow? ─► schedule entry, and the event that says who, in one commit
 *                                                        └─► durable ─► classes by the new rules
 *
 * The file is what is wanted, the log is what is in force. Events are given classes by the new rules only once their
 * entry is durable, so that it stands before them; those under way with a class by the old rules come behind it, which
 * no schedule can take away. A crash between file and entry leaves a file that is wanted: the next start commits it.
 */

import { rm } from "node:fs/promises"
import {
  checkChange,
  parseScheduleFile,
  publicSchedule,
  type ScheduleFile,
} from "@prooflog/archive/schedule-file"
import { encodeScheduleEntry } from "@prooflog/event/entry"
import type { Promises } from "@prooflog/event/promises"
import type { Schedule } from "@prooflog/event/schedule"
import type { Ledger } from "@prooflog/ledger"
import { encodeHex } from "@prooflog/tlog/base64"
import { formatBundle } from "@prooflog/tlog/bundle"
import { equalBytes, sha256 } from "@prooflog/tlog/hash"
import type { Logger } from "pino"
import { type ClassOf, type ClassRules, classesOf } from "../class-of.js"
import { rewriteFile } from "../durable-file.js"
import { ServerError } from "../error.js"
import type { LogFolder } from "../folder.js"
import type { LogReader } from "../log-reader.js"
import type { Doing, SealedOwn } from "../own-events.js"
import { notePromises, readPromises } from "./promises-file.js"
import { describeChange, isSameSchedule, type KnownSchedule } from "./schedule-change.js"
import type { ReadSchedule } from "./schedule-file.js"

/** Rules may name people. */
const OWNER_ONLY = 0o600

/** How often it is noted how far the log holds no other schedule, if it grew. */
const NOTE_MS = 60_000

/** Makes the event that says who changed the schedule. */
export type SayWho = (doing: Doing) => SealedOwn

/** What is done with a schedule, as an own event says it. */
export const SCHEDULE_DOING = {
  action: "log.schedule",
  resource: "schedule",
} as const satisfies Partial<Doing>

export interface ScheduleInForceOptions {
  readonly ledger: Ledger
  readonly reader: LogReader
  readonly folder: LogFolder
  /** The folder's own, if it has one. */
  readonly read: ReadSchedule | undefined
  readonly logger: Logger
  /** For a change by the start. */
  readonly sayWho: SayWho
  /** Told of each own event that is durable. */
  readonly onLogged: () => void
}

/** What a new file changed. */
export interface Changed {
  /** A line for each thing that differs; none if nothing does. */
  readonly changes: readonly string[]
  /** Whether a schedule entry was committed. */
  readonly isCommitted: boolean
}

const SAME: Changed = { changes: [], isCommitted: false }

export class ScheduleInForce {
  readonly #options: ScheduleInForceOptions
  #promises: Promises
  #read: ReadSchedule | undefined
  #rules: ClassRules
  #classOf: ClassOf
  /** Leaves up to which the promises are noted. */
  #notedSize: number
  readonly #timer: NodeJS.Timeout
  /** Changes and notes, one after the other. */
  #last: Promise<unknown> = Promise.resolve()
  /** Of the start. */
  #changed = SAME

  /**
   * Opens the schedule of a log, and commits what its file wants before anyone submits.
   *
   * @throws ArchiveError `ARCHIVE_SHORTENS_PROMISE`; {@link ServerError} `SERVER_MALFORMED_FOLDER` if the file is gone
   * and rules are in force; LedgerError if the entry cannot be committed
   */
  static async open(options: ScheduleInForceOptions): Promise<ScheduleInForce> {
    const { ledger, reader, folder, logger } = options
    const { promises, leavesRead } = await readPromises(folder.promisesPath, {
      storage: ledger.storage,
      reader,
      logId: folder.logId,
      head: ledger.signedHead,
    })
    // Nobody else writes while the log is open here: these are a killed process's, and would be waited for.
    for (const path of [folder.schedulePath, folder.promisesPath]) await rm(`${path}.new`, { force: true })
    const opened = new ScheduleInForce(options, promises, ledger.signedHead.treeSize - leavesRead)
    try {
      opened.#changed = await opened.#start()
    } catch (error) {
      clearInterval(opened.#timer)
      throw error
    }
    await opened.#note()
    for (const change of opened.#changed.changes) logger.info({ leaf: opened.leafIndex }, change)
    return opened
  }

  private constructor(options: ScheduleInForceOptions, promises: Promises, notedSize: number) {
    this.#options = options
    this.#promises = promises
    this.#notedSize = notedSize
    this.#rules = { rules: [], default: this.schedule.default }
    this.#classOf = classesOf(this.#rules)
    this.#timer = setInterval(() => this.#noteSoon(), NOTE_MS).unref()
  }

  /** Every schedule of the log, with its leaf. */
  get promises(): Promises {
    return this.#promises
  }

  get schedule(): Schedule {
    return this.#inForce[1]
  }

  /** Leaf of the entry that put it in force. */
  get leafIndex(): number {
    return this.#inForce[0]
  }

  /** The file that is in force; none in the folder of a log that is older than such files. */
  get read(): ReadSchedule | undefined {
    return this.#read
  }

  /** What classes are given by: another object once others are in force. */
  get classRules(): ClassRules {
    return this.#rules
  }

  /** What the start changed. */
  get changedAtStart(): Changed {
    return this.#changed
  }

  /** The class of an event that is submitted from now on. */
  readonly classOf: ClassOf = (event) => this.#classOf(event)

  /**
   * Puts another schedule file in force, and in the folder. Resolves when it is durable and classes are given by it.
   *
   * @param text - of the file; suspect
   * @throws ArchiveError, with which nothing has changed; LedgerError, with which the file is there and wanted, and
   * its entry not known to be
   */
  replace(text: string, sayWho: SayWho): Promise<Changed> {
    return this.#inTurn(async () => {
      const file = parseScheduleFile(text)
      checkChange(this.schedule, file)
      await rewriteFile(this.#options.folder.schedulePath, OWNER_ONLY, () => text)
      // If we crash on this line, the next start commits what is wanted.
      return this.#enforce({ text, file }, sayWho)
    })
  }

  /** Notes how far the promises are known. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    await this.#inTurn(() => this.#note())
  }

  get #inForce(): Promises[number] {
    return this.#promises.at(-1) as Promises[number]
  }

  async #start(): Promise<Changed> {
    const { read, folder, logger, sayWho } = this.#options
    if (read !== undefined) {
      checkChange(this.schedule, read.file)
      return isSameSchedule(this.schedule, publicSchedule(read.file))
        ? this.#switch(read, SAME)
        : this.#enforce(read, sayWho)
    }
    const path = folder.schedulePath
    if (!equalBytes(this.schedule.rules, NO_RULES)) {
      throw new ServerError(
        "SERVER_MALFORMED_FOLDER",
        `${path} is missing, and the log has promised to give classes by its rules: put it back`,
      )
    }
    logger.warn(
      `there is no ${path}: the schedule of leaf ${this.leafIndex} stays in force, without rules; to begin with, write one: prooflog retention template > ${path}`,
    )
    return SAME
  }

  /** Commits what is new of a file that may follow, then gives classes by it. */
  async #enforce(read: ReadSchedule, sayWho: SayWho): Promise<Changed> {
    const { ledger, onLogged } = this.#options
    const next = knownSchedule(read.file)
    const changes = describeChange(this.known, next)
    const isCommitted = !isSameSchedule(this.schedule, next.schedule)
    const said = {
      rules: encodeHex(next.schedule.rules),
      committed: isCommitted,
      changes: changes.length === 0 ? undefined : changes.join("; "),
    }
    const own = sayWho({ ...SCHEDULE_DOING, said })
    const placements = await ledger.submit({
      entries: formatBundle([...(isCommitted ? [encodeScheduleEntry(next.schedule)] : []), own.entry]),
      records: formatBundle([...(isCommitted ? [new Uint8Array(0)] : []), own.record]),
      count: isCommitted ? 2 : 1,
    })
    onLogged()
    if (isCommitted) {
      const leaf = placements[0]?.leafIndex
      if (leaf === undefined) throw new Error("bug: a schedule was submitted and not placed")
      this.#promises = [...this.#promises, [leaf, next.schedule]]
    }
    return this.#switch(read, { changes, isCommitted })
  }

  #switch(read: ReadSchedule, changed: Changed): Changed {
    this.#read = read
    this.#rules = { rules: read.file.rules, default: read.file.default }
    this.#classOf = classesOf(this.#rules)
    return changed
  }

  /** The schedule in force, with its hot times where they are known. */
  get known(): KnownSchedule {
    return this.#read === undefined ? { schedule: this.schedule } : knownSchedule(this.#read.file)
  }

  /** Nobody waits for it. */
  #noteSoon(): void {
    void this.#inTurn(() => this.#note())
  }

  /** A note that cannot be written costs the next start some reading, and stops nothing. */
  async #note(): Promise<void> {
    const { ledger, folder, logger } = this.#options
    const head = ledger.signedHead
    if (head.treeSize === this.#notedSize) return
    try {
      await notePromises(folder.promisesPath, folder.logId, head, this.#promises)
      this.#notedSize = head.treeSize
    } catch (error) {
      logger.warn({ err: error }, "cannot note where the log's schedules stand")
    }
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }
}

/** The hash of no rules. */
const NO_RULES = sha256(new Uint8Array(0))

function knownSchedule(file: ScheduleFile): KnownSchedule {
  const hotDays = new Map([...file.classes].map(([name, times]) => [name, times.hotDays]))
  return { schedule: publicSchedule(file), hotDays }
}
