/**
 * A log as the server serves it: what routes and submissions work with.
 */

import type { SeedPool } from "@prooflog/event/record"
import type { Ledger } from "@prooflog/ledger"
import type { Alerts } from "./alerting/alerts.js"
import type { BodyBudget } from "./body.js"
import type { ClassOf } from "./class-of.js"
import type { HeadComparing } from "./compare-heads.js"
import type { LogFolder } from "./folder.js"
import type { ArchiveProcess } from "./followers/archive-process.js"
import type { KeyRing } from "./key-ring.js"
import type { LogReader } from "./log-reader.js"
import type { OwnPolicy } from "./own-policy.js"
import type { PrepareElsewhere } from "./prepare-elsewhere.js"
import type { Reading } from "./reading.js"
import type { Report } from "./report.js"
import type { ScheduleInForce } from "./retention/schedule-in-force.js"
import type { Tally } from "./tally.js"
import type { Withholding } from "./withhold.js"

export interface ServedLog {
  readonly folder: LogFolder
  readonly ledger: Ledger
  /** Whose quorum a head needs before it is published. */
  readonly policy: OwnPolicy
  readonly reader: LogReader
  /** Heads that others show, held against our own. */
  readonly comparing: HeadComparing
  /** Questions in SQL and by filters, and how far behind the log their answers are. */
  readonly reading: Reading
  /** What rules found, and whom they told. */
  readonly alerts: Alerts
  /** Records that are no longer hot, and what moves and destroys them. */
  readonly archive: ArchiveProcess
  /** What the log promises, now and before, and the rules that give classes. */
  readonly schedule: ScheduleInForce
  /** Of an event that is submitted from now on. */
  readonly classOf: ClassOf
  readonly seeds: SeedPool
  readonly elsewhere: PrepareElsewhere
  readonly withholding: Withholding
  readonly keys: KeyRing
  readonly budget: BodyBudget
  readonly tally: Tally
  /** Tells the operator of an error, if it is no caller's doing. */
  readonly report: Report
  /** How long `?wait=receipt` waits for its head to be published, in ms. */
  readonly receiptWaitMs: number
  /** Least time between two published heads, in ms. */
  readonly publishEveryMs: number
}
