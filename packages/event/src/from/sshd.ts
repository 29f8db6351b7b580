/**
 * From one line that sshd wrote through syslog to an access event.
 *
 *     Mar 27 13:08:09 web-1 sshd[1361]: Accepted publickey for ada from 203.0.113.7 port 54259 ssh2: RSA SHA256:Kl8…
 *     │               │     │    │      │        │             │        │                │          attributes.key
 *     timestamp       host  │    │      │        │             user_id  ip_address       attributes.port
 *     with year and   │     │    │      │        attributes.method
 *     zone, which     │     │    │      action, activity, result
 *     are given       │     │    attributes.pid
 *                     │     service
 *                     resource_accessed
 *
 * Every line of sshd is an event, also what it says of no access: rules look for words in such lines. `raw` is the line.
 * Of one login sshd writes several lines; only `Accepted` and `Failed` are `ssh.login`, so that logins can be counted.
 *
 * A user's name is whatever a client sent, spaces and all: of one who has no account, what stands behind it is looked for
 * from the end of the line.
 *
 * Syslog writes neither year nor zone: both are given, for the first line. Where December is followed by January, a
 * year has passed.
 *
 * Spec: RFC 3164, section 4.1; OpenSSH auth.c, auth2.c, packet.c, monitor.c.
 * Pure: no I/O, no clock, no randomness.
 */

import { EventError } from "../error.js"
import { normalizeIpAddress } from "../ip-address.js"
import type { AccessEvent } from "../schema.js"
import { parseTimestamp } from "../timestamp.js"
import { fitAttributes } from "./fit-attributes.js"
import { type EventDraft, fitText, fitTogether } from "./fit-text.js"

/** Longest line that is read, in UTF-16 units: what a record could hold. */
const MAX_LINE = 65_535

/** What syslog leaves out. */
export interface SyslogTime {
  /** Of the first line: 1970 … 9998. */
  readonly year: number
  /** `Z`, or hours and minutes east of UTC: `+02:00`. */
  readonly zone: string
}

/** Reads the lines of one file, in their order. */
export class SshdLines {
  readonly #zone: string
  #year: number
  /** Of the line before: 0 … 11. */
  #month: number | undefined

  /** @throws RangeError if year or zone is none */
  constructor({ year, zone }: SyslogTime) {
    if (!Number.isInteger(year) || year < 1970 || year > 9998) {
      throw new RangeError(`year: expected 1970 to 9998, got ${year}`)
    }
    if (parseTimestamp(`2000-01-01T00:00:00${zone}`) === undefined) {
      throw new RangeError("zone: expected Z, or a form like +02:00")
    }
    this.#year = year
    this.#zone = zone
  }

  /**
   * Returns the event that a line tells.
   *
   * @param line - without its line end
   * @throws {@link EventError} `EVENT_UNMAPPABLE`, with the column (counted from 1) where it stops being a line of sshd
   */
  parse(line: string): AccessEvent {
    const parts = line.length <= MAX_LINE ? LINE.exec(line) : null
    const { month, day, time, host, program, pid, message } = parts?.groups ?? {}
    if (message === undefined || month === undefined) throw explain(line)
    const timestamp = this.#timestampOf(month, day as string, time as string)
    if (timestamp === undefined) throw unmappable(line.indexOf(month) + 1, "there is no such time")
    const { said, facts } = factsOf(message)
    const cut: string[] = []
    const event: EventDraft = {
      timestamp,
      user_id: fitText("user_id", facts.user || "unknown", 256, cut),
      action: said.action,
      resource_accessed: fitText("resource_accessed", `ssh://${host}`, 2048, cut),
      result: said.result,
      category: "auth",
      service: "sshd",
      host: fitText("host", host as string, 128, cut),
    }
    if (said.activity !== undefined) event.activity = said.activity
    addOrigin(event, facts.from, cut)
    const reason = facts.reason ?? said.reason
    if (reason !== undefined) event.reason = fitText("reason", reason, 1024, cut)
    event.raw = fitText("raw", line, MAX_LINE, cut)
    fitTogether(event, cut)
    const { method, port, key, repeated } = facts
    const attributes = fitAttributes(
      {
        ...(program !== "sshd" && { program }),
        pid: pid === undefined ? undefined : Number(pid),
        method,
        port: port === undefined ? undefined : Number(port),
        key,
        repeated: repeated === undefined ? undefined : Number(repeated),
      },
      cut,
      () => line,
    )
    if (attributes !== undefined) event.attributes = attributes
    return event
  }

  /** `Mar`, `27`, `13:08:09` → `2017-03-27T13:08:09+00:00` */
  #timestampOf(monthName: string, day: string, time: string): string | undefined {
    const month = MONTHS.indexOf(monthName)
    const year = this.#year + (this.#month === undefined ? 0 : yearsBetween(this.#month, month))
    const date = `${year}-${String(month + 1).padStart(2, "0")}-${day.trim().padStart(2, "0")}`
    const timestamp = `${date}T${time}${this.#zone}`
    if (month < 0 || parseTimestamp(timestamp) === undefined) return undefined
    this.#year = year
    this.#month = month
    return timestamp
  }
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

/** Lines come in order, give or take: half a year back is the next year, and half a year ahead the one before. */
function yearsBetween(before: number, after: number): number {
  if (after - before < -6) return 1
  return after - before > 6 ? -1 : 0
}

function addOrigin(event: EventDraft, from: string | undefined, cut: string[]): void {
  if (from === undefined) return
  if (normalizeIpAddress(from) !== undefined) event.ip_address = from
  else event.source_address = fitText("source_address", from, 255, cut)
}

/** What a kind of line says. */
interface Said {
  readonly is: RegExp
  readonly action: string
  readonly activity?: NonNullable<AccessEvent["activity"]>
  readonly result: AccessEvent["result"]
  readonly reason?: string
}

interface Facts {
  readonly user?: string
  readonly from?: string
  readonly port?: string
  readonly method?: string
  readonly key?: string
  readonly reason?: string
  readonly repeated?: string
}

const FROM = String.raw`(?<from>\S+)(?: port (?<port>\d{1,5}))?`
const LEFT = "(?:Disconnected from|Connection (?:closed|reset) by)"
const END = String.raw`(?: ssh2)?(?: \[preauth\])?$`

/** An account's name has no spaces, and what follows it may be a certificate's name, which anyone may have written. */
const ACCOUNT = String.raw`(?<user>\S+) from ${FROM}(?: ssh2)?`

/** Whoever has no account may have any name: what follows it stands at the end of the line. */
const ANYONE = `(?<user>.*) from ${FROM}(?: ssh2)?`

const KEY = "(?:: (?<key>.*))?"

function login(pattern: string, result: Said["result"]): Said {
  return { is: new RegExp(`^${pattern}$`), action: "ssh.login", activity: "login", result }
}

/** The kinds of lines; what is none of them is a message. A line is of the first that it fits. */
const KINDS: readonly Said[] = [
  ...[ACCOUNT + KEY, ANYONE].map((rest) => login(String.raw`Accepted (?<method>\S+) for ${rest}`, "success")),
  ...[ANYONE, ANYONE + KEY].map((rest) => ({
    ...login(String.raw`Failed (?<method>\S+) for invalid user ${rest}`, "failure"),
    reason: "invalid user",
  })),
  ...[ACCOUNT + KEY, ANYONE].map((rest) => login(String.raw`Failed (?<method>\S+) for ${rest}`, "failure")),
  {
    is: /^User (?<user>.*) from (?<from>\S+) not allowed because (?<reason>.+)$/,
    action: "ssh.not_allowed",
    result: "denied",
  },
  {
    is: new RegExp(`^Invalid user (?<user>.*) from ${FROM}$`),
    action: "ssh.invalid_user",
    result: "failure",
    reason: "invalid user",
  },
  {
    is: new RegExp(
      `^(?:error: )?maximum authentication attempts exceeded for (?:invalid user )?(?<user>.*) from ${FROM}${END}`,
    ),
    action: "ssh.too_many_attempts",
    result: "failure",
    reason: "maximum authentication attempts exceeded",
  },
  {
    is: /^pam_unix\(sshd:session\): session opened for user (?<user>.*?)(?:\(uid=\d+\))? by .*$/,
    action: "ssh.session_opened",
    result: "success",
  },
  {
    is: /^pam_unix\(sshd:session\): session closed for user (?<user>.*)$/,
    action: "ssh.session_closed",
    activity: "logout",
    result: "success",
  },
  {
    is: new RegExp(String.raw`^Received disconnect from ${FROM}:\d+: (?<reason>.*?)(?: \[preauth\])?$`),
    action: "ssh.disconnect",
    result: "unknown",
  },
  {
    is: new RegExp(
      String.raw`^${LEFT} (?:(?:invalid|authenticating) )?user (?<user>.*) (?<from>\S+) port (?<port>\d{1,5})${END}`,
    ),
    action: "ssh.disconnect",
    result: "unknown",
  },
  {
    is: new RegExp(`^${LEFT} ${FROM}${END}`),
    action: "ssh.disconnect",
    result: "unknown",
  },
  {
    is: new RegExp(
      `^(?:Did not receive identification string|Bad protocol version identification .*) from ${FROM}$`,
    ),
    action: "ssh.no_protocol",
    result: "unknown",
  },
  {
    is: /^Connection from (?<from>\S+) port (?<port>\d{1,5}) on .*$/,
    action: "ssh.connect",
    result: "unknown",
  },
]

const MESSAGE: Said = { is: /^/, action: "ssh.message", result: "unknown" }

const REPEATED = /^message repeated (?<repeated>\d{1,9}) times: \[ (?<message>.*)\]$/

function factsOf(message: string): { readonly said: Said; readonly facts: Facts } {
  const { repeated, message: inner } = REPEATED.exec(message)?.groups ?? {}
  const text = inner ?? message
  for (const said of KINDS) {
    const found = said.is.exec(text)
    if (found === null) continue
    const facts = Object.entries(found.groups ?? {}).filter(([, value]) => value !== undefined)
    return { said, facts: { ...Object.fromEntries(facts), ...(repeated !== undefined && { repeated }) } }
  }
  return { said: MESSAGE, facts: repeated === undefined ? {} : { repeated } }
}

/** The line, part by part. Newer sshd is several programs. */
const PARTS: readonly { readonly is: string; readonly pattern: string }[] = [
  { is: "a priority, or a month like Mar", pattern: String.raw`(?:<\d{1,3}>)?(?<month>[A-Z][a-z]{2}) ` },
  { is: "a day like 27", pattern: String.raw`(?<day>[ \d]\d) ` },
  { is: "a time like 13:08:09", pattern: String.raw`(?<time>\d{2}:\d{2}:\d{2}) ` },
  { is: "a host", pattern: "(?<host>[^ ]+) " },
  {
    is: "sshd: other programs' lines are none of this format",
    pattern: String.raw`(?<program>sshd(?:-session|-auth)?)(?:\[(?<pid>\d{1,10})\])?: `,
  },
  { is: "a message", pattern: "(?<message>.+)$" },
]

const LINE = new RegExp(`^${PARTS.map(({ pattern }) => pattern).join("")}`, "s")

/** Only a line that was refused is walked part by part, to say where it went wrong. */
function explain(line: string): EventError {
  if (line.length > MAX_LINE) return unmappable(MAX_LINE + 1, `a line has at most ${MAX_LINE} characters`)
  let at = 0
  for (const { is, pattern } of PARTS) {
    const part = new RegExp(pattern, "ys")
    part.lastIndex = at
    if (!part.test(line)) {
      return unmappable(at + 1, `expected ${is}${at === line.length ? ", found the end of the line" : ""}`)
    }
    at = part.lastIndex
  }
  throw new Error("bug: a line that has every part was refused")
}

function unmappable(column: number, problem: string): EventError {
  return new EventError("EVENT_UNMAPPABLE", `column ${column}: ${problem}`, { column })
}
