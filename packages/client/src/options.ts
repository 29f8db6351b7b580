/**
 * The client's options, checked when it is created: a mistake in them is the programmer's, and shows at once.
 */

import { type OpenedCheckpoint, type Policy, parsePolicy } from "@prooflog/tlog/policy"
import { openLogHead } from "@prooflog/verifier/accusation"
import type { QueueBounds } from "./queue.js"
import type { Callbacks } from "./tally.js"

export interface ClientOptions extends Callbacks {
  /** The log's URL prefix, such as `https://log.example/access`. */
  readonly url: string
  /** An API key with the role writer. */
  readonly key: string
  /**
   * The log's policy: the tlog-policy text that an auditor would use. With it, the client asks for
   * evidence of its own events, checks every field, and never follows the log back or aside. If it asks for a
   * quorum of witnesses, an event is proven only under a head that has it.
   */
  readonly policy?: string
  /** The source of the API key. With a policy, an event logged under another source is an alarm. */
  readonly source?: string
  /**
   * File that keeps the head verified last, so that a restart does not forget it; heads that contradict it are kept in
   * files beside it. Needs `policy`; one process each.
   */
  readonly headFile?: string
  /**
   * A head of the log, as a signed note, from where the policy came from: whatever the log shows must extend it. Its
   * cosignatures are not looked at. Needs `policy`.
   */
  readonly pinnedHead?: string
  /** Folder that keeps events until they are answered for. May be shared by any number of processes. */
  readonly spool?: string
  /** Bytes on disk that the spool may take. 256 MiB unless set. */
  readonly spoolBytes?: number
  /** Milliseconds between two fsyncs of the spool; 0 syncs each write. 1,000 unless set. */
  readonly fsyncEveryMs?: number
  /** Events kept in memory, 10,000 unless set. With a spool, those on their way to disk. */
  readonly queueSize?: number
  /** Bytes of events kept in memory, 16 MiB unless set. */
  readonly queueBytes?: number
  /** Events in one request: 1 … 1,000. 1,000 unless set, or 250 with a policy. */
  readonly batchSize?: number
  /** Milliseconds an event waits for company before it is sent. 250 unless set. */
  readonly flushEveryMs?: number
  /** Milliseconds for one request, answer included. 30,000 unless set. */
  readonly requestTimeoutMs?: number
  /** Replaces the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch
  /** Replaces `Date.now`. */
  readonly clock?: () => number
  /** Replaces `Math.random` for the jitter. */
  readonly random?: () => number
}

/** What the options mean, all of it checked and present. */
export interface Settings {
  /** Ends in `/`. */
  readonly url: string
  readonly key: string
  readonly policy: Policy | undefined
  readonly source: string | undefined
  readonly headFile: string | undefined
  readonly pinnedHead: OpenedCheckpoint | undefined
  readonly spool: string | undefined
  readonly spoolBytes: number
  readonly fsyncEveryMs: number
  readonly queue: QueueBounds
  readonly batchSize: number
  readonly flushEveryMs: number
  readonly requestTimeoutMs: number
  readonly fetch: typeof globalThis.fetch
  readonly clock: () => number
  readonly random: () => number
}

/** The longest time that a timer can wait, milliseconds; one set to more fires at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** @throws TypeError or RangeError, naming the option; TlogError for a policy that is none */
export function readOptions(options: ClientOptions): Settings {
  const { headFile, pinnedHead, batchSize } = options
  const policy = options.policy === undefined ? undefined : parsePolicy(options.policy)
  if (headFile !== undefined && policy === undefined) throw new TypeError("headFile: needs a policy")
  return {
    url: readUrl(options.url),
    key: readKey(options.key),
    policy,
    source: options.source,
    headFile,
    pinnedHead: pinnedHead === undefined ? undefined : readPinnedHead(pinnedHead, policy),
    spool: options.spool,
    spoolBytes: readCount("spoolBytes", options.spoolBytes ?? 256 << 20, 1),
    fsyncEveryMs: readCount("fsyncEveryMs", options.fsyncEveryMs ?? 1000, 0, MAX_TIMER_MS),
    queue: {
      events: readCount("queueSize", options.queueSize ?? 10_000, 1),
      bytes: readCount("queueBytes", options.queueBytes ?? 16 << 20, 1),
    },
    batchSize: readCount("batchSize", batchSize ?? (policy === undefined ? 1000 : 250), 1, 1000),
    flushEveryMs: readCount("flushEveryMs", options.flushEveryMs ?? 250, 0, MAX_TIMER_MS),
    requestTimeoutMs: readCount("requestTimeoutMs", options.requestTimeoutMs ?? 30_000, 1, MAX_TIMER_MS),
    // Looked up at each call: who replaces the global later, as instrumentation does, is heard.
    fetch: options.fetch ?? ((...request) => globalThis.fetch(...request)),
    clock: options.clock ?? Date.now,
    random: options.random ?? Math.random,
  }
}

function readPinnedHead(note: string, policy: Policy | undefined): OpenedCheckpoint {
  if (policy === undefined) throw new TypeError("pinnedHead: needs a policy")
  try {
    return openLogHead(note, policy)
  } catch (cause) {
    throw new TypeError("pinnedHead: expected a head signed by a log that the policy names", { cause })
  }
}

function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || /[?#]/.test(text)) {
    throw new TypeError(`url: expected the http or https URL of a log, got ${JSON.stringify(text)}`)
  }
  // `fetch` refuses it, and each failure would tell the password.
  if (url.username !== "" || url.password !== "") throw new TypeError("url: expected no user and no password")
  return url.href.endsWith("/") ? url.href : `${url.href}/`
}

/** A key that no header can carry would fail every request, long after the mistake. */
function readKey(key: string): string {
  if (typeof key !== "string" || !/^[\x21-\x7e]+$/.test(key)) {
    throw new TypeError("key: expected an API key, printable ASCII without spaces")
  }
  return key
}

function readCount(name: string, value: number, min: number, max = Number.MAX_SAFE_INTEGER): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value
  throw new RangeError(`${name}: expected an integer of ${min} … ${max}, got ${value}`)
}

/** The identifier inside a key of the form `pl_<id>_<secret>`; events carry it as `source_key_id`. */
export function keyIdOf(key: string): string | undefined {
  return /^pl_([0-9a-f]{8})_[0-9a-f]{64}$/.exec(key)?.[1]
}
