/**
 * Every route of a log.
 */

import type { Logger } from "pino"
import { alertRoutes } from "./alerting/alert-routes.js"
import { alertStreamRoutes } from "./alerting/alert-stream.js"
import { silenceRoutes } from "./alerting/silence-routes.js"
import { sinkRoutes } from "./alerting/sink-routes.js"
import { backupRoutes } from "./backup-routes.js"
import { challengeRoutes } from "./challenge-routes.js"
import { checkpointRoutes } from "./checkpoints.js"
import { descriptionRoutes } from "./description-routes.js"
import { eventRoutes } from "./events.js"
import { evidenceRoutes } from "./evidence.js"
import { exportRoutes } from "./export-routes.js"
import type { Exports } from "./exports.js"
import { healthRoutes } from "./health.js"
import { keyRoutes } from "./key-routes.js"
import { listingRoutes } from "./listing-routes.js"
import { logRoutes } from "./log-info.js"
import { proofRoutes } from "./proofs.js"
import { readingRoutes } from "./reading-routes.js"
import { archiveRoutes } from "./retention/archive-routes.js"
import type { Archiving } from "./retention/archiving.js"
import { eraseRoutes } from "./retention/erase-routes.js"
import type { Erasing } from "./retention/erase-run.js"
import { holdRoutes } from "./retention/hold-routes.js"
import { scheduleRoutes } from "./retention/schedule-routes.js"
import type { Route } from "./route.js"
import type { ServedLog } from "./served-log.js"
import { sqlRoutes } from "./sql-routes.js"
import { type Submit, submitRoute } from "./submit.js"
import { tailRoutes } from "./tail.js"
import { tileRoutes } from "./tiles.js"

export interface RoutesOptions {
  readonly submit: Submit
  readonly exports: Exports
  readonly erasing: Erasing
  readonly archiving: Archiving
  readonly metricsRoutes: readonly Route[]
  readonly prefix: string
  /** Fires when the server begins to stop. */
  readonly stopping: AbortSignal
  readonly clock: () => number
  readonly logger: Logger
}

/** The busiest first: Express tries them in this order. */
export function routesOf(
  log: ServedLog,
  { submit, exports, erasing, archiving, metricsRoutes, prefix, stopping, clock, logger }: RoutesOptions,
): readonly Route[] {
  const routes = [
    ...tileRoutes(log),
    ...proofRoutes(log),
    ...checkpointRoutes(log),
    ...evidenceRoutes(log),
    submitRoute(submit),
    ...listingRoutes(log),
    ...sqlRoutes(log),
    ...eventRoutes(log),
    ...tailRoutes(log, { stopping, clock }),
    ...readingRoutes(log),
    ...exportRoutes(log, exports),
    ...backupRoutes(log),
    ...challengeRoutes(log, erasing.cases),
    ...logRoutes(log),
    ...scheduleRoutes(log),
    ...holdRoutes(log, erasing.holds),
    ...eraseRoutes(log, erasing),
    ...archiveRoutes(log, archiving),
    // Before those of one alert, whose path takes it too.
    ...alertStreamRoutes(log, { stopping, clock }),
    ...alertRoutes(log),
    ...silenceRoutes(log),
    ...sinkRoutes(log),
    ...healthRoutes(log, () => stopping.aborted),
    ...metricsRoutes,
    ...keyRoutes(log, logger),
  ]
  return [...routes, ...descriptionRoutes(routes, prefix, log.folder.origin)]
}
