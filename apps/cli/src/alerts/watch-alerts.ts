/**
 * `prooflog alerts watch`: what fires now, and then each change as it comes, one line each, across connections that are lost.
 *
 *     2026-11-23T18:55:01Z  opened  high  brute-force-address  ip_address=203.0.113.7  20 events  alert_caff07e17d9ce987
 *
 * The stream begins with what comes; so what fires is asked for whenever there is a connection, and nothing is missed that
 * still matters.
 *
 * Effects: the network.
 */

import { escapeText, formatJson } from "@prooflog/verifier/report"
import { CliError, wordsOf } from "../error.js"
import { eventStream } from "../event-stream.js"
import type { LogServer } from "../log-server.js"
import type { Terminal } from "../terminal.js"
import { alertIn, alertsIn, objectIn, type ToldAlert } from "./alert-answer.js"
import { changeLine } from "./alert-table.js"

/** Of what fires already when it begins, so many are shown. */
const MAX_FIRING = 500

/** Shows alerts until the signal ends it. @throws as `eventStream` */
export async function watchAlerts(
  server: LogServer,
  asJson: boolean,
  signal: AbortSignal,
  { print, say, isLive }: Terminal,
): Promise<void> {
  const show = (change: string, alert: ToldAlert) =>
    print(asJson ? formatJson({ change, alert: alert.json }).trimEnd() : changeLine(change, alert))
  const showFiring = async () => {
    try {
      const { alerts } = alertsIn(await server.json(`v1/alerts?state=firing&limit=${MAX_FIRING}`))
      for (const alert of [...alerts].reverse()) show("fires", alert)
      if (alerts.length === 0 && isLive) say("nothing fires; what changes is shown as it comes, Ctrl-C ends")
    } catch (error) {
      say(escapeText(`what fires could not be asked: ${wordsOf(error)}`))
    }
  }
  const messages = eventStream(server, "v1/alerts/stream", {
    signal,
    onOpen: () => void showFiring(),
    onLoss: (why) => say(escapeText(`lost the connection: ${why}; trying again`)),
    onReturn: () => say("connected again"),
  })
  for await (const { event, data } of messages) {
    // What later servers may say beside alerts is none of ours.
    if (event !== "alert") continue
    const { change, alert } = objectIn(parsed(data))
    show(String(change), alertIn(alert))
  }
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch (cause) {
    throw new CliError("CLI_UNEXPECTED_ANSWER", "v1/alerts/stream sent something that is no JSON", { cause })
  }
}
