/** What comes out of evaluation: a rule fired, or what it fired about is over. */

export const SEVERITIES = ["info", "low", "medium", "high", "critical"] as const

export type Severity = (typeof SEVERITIES)[number]

/** A rule, as far as those who tell of it need it. */
export interface RuleHead {
  /** Unlike that of any other rule. */
  readonly id: string
  /** First 16 hex digits of the SHA-256 of what the rule says. */
  readonly version: string
  readonly title: string
  /** One sentence: what it finds, and why that matters. */
  readonly why: string
  readonly severity: Severity
}

export interface Firing {
  readonly kind: "fires" | "resolves"
  readonly rule: RuleHead
  /** As the rule has it, or lower where the rule says that it is less sure. */
  readonly severity: Severity
  /** By what it is told apart from others of the rule: group-by names and their values, as text. Suspect text. */
  readonly labels: Readonly<Record<string, string>>
  /** What was seen, in names and values: `{ failures: "23", window: "10m" }`. Suspect text. */
  readonly details: Readonly<Record<string, string>>
  /** Leaves that made it fire: ascending, the newest {@link MAX_LEAVES} of them. Empty for what no event made. */
  readonly leaves: readonly number[]
  /** How many events there were, shown in `leaves` or not. */
  readonly count: number
  /** When it happened, by the events' own time: ms since 1970. */
  readonly timestampMs: number
  /** When the log knew: ms since 1970. */
  readonly receivedMs: number
}

/** Most leaves that a firing names. */
export const MAX_LEAVES = 32
