/**
 * The alerts child: the process that shows every event to the rules, and tells people what they find.
 *
 *     reader ── pages, questions, health ─► rules, book, outbox ── HTTP, SMTP ─► sinks
 *            ◄─ own steps, changes ────────┘
 *
 * It trusts the reader. It ends itself when it can keep nothing more: the next one goes on from what is kept.
 */

import { mkdir } from "node:fs/promises"
import { dirname } from "node:path"
import { openEnricher } from "@prooflog/enrich/enrich"
import { Alerting } from "../alerting/alerting.js"
import { openSinks } from "../alerting/sinks/open-sinks.js"
import { ServerError } from "../error.js"
import type { AlertsCalls, ReaderOfAlertsCalls } from "./alerts-calls.js"
import { endNow, liveAsChild } from "./child.js"
import { channelTo, openLink } from "./link.js"
import { sayTo } from "./say.js"

let alerting: Alerting | undefined

function begun(): Alerting {
  if (alerting === undefined) throw new ServerError("SERVER_ALERTS_AWAY", "alerts are not open yet")
  return alerting
}

const reader = openLink<AlertsCalls, ReaderOfAlertsCalls>(
  channelTo(process),
  {
    alive: () => {},
    async begin(setup) {
      await mkdir(dirname(setup.storePath), { recursive: true, mode: 0o700 })
      const { enrich } = await openEnricher(setup.mmdb === undefined ? {} : { mmdb: setup.mmdb })
      alerting = await Alerting.open({
        setup,
        enrich,
        sinksOf: (settings) => openSinks(settings, { base: setup.base, origin: setup.origin, say }),
        own: (step) => reader.ask("own", step),
        onChange: (change) => reader.tell("changed", change),
        say,
        onBroken: (error) =>
          sayTo((said) => reader.tell("say", said, () => endNow()))("error", "alerts could not be kept", {
            error,
          }),
      })
      return { cursor: alerting.cursor }
    },
    append: (page) => begun().append(page),
    question: (question) => begun().ask(question),
    health: (health) => alerting?.health(health),
    forget: (forgotten) => begun().forget(forgotten),
    async close() {
      await alerting?.close()
      endNow()
    },
  },
  (error) => say("error", "what the reader said could not be understood", { error }),
)
const say = sayTo((said) => reader.tell("say", said))
liveAsChild((level, message, details, sent) =>
  sayTo((said) => reader.tell("say", said, sent))(level, message, details),
)
