/**
 * `prooflog alerts silence`, `silences`, `unsilence`: for a while nobody is told.
 */

import type { Command } from "commander"
import type { Surroundings } from "../verb.js"
import { silenceIn, silencesIn } from "./alert-answer.js"
import { addLogCommand, type LogFlags, logServer } from "./alert-command.js"
import { silenceLine } from "./alert-table.js"

interface SilenceFlags extends LogFlags {
  readonly for: string
  readonly reason: string
}

export function addSilenceCommands(alerts: Command, surroundings: Surroundings): void {
  const { print, say } = surroundings.terminal

  addLogCommand(alerts, "silence", "admin", "tell nobody of alerts that all matchers match, for a while")
    .argument("<matcher...>", "such as rule=error-rate, severity!=critical or 'service =~ \"pay.*\"'")
    .requiredOption("--for <duration>", "how long, such as 90m, 2h or 7d")
    .requiredOption("--reason <text>", "why; it is shown beside the silence, and kept out of the log")
    .addHelpText("after", MATCHERS)
    .action(async (matchers: readonly string[], flags: SilenceFlags) => {
      const server = logServer("admin", flags, surroundings)
      const answer = await server.post("v1/silences", { matchers, for: flags.for, why: flags.reason })
      print(flags.json ? JSON.stringify(answer) : silenceLine(silenceIn(answer)))
      surroundings.verdict = 0
    })

  addLogCommand(alerts, "silences", "reader", "list silences, those that ended lately among them").action(
    async (flags: LogFlags) => {
      const answer = await logServer("reader", flags, surroundings).json("v1/silences")
      const silences = silencesIn(answer)
      for (const line of flags.json ? [JSON.stringify(answer)] : silences.map(silenceLine)) print(line)
      if (silences.length === 0 && !flags.json) say("there are none")
      surroundings.verdict = 0
    },
  )

  addLogCommand(alerts, "unsilence", "admin", "end a silence")
    .argument("<id>", "silence_ and 16 hex digits")
    .action(async (id: string, flags: LogFlags) => {
      const server = logServer("admin", flags, surroundings)
      const answer = await server.json(`v1/silences/${encodeURIComponent(id)}`, { method: "DELETE" })
      print(flags.json ? JSON.stringify(answer) : silenceLine(silenceIn(answer)))
      surroundings.verdict = 0
    })
}

const MATCHERS = `
A matcher compares a label of an alert, or rule, or severity: = != and, with regular expressions for the whole value,
=~ !~. What has blanks in it is put in quotes for the shell. Silenced alerts fire, are listed and logged as others are;
only sinks are not told. That a silence was made is an event of the log; whom it is about is not.`
