/**
 * `prooflog alerts sinks`, `send-test`, `retry`: those who are told, and whether they can be.
 */

import type { Command } from "commander"
import { CliError } from "../error.js"
import { counted } from "../terminal.js"
import type { Surroundings } from "../verb.js"
import { sinksIn } from "./alert-answer.js"
import { addLogCommand, type LogFlags, logServer } from "./alert-command.js"
import { sinkLines } from "./alert-table.js"

const SINK = ["<sink>", "its name in alerts.yaml"] as const

export function addSinkCommands(alerts: Command, surroundings: Surroundings): void {
  const { print } = surroundings.terminal

  addLogCommand(
    alerts,
    "sinks",
    "reader",
    "show who is told, what waits, and what was refused for good",
  ).action(async (flags: LogFlags) => {
    const answer = await logServer("reader", flags, surroundings).json("v1/sinks")
    for (const line of flags.json ? [JSON.stringify(answer)] : sinkLines(sinksIn(answer))) print(line)
    surroundings.verdict = 0
  })

  addLogCommand(alerts, "send-test", "admin", "send a sink a message that says that it is a test")
    .argument(...SINK)
    .action(async (sink: string, flags: LogFlags) => {
      const answer = await logServer("admin", flags, surroundings).post(`${pathOf(sink)}/test`, {})
      if (flags.json) print(JSON.stringify(answer))
      const { delivered, message } = answer
      if (delivered !== true) throw new CliError("CLI_REFUSED", `${sink} was not told: ${message}`)
      if (!flags.json) print(`${sink} has taken it: ${message}`)
      surroundings.verdict = 0
    })

  addLogCommand(alerts, "retry", "admin", "send again what a sink would not take")
    .argument(...SINK)
    .action(async (sink: string, flags: LogFlags) => {
      const answer = await logServer("admin", flags, surroundings).post(`${pathOf(sink)}/retry`, {})
      const again = Number(answer.sent_again)
      print(flags.json ? JSON.stringify(answer) : `${counted(again, "message")} sent to ${sink} again`)
      surroundings.verdict = 0
    })
}

function pathOf(sink: string): string {
  return `v1/sinks/${encodeURIComponent(sink)}`
}
