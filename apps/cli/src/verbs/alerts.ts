/**
 * `prooflog alerts`: what fires, who takes care of it, who is told; and rules, tried before they are in force.
 *
 *     0   shown, or done; of `prove --policy`: it fired, and was logged
 *     1   of `prove --policy`: what the server says of the alert is not what was logged
 *     2   it could not be done: a rule that is none, a sink that was not told, a server that does not answer
 */

import type { Command } from "commander"
import { addAlertCommands } from "../alerts/alert-commands.js"
import { addRuleCommands } from "../alerts/rule-commands.js"
import { addSilenceCommands } from "../alerts/silence-commands.js"
import { addSinkCommands } from "../alerts/sink-commands.js"
import type { Surroundings } from "../verb.js"

export function addAlerts(program: Command, surroundings: Surroundings): void {
  const alerts = program
    .command("alerts")
    .description(
      "what fires, who is told of it, and the rules behind it: see, acknowledge, silence, prove, try out",
    )
    .addHelpText("after", EXAMPLES)
  addAlertCommands(alerts, surroundings)
  addSilenceCommands(alerts, surroundings)
  addSinkCommands(alerts, surroundings)
  addRuleCommands(alerts, surroundings)
}

const EXAMPLES = `
Examples:
  prooflog alerts list --state firing
  prooflog alerts ack alert_caff07e17d9ce987 --note "it is the load test"
  prooflog alerts silence rule=error-rate 'service =~ "pay.*"' --for 2h --reason deployment
  prooflog alerts prove alert_caff07e17d9ce987 -o evidence.json --policy policy
  prooflog alerts test rules/ access.log.gz --format combined
  prooflog alerts backtest rules/scan.yaml --from 2023-10-01 --to 2023-11-01`
