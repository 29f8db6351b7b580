/**
 * Every route of a log.
 */

import type { Logger } from "pino"
import { descriptionRoutes } from "./description-routes.js"
import { eventRoutes } from "./events.js"
import { evidenceRoutes } from "./evidence.js"
import { healthRoutes } from "./health.js"
import { keyRoutes } from "./key-routes.js"
import { logRoutes } from "./log-info.js"
import { proofRoutes } from "./proofs.js"
import type { Route } from "./route.js"
import type { ServedLog } from "./served-log.js"
import { type Submit, submitRoute } from "./submit.js"
import { tileRoutes } from "./tiles.js"

export interface RoutesOptions {
  readonly submit: Submit
  readonly metricsRoutes: readonly Route[]
  readonly prefix: string
  readonly isStopping: () => boolean
  readonly logger: Logger
}

/** The busiest first: Express tries them in this order. */
export function routesOf(
  log: ServedLog,
  { submit, metricsRoutes, prefix, isStopping, logger }: RoutesOptions,
): readonly Route[] {
  const routes = [
    ...tileRoutes(log),
    ...proofRoutes(log),
    ...evidenceRoutes(log),
    submitRoute(submit),
    ...eventRoutes(log),
    ...logRoutes(log),
    ...healthRoutes(log, isStopping),
    ...metricsRoutes,
    ...keyRoutes(log, logger),
  ]
  return [...routes, ...descriptionRoutes(routes, prefix, log.folder.origin)]
}
