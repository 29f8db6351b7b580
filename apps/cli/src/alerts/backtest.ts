/**
 * `prooflog alerts backtest`: what rules would have found in the history of a running log.
 *
 * Nobody is told, and nothing is kept: rules are evaluated here, not by the server.
 */

import { openEnricher } from "@prooflog/enrich/enrich"
import { escapeText } from "@prooflog/verifier/report"
import type { LogServer } from "../log-server.js"
import { startProgress } from "../progress.js"
import { count, counted, type Terminal } from "../terminal.js"
import { FiringTally, tallyJson, tallyTable } from "./firing-tally.js"
import { LoggedEvents, type Span } from "./logged-events.js"
import { rulesAt } from "./rules-at.js"
import { requireAll, Trial } from "./trial.js"

export interface BacktestAsked {
  /** As `rulesAt` takes it. */
  readonly rules: string
  readonly span: Span
  /** Databases of addresses. */
  readonly mmdb?: readonly string[]
  readonly json: boolean
}

/**
 * @throws {@link CliError} `CLI_FILE` if a rule was refused, after the others were tried; what `rulesAt`, `LoggedEvents`
 * and the server throw
 */
export async function backtest(
  server: LogServer,
  { rules, span, mmdb, json }: BacktestAsked,
  terminal: Terminal,
): Promise<void> {
  const { print, say } = terminal
  const at = await rulesAt(rules)
  const { enrich } = await openEnricher(mmdb === undefined ? {} : { mmdb })
  const tally = new FiringTally()
  const trial = new Trial(at, enrich, (firing) => tally.add(firing))
  if (!json) for (const { message } of trial.refused) say(`refused  ${escapeText(message)}`)
  const events = await LoggedEvents.between(server, span)
  const tried = await tryAll(events, trial, terminal)
  trial.end(Math.min(Math.floor(span.to / 1000), Date.now()))
  if (json) {
    const { late, refused } = trial
    const said = {
      events: tried,
      destroyed: events.gone,
      late,
      rules: tallyJson(tally.rules),
      refused: refused.map(({ message }) => message),
    }
    print(JSON.stringify(said))
  } else {
    for (const line of tally.rules.length === 0 ? [] : tallyTable(tally.rules, true)) print(line)
    say(summary(trial, tried, events.gone, tally))
  }
  requireAll(trial)
}

/** @returns how many */
async function tryAll(events: LoggedEvents, trial: Trial, terminal: Terminal): Promise<number> {
  const progress = startProgress(terminal, "backtest", "events")
  let tried = 0
  try {
    for await (const some of events.read(trial.asksFor("class"))) {
      for (const event of some) trial.take(event)
      tried += some.length
      progress.update(events.share, tried)
    }
  } finally {
    progress.stop()
  }
  return tried
}

function summary({ heads, late }: Trial, tried: number, gone: number, { rules }: FiringTally): string {
  const silent = heads.length - rules.length
  const found =
    rules.length === 0 ? "no rule would have fired" : `${counted(silent, "other rule")} would not have fired`
  return [
    `${counted(tried, "event")}: ${found}`,
    ...(gone === 0 ? [] : [`${counted(gone, "record")} not there any more`]),
    ...(late === 0 ? [] : [`${count(late)} times an event was too late for a window`]),
    "nobody was told",
  ].join("; ")
}
