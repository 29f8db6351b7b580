/** What the watch of one log is given: its log, where it reads, whom it tells. */

import type { LogSource } from "@prooflog/verifier/source"
import type { Logger } from "pino"
import type { Accusations } from "./accusations.js"
import type { WatchedLog } from "./config.js"
import type { FindingsListener } from "./open-findings.js"

export interface WatchOptions {
  readonly log: WatchedLog
  /** Of its entries. */
  readonly entries: LogSource
  /** Of all else: a look waits for what it reads, and must come to its end soon. */
  readonly looks: LogSource
  /** File of its state. */
  readonly path: string
  readonly accusations: Accusations
  readonly listener: FindingsListener
  /** ms since 1970. */
  readonly clock: () => number
  readonly logger: Logger
  /** Ends everything; what fails by that is nobody's fault. */
  readonly signal: AbortSignal
}
