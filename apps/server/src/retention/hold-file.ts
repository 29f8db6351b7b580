/**
 * Holds as they are kept: what must not be destroyed, by whose order, why, from when until when.
 *
 * What is held is said by a predicate, and asked when something is about to be destroyed: so it takes in what comes
 * later, too. In public stands a notice that a hold was placed, or lifted, with the commitment of a record that says
 * what it is; that record is kept here.
 *
 * Pure: no I/O, no clock, no randomness.
 */

import { stateOf } from "./case-folder.js"
import { quotes } from "./erase-leaves.js"
import type { Announcement } from "./notices.js"

/** What is held: one of three. */
export type HoldScope =
  /** Events of a user, done for them, or about who asked for them. */
  | { readonly user_id: string }
  /** As the query of `GET v1/events`; events about the log itself are held by it too. */
  | { readonly filter: string }
  /** One SELECT over `access_logs` that has a column `leaf_index`. */
  | { readonly sql: string }

/** That a hold was placed, or lifted. */
export interface HoldAct {
  /** RFC 3339. */
  readonly at: string
  /** Id of the API key. */
  readonly by: string
  /** The record that the notice commits to, base64; gone once a person in it is forgotten. */
  readonly record?: string
  readonly notice: Announcement
  /** Leaf of the event that says so. */
  readonly event?: number
}

export interface Hold {
  /** `hold_` and 16 hex digits. */
  readonly id: string
  /** Gone, of a hold that was lifted, once a person it names is forgotten; so is `why`. */
  readonly scope?: HoldScope
  readonly why?: string
  readonly placed: HoldAct
  /** While its notice has no leaf, the hold is still in force. */
  readonly released?: HoldAct & { readonly why?: string }
}

const FORMAT = "prooflog-holds/1"

const ID = /^hold_[0-9a-f]{16}$/

export function formatHolds(holds: readonly Hold[]): string {
  return `${JSON.stringify({ format: FORMAT, holds }, undefined, 1)}\n`
}

/** @throws ServerError `SERVER_MALFORMED_FOLDER`; no holds are read out of nothing, as a new log has none */
export function parseHolds(text: string | undefined): readonly Hold[] {
  if (text === undefined) return []
  const isWhole = ({ holds }: { readonly holds: readonly Hold[] }) =>
    Array.isArray(holds) && holds.every(isHold)
  return stateOf(text, FORMAT, isWhole).holds
}

function isHold(value: unknown): boolean {
  const { id, scope, placed, released } = (value ?? {}) as Partial<Hold>
  const isLifted = released?.notice?.leaf !== undefined
  // One that is in force and says of nothing what it holds would hold nothing.
  return ID.test(String(id)) && placed?.notice !== undefined && (isLifted || isScope(scope))
}

function isScope(scope: HoldScope | undefined): boolean {
  const [[name, value] = [], ...others] = Object.entries(scope ?? {})
  return others.length === 0 && /^(user_id|filter|sql)$/.test(String(name)) && typeof value === "string"
}

/** From the moment that it is kept until the notice of its end is durable. */
export function isInForce({ released }: Hold): boolean {
  return released?.notice.leaf === undefined
}

/** Leaves of its notices. */
export function noticesOf({ placed, released }: Hold): readonly number[] {
  return [placed.notice.leaf, released?.notice.leaf].filter((leaf) => leaf !== undefined)
}

/** Whether what it says quotes one of these persons. */
export function mentions({ scope, why, released }: Hold, persons: readonly string[]): boolean {
  const said = { ...scope, why, until: released?.why }
  return persons.some((person) => quotes(said, person))
}

/** The hold without a word of what it held, and with all of when and by whom. */
export function withoutWords({ id, placed, released }: Hold): Hold {
  const bare = ({ at, by, notice, event }: HoldAct): HoldAct => ({
    at,
    by,
    notice,
    ...(event !== undefined && { event }),
  })
  return { id, placed: bare(placed), ...(released && { released: bare(released) }) }
}
