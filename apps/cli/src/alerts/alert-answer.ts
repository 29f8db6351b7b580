/**
 * What a log's server says of alerts.
 *
 *     GET v1/alerts          → { alerts: [ … ], next_cursor? }
 *     GET v1/alerts/{id}     → an alert
 *     GET v1/silences        → { silences: [ … ] }
 *     GET v1/alert-rules     → { rules: [ … ], refused: [ "file:line:column: …" ], since, left_out }
 *     GET v1/sinks           → { sinks: [ … ] }
 *
 * Suspect: every text is a server's, and labels are a log's. They are escaped where they are shown.
 */

import { CliError } from "../error.js"

type Json = Readonly<Record<string, unknown>>

export interface ToldAlert {
  readonly id: string
  readonly rule: RuleNames
  readonly severity: string
  readonly state: string
  /** By name. */
  readonly labels: Readonly<Record<string, string>>
  readonly details: Readonly<Record<string, string>>
  /** The newest of the events that it is about; `count` is how many there were. */
  readonly leaves: readonly number[]
  readonly count: number
  readonly startsAt: string
  readonly lastAt: string
  readonly endsAt?: string
  readonly acknowledged?: { readonly at: string; readonly by: string; readonly note: string }
  readonly silencedBy: readonly string[]
  readonly inhibitedBy?: string
  /** As it was said. */
  readonly json: Json
}

export interface RuleNames {
  readonly id: string
  readonly version: string
  readonly title: string
  readonly why: string
}

/** @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` */
export function alertIn(answer: unknown): ToldAlert {
  const json = objectIn(answer)
  const { acknowledged, ends_at, inhibited_by } = json
  return {
    id: textIn(json.id),
    rule: ruleNamesIn(objectIn(json.rule)),
    severity: textIn(json.severity),
    state: textIn(json.state),
    labels: textsIn(json.labels),
    details: textsIn(json.details),
    leaves: listIn(json.leaves).map(numberIn),
    count: numberIn(json.count),
    startsAt: textIn(json.starts_at),
    lastAt: textIn(json.last_at),
    ...(ends_at !== undefined && { endsAt: textIn(ends_at) }),
    ...(acknowledged !== undefined && { acknowledged: acknowledgementIn(objectIn(acknowledged)) }),
    silencedBy: listIn(json.silenced_by ?? []).map(textIn),
    ...(inhibited_by !== undefined && { inhibitedBy: textIn(inhibited_by) }),
    json,
  }
}

function ruleNamesIn({ id, version, title, why }: Json): RuleNames {
  return { id: textIn(id), version: textIn(version), title: textIn(title), why: textIn(why) }
}

function acknowledgementIn({ at, by, note }: Json) {
  return { at: textIn(at), by: textIn(by), note: textIn(note) }
}

/** @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` */
export function alertsIn({ alerts, next_cursor }: Json): {
  readonly alerts: readonly ToldAlert[]
  readonly nextCursor?: string
} {
  return {
    alerts: listIn(alerts).map(alertIn),
    ...(next_cursor !== undefined && { nextCursor: textIn(next_cursor) }),
  }
}

export interface ToldSilence {
  readonly id: string
  readonly isInForce: boolean
  readonly matchers: readonly string[]
  readonly starts: string
  readonly ends: string
  readonly by: string
  readonly why: string
}

/** @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` */
export function silenceIn(answer: unknown): ToldSilence {
  const { id, in_force, matchers, starts, ends, by, why } = objectIn(answer)
  return {
    id: textIn(id),
    isInForce: in_force === true,
    matchers: listIn(matchers).map(textIn),
    starts: textIn(starts),
    ends: textIn(ends),
    by: textIn(by),
    why: textIn(why),
  }
}

/** @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` */
export function silencesIn({ silences }: Json): readonly ToldSilence[] {
  return listIn(silences).map(silenceIn)
}

export interface ToldRule extends RuleNames {
  readonly severity: string
  /** What it remembers: rows, and bytes of memory. */
  readonly rows: number
  readonly bytes: number
  /** Events that were too late for it. */
  readonly late: number
}

export interface ToldRules {
  readonly rules: readonly ToldRule[]
  /** What is wrong with the files as they are now; the rules before them are in force then. */
  readonly refused: readonly string[]
}

/** @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` */
export function rulesIn({ rules, refused }: Json): ToldRules {
  return {
    rules: listIn(rules).map((each) => {
      const rule = objectIn(each)
      const { severity, rows, bytes, late } = rule
      return {
        ...ruleNamesIn(rule),
        severity: textIn(severity),
        rows: numberIn(rows),
        bytes: numberIn(bytes),
        late: numberIn(late),
      }
    }),
    refused: listIn(refused).map(textIn),
  }
}

/** What a sink would not take. */
export interface ToldDeadLetter {
  readonly id: string
  readonly alerts: readonly string[]
  readonly since: string
  readonly attempts: number
  readonly error: string
}

export interface ToldSink {
  readonly name: string
  readonly kind: string
  readonly circuit: string
  readonly triedAgain?: string
  readonly waiting: number
  readonly oldest?: string
  readonly lastDelivered?: string
  readonly lastError?: string
  readonly dead: readonly ToldDeadLetter[]
}

/** @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` */
export function sinksIn({ sinks }: Json): readonly ToldSink[] {
  return listIn(sinks).map((each) => {
    const { name, kind, circuit, tried_again, waiting, oldest, last_delivered, last_error, dead } =
      objectIn(each)
    return {
      name: textIn(name),
      kind: textIn(kind),
      circuit: textIn(circuit),
      ...(tried_again !== undefined && { triedAgain: textIn(tried_again) }),
      waiting: numberIn(waiting),
      ...(oldest !== undefined && { oldest: textIn(oldest) }),
      ...(last_delivered !== undefined && { lastDelivered: textIn(last_delivered) }),
      ...(last_error !== undefined && { lastError: textIn(last_error) }),
      dead: listIn(dead).map((letter) => {
        const { id, alerts, since, attempts, error } = objectIn(letter)
        return {
          id: textIn(id),
          alerts: listIn(alerts).map(textIn),
          since: textIn(since),
          attempts: numberIn(attempts),
          error: textIn(error),
        }
      }),
    }
  })
}

/** @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` */
function listIn(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw unexpected()
}

/** @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` */
export function objectIn(value: unknown): Json {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Json
  throw unexpected()
}

function textsIn(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(objectIn(value)).map(([name, each]) => [name, textIn(each)]))
}

function textIn(value: unknown): string {
  if (typeof value === "string") return value
  throw unexpected()
}

function numberIn(value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw unexpected()
}

function unexpected(): CliError {
  return new CliError("CLI_UNEXPECTED_ANSWER", "the server did not answer about alerts as a log does")
}
