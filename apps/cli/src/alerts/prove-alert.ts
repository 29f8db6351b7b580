/**
 * `prooflog alerts prove`: one file that proves an alert: what it was about, and that the log said so.
 *
 *     alert ─► its leaves ──────────────────────────────────┐
 *           └► log.alert.fired, .resolved, .acknowledge, ───┴─► evidence of all of them, under one head
 *              .delivery: the log's own events of it
 *
 * An alert of the server is its word. What was logged of it names rule, version and leaves, and cannot be changed later.
 *
 * Effects: the network.
 */

import type { Policy } from "@prooflog/tlog/policy"
import { escapeText } from "@prooflog/verifier/report"
import { type VerifiedEvent, verifyEvidence } from "@prooflog/verifier/verify-evidence"
import { CliError } from "../error.js"
import { readHeads, waitPublished, waitSigned } from "../log-heads.js"
import type { LogServer } from "../log-server.js"
import { fetchEvidence } from "../proof/evidence-batches.js"
import { askSql } from "../sql-answer.js"
import { counted } from "../terminal.js"
import type { Report } from "../verdict.js"
import { alertIn, type ToldAlert } from "./alert-answer.js"
import { leavesText } from "./alert-table.js"

export interface AlertEvidence {
  readonly alert: ToldAlert
  /** An evidence file. */
  readonly text: string
  /** Ascending: events of the alert, and the log's own events of it. */
  readonly leaves: readonly number[]
  /** Of the log's own events, by leaf. */
  readonly own: ReadonlyMap<number, string>
  /** Events of the alert whose records are destroyed: nobody can show them any more. */
  readonly gone: readonly number[]
}

/**
 * Fetches the evidence of an alert.
 *
 * @param withhold - names of fields to hide in it
 * @throws {@link CliError} `CLI_CANNOT_TELL` if the log does not say yet that it fired; what asking the server throws
 */
export async function fetchAlertEvidence(
  server: LogServer,
  id: string,
  withhold: readonly string[],
): Promise<AlertEvidence> {
  const alert = alertIn(await server.json(`v1/alerts/${encodeURIComponent(id)}`))
  const { own, named } = await ownEvents(server, alert.id)
  const about = ascending([...alert.leaves, ...named])
  const there = await withRows(server, about)
  const leaves = ascending([...there, ...own.keys()])
  await waitPublished(server, leaves.at(-1) as number)
  const text = await fetchEvidence(server, leaves, undefined, withhold)
  return { alert, text, leaves, own, gone: about.filter((leaf) => !there.has(leaf)) }
}

interface OwnEvents {
  /** Action by leaf. */
  readonly own: ReadonlyMap<number, string>
  /** Leaves that they name. */
  readonly named: readonly number[]
}

async function ownEvents(server: LogServer, id: string): Promise<OwnEvents> {
  let { signed } = await readHeads(server)
  let found = await ownEventsBefore(server, id, signed)
  if (![...found.own.values()].includes(FIRED)) {
    // It is logged a moment after it fired. So is the question now, behind it: the next head has them both.
    signed = await waitSigned(server, signed)
    found = await ownEventsBefore(server, id, signed)
  }
  if ([...found.own.values()].includes(FIRED)) return found
  throw new CliError(
    "CLI_CANNOT_TELL",
    `the log does not say that ${id} fired, in its first ${signed} leaves`,
  )
}

const FIRED = "log.alert.fired"

const OWN_SQL = `SELECT leaf_index, action, attributes->>'leaf_index' FROM access_logs WHERE source = 'prooflog'
AND (resource_accessed = concat('alert/', $1) OR (action = 'log.alert.delivery' AND list_contains(string_split(attributes->>'alerts', ','), $1)))`

async function ownEventsBefore(server: LogServer, id: string, minSize: number): Promise<OwnEvents> {
  const { rows } = await askSql(server, { sql: OWN_SQL, parameters: [id], minSize })
  const own = rows.map(([leaf, action]) => [leafIn(leaf, server), String(action)] as const)
  const named = rows.flatMap(([, , leaves]) =>
    typeof leaves === "string" && leaves !== "" ? leaves.split(",") : [],
  )
  return { own: new Map(own), named: named.map((leaf) => leafIn(Number(leaf), server)) }
}

/** Which of these leaves still have a row: that of a destroyed record is forgotten. */
async function withRows(server: LogServer, leaves: readonly number[]): Promise<ReadonlySet<number>> {
  if (leaves.length === 0) return new Set()
  const sql = `SELECT leaf_index FROM access_logs WHERE leaf_index IN (${leaves.join(", ")})`
  const { rows } = await askSql(server, { sql })
  return new Set(rows.map(([leaf]) => leafIn(leaf, server)))
}

function leafIn(value: unknown, { url }: LogServer): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
  throw new CliError("CLI_UNEXPECTED_ANSWER", `${url}v1/query did not answer with leaf indices`)
}

function ascending(leaves: Iterable<number>): readonly number[] {
  return [...new Set(leaves)].sort((a, b) => a - b)
}

/**
 * Verifies it, and reads from what was logged, not from what the server says, which rule fired on which events.
 *
 * @throws VerifierError what is wrong with the evidence; {@link CliError} `CLI_NOT_VERIFIED` if what was logged is not what
 * the server says of the alert
 */
export function verifyAlert({ alert, text, leaves, gone }: AlertEvidence, policy: Policy): Report {
  const { events, treeSize, checkpoint } = verifyEvidence(text, policy)
  if (events.length !== leaves.length || events.some(({ leafIndex }, i) => leafIndex !== leaves[i]))
    throw new CliError("CLI_UNEXPECTED_ANSWER", "the server answered with evidence of other leaves")
  const fired = events.find((event) => isFiring(event, alert.id))
  if (fired === undefined)
    throw new CliError("CLI_CANNOT_TELL", "what the log said of the alert is withheld from you")
  const said = fired.fields.attributes as Readonly<Record<string, unknown>>
  const { id, version } = alert.rule
  if (said.rule !== id || said.version !== version)
    throw new CliError(
      "CLI_NOT_VERIFIED",
      `the log said that rule ${said.rule}, version ${said.version} fired, and not ${id}, version ${version}`,
    )
  const about = leaves.filter((leaf) => events.some((event) => event.leafIndex === leaf && !isOwn(event)))
  const cosigned = checkpoint.cosignatures.map(({ witness }) => witness).join(", ") || "no witness"
  const lines = [
    `verified: rule ${id}, version ${version}, fired as ${alert.id}`,
    `  logged in leaf ${fired.leafIndex}, under the head of ${counted(treeSize, "leaf", "leaves")}, cosigned by ${cosigned}`,
    about.length === 0 ? "  about no event of others" : `  about leaves ${leavesText(about, alert.count)}`,
    ...(gone.length === 0 ? [] : [`  destroyed since, and not in it: leaves ${leavesText(gone)}`]),
  ]
  return { text: lines.map(escapeText).join("\n"), json: {} }
}

function isOwn({ core }: VerifiedEvent): boolean {
  return core.source === "prooflog"
}

function isFiring(event: VerifiedEvent, id: string): boolean {
  const { core, fields } = event
  const attributes = fields.attributes as Readonly<Record<string, unknown>> | undefined
  return isOwn(event) && core.action === FIRED && attributes?.alert === id
}
