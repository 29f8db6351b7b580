/**
 * `prooflog alerts list`, `show`, `ack`, `watch`, `prove`.
 */

import { type Command, InvalidArgumentError, Option } from "commander"
import { writeNamedFile } from "../file.js"
import type { LogServer } from "../log-server.js"
import { POLICY_MEANING, readPolicy } from "../policy.js"
import { counted } from "../terminal.js"
import type { Surroundings, Verdict } from "../verb.js"
import { sayVerdict } from "../verdict.js"
import { alertIn, alertsIn, type ToldAlert } from "./alert-answer.js"
import { addLogCommand, type LogFlags, logServer } from "./alert-command.js"
import { alertLines, alertsTable, leavesText } from "./alert-table.js"

interface ListFlags extends LogFlags {
  readonly state?: string
  readonly severity?: string
  readonly rule?: string
  readonly since?: string
  readonly limit: number
}

interface ProveFlags {
  readonly out?: string
  readonly policy?: string
  readonly withhold?: string
  readonly url?: string
}

/** Alerts of one answer. */
const PAGE = 500

const ID = ["<id>", "alert_ and 16 hex digits, as list shows them"] as const

export function addAlertCommands(alerts: Command, surroundings: Surroundings): void {
  const { print, say } = surroundings.terminal

  addLogCommand(alerts, "list", "reader", "list alerts, those that began last first")
    .addOption(new Option("--state <state>", "only these; both unless set").choices(["firing", "resolved"]))
    .option("--severity <names>", "only these, such as high,critical")
    .option("--rule <id>", "only those of a rule")
    .option("--since <time>", "only those last seen then or later, such as 2023-10-01T12:00:00Z")
    .option("--limit <n>", "most of them", wholeNumber, 50)
    .action(async (flags: ListFlags) => {
      const { listed, isCut } = await listAlerts(logServer("reader", flags, surroundings), flags)
      if (flags.json) print(JSON.stringify({ alerts: listed.map(({ json }) => json) }))
      else if (listed.length > 0) for (const line of alertsTable(listed)) print(line)
      else say("there are none")
      if (isCut) say(`there are more than ${counted(listed.length, "alert")}: --limit shows more of them`)
      surroundings.verdict = 0
    })

  addLogCommand(alerts, "show", "reader", "show one alert whole")
    .argument(...ID)
    .action(async (id: string, flags: LogFlags) => {
      const alert = alertIn(await logServer("reader", flags, surroundings).json(pathOf(id)))
      for (const line of flags.json ? [JSON.stringify(alert.json)] : alertLines(alert)) print(line)
      surroundings.verdict = 0
    })

  addLogCommand(alerts, "ack", "reader", "say that you take care of an alert: it is not repeated to anyone")
    .argument(...ID)
    .option("--note <text>", "what for; it is shown beside the alert, and kept out of the log")
    .action(async (id: string, flags: LogFlags & { readonly note?: string }) => {
      const { note } = flags
      const server = logServer("reader", flags, surroundings)
      const answer = await server.post(`${pathOf(id)}/acknowledge`, note === undefined ? {} : { note })
      const [line = ""] = alertsTable([alertIn(answer)]).slice(1)
      print(flags.json ? JSON.stringify(answer) : line)
      surroundings.verdict = 0
    })

  addLogCommand(
    alerts,
    "watch",
    "reader",
    "show what fires, and each change as it comes, until Ctrl-C",
  ).action(async (flags: LogFlags) => {
    const server = logServer("reader", flags, surroundings)
    const { watchAlerts } = await import("./watch-alerts.js")
    const end = new AbortController()
    const stop = () => end.abort()
    process.once("SIGINT", stop).once("SIGTERM", stop)
    try {
      await watchAlerts(server, flags.json === true, end.signal, surroundings.terminal)
    } finally {
      process.off("SIGINT", stop).off("SIGTERM", stop)
    }
    surroundings.verdict = 0
  })

  alerts
    .command("prove")
    .description(
      "write an evidence file of an alert: its events, and what the log said of it; needs a reader's key",
    )
    .argument(...ID)
    .option("-o, --out <file>", "where to write it (default: print it)")
    .option("--policy <file>", `write it only if it is verified under ${POLICY_MEANING}`)
    .option("--withhold <names>", "fields to hide in it, such as ip_address,user_agent")
    .option("--url <url>", "the log's URL, as for the others")
    .addHelpText("after", PROVE)
    .action(async (id: string, flags: ProveFlags) => {
      const server = logServer("reader", flags, surroundings)
      surroundings.verdict = await prove(server, id, flags, surroundings)
    })
}

const PROVE = `
In it are the events that the alert is about, and the log's own events of it: that it fired (with rule, version and
leaves), was told, acknowledged, and over. prooflog verify FILE --policy POLICY checks it, years later.

Exit codes of --policy: 0 it fired as the server says, 1 it is NOT what was logged, 2 could not tell.`

async function listAlerts(
  server: LogServer,
  { state, severity, rule, since, limit }: ListFlags,
): Promise<{ readonly listed: readonly ToldAlert[]; readonly isCut: boolean }> {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries({ state, severity, rule, since }))
    if (value !== undefined) query.set(name, value)
  const listed: ToldAlert[] = []
  for (;;) {
    query.set("limit", String(Math.min(PAGE, limit - listed.length)))
    const { alerts, nextCursor } = alertsIn(await server.json(`v1/alerts?${query}`))
    listed.push(...alerts)
    if (nextCursor === undefined || alerts.length === 0) return { listed, isCut: false }
    if (listed.length >= limit) return { listed, isCut: true }
    query.set("cursor", nextCursor)
  }
}

async function prove(
  server: LogServer,
  id: string,
  { out, policy: policyPath, withhold }: ProveFlags,
  { terminal }: Surroundings,
): Promise<Verdict> {
  const { print, say } = terminal
  const { withheldNames } = await import("../fields.js")
  const names = withheldNames(withhold)
  const policy = policyPath === undefined ? undefined : await readPolicy(policyPath)
  const { fetchAlertEvidence, verifyAlert } = await import("./prove-alert.js")
  const proof = await fetchAlertEvidence(server, id, names)
  const { leaves, own, gone, text } = proof
  if (policy !== undefined) {
    // The evidence itself may be on its way to stdout.
    const verdictTo = out === undefined ? { print: say, paint: (_: unknown, text: string) => text } : terminal
    const verdict = await sayVerdict(() => verifyAlert(proof, policy), false, verdictTo)
    if (verdict !== 0) return verdict
  }
  if (out === undefined) print(text.trimEnd())
  else {
    await writeNamedFile(out, "the file", text)
    const others = leaves.filter((leaf) => !own.has(leaf))
    say(`in ${out}: ${counted(others.length, "event")} that it is about, and ${ownText(own)}`)
    if (gone.length > 0) say(`not in it, as their records are destroyed: leaves ${leavesText(gone)}`)
    if (policy === undefined) say(`check it with prooflog verify ${out} --policy POLICY`)
  }
  return 0
}

/** "3 of the log itself: log.alert.fired, log.alert.delivery" */
function ownText(own: ReadonlyMap<number, string>): string {
  return `${own.size} of the log itself: ${[...new Set(own.values())].join(", ")}`
}

function pathOf(id: string): string {
  return `v1/alerts/${encodeURIComponent(id)}`
}

function wholeNumber(text: string): number {
  const number = /^[1-9]\d{0,5}$/.test(text) ? Number(text) : Number.NaN
  if (Number.isNaN(number)) throw new InvalidArgumentError("a whole number from 1 to 999,999")
  return number
}
