/**
 * What runs of the archive do to the rest of the log: rows, holds, and events that tell what was done.
 *
 *     archive ─► rows     forgotten in the query store; rewritten, and exports that are kept removed
 *             ─► holds    asked about each leaf, while none can be placed
 *             ─► events   one for each thing done, once however often it is told
 */

import type { Told } from "@prooflog/archive/ports"
import type { Exports } from "../exports.js"
import type { ArchiveProcessOptions } from "../followers/archive-process.js"
import { logStep, type OwnAction } from "../own-events.js"
import type { ServedLog } from "../served-log.js"
import type { Holds } from "./holds.js"

export type RunPorts = Pick<ArchiveProcessOptions, "rows" | "holds" | "tell">

/** What each thing done is called in the log. */
const ACTIONS: Readonly<Record<Told["what"], OwnAction>> = {
  archived: "log.archive.archived",
  restored: "log.archive.restored",
  withdrawn: "log.destroy.withdrawn",
  gone: "log.destroy.gone",
  expired: "log.destroy.expired",
}

/** What is done with the archive, as own events say it. */
export const ARCHIVE = "archive"

/** @param clock - wall clock, ms since 1970 */
export function runPortsOf(
  log: Omit<ServedLog, "archive">,
  exports: Pick<Exports, "removeAll">,
  holds: Holds,
  clock: () => number,
): RunPorts {
  return {
    rows: {
      // What was read before these were withdrawn is among the rows once they have come so far.
      async forget(leaves) {
        await log.reading.forget(leaves, (leaves.at(-1) ?? -1) + 1)
        await log.alerts.forget({ persons: [], leaves })
      },
      async rewrite() {
        // One that runs would be waited for.
        await exports.removeAll()
        await log.reading.rewrite()
      },
    },
    holds: {
      heldLeaves: async (leaves) => [...(await holds.heldAmong(leaves)).keys()],
      whileTheyStay: (task) => holds.whileTheyStay(task),
    },
    tell({ id, what, count, class: className, key, first_leaf, last_leaf }) {
      const said = { class: className, segment: key, first_leaf, last_leaf, records: count }
      const doing = { action: ACTIONS[what], resource: key ?? ARCHIVE, said }
      return logStep(log, doing, { timeMs: clock(), eventId: id })
    },
  }
}

/**
 * The same, before there is anything that could be done: records are read from the archive from the first moment on, and
 * its runs begin when the rest of the server is open.
 */
export class LaterPorts implements RunPorts {
  #ports: RunPorts | undefined

  open(ports: RunPorts): void {
    this.#ports = ports
  }

  readonly rows: RunPorts["rows"] = {
    forget: (leaves) => this.#opened.rows.forget(leaves),
    rewrite: () => this.#opened.rows.rewrite(),
  }

  readonly holds: RunPorts["holds"] = {
    heldLeaves: (leaves) => this.#opened.holds.heldLeaves(leaves),
    whileTheyStay: (task) => this.#opened.holds.whileTheyStay(task),
  }

  readonly tell: RunPorts["tell"] = (told) => this.#opened.tell(told)

  get #opened(): RunPorts {
    if (this.#ports === undefined)
      throw new Error("bug: a run of the archive began before the server was open")
    return this.#ports
  }
}
