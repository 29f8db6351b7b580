/**
 * Runs a monitor: once, or until it is told to stop, in a folder that is its own.
 *
 * @example
 * ```ts
 * const stopping = new AbortController()
 * const { findings } = await runMonitor(await readConfig("monitor.yaml"), { once: true, signal: stopping.signal })
 * ```
 */

import { setMaxListeners } from "node:events"
import { mkdir } from "node:fs/promises"
import { join } from "node:path"
import { type Logger, pino } from "pino"
import type { MonitorConfig } from "./config.js"
import { lockFolder } from "./folder-lock.js"
import { Monitor } from "./monitor.js"
import type { PeerStatus } from "./peers.js"
import type { MonitorReport } from "./report.js"

export type { MonitorConfig, WatchedLog } from "./config.js"
export type { Finding, FindingKind, Weight } from "./finding.js"
export type { MonitorReport } from "./report.js"
export type { WatchStatus } from "./watch.js"

export interface RunOptions {
  /** Looks at each log once, compares once, and ends. */
  readonly once?: boolean
  /** Ends it; what is under way is given up, what was found is kept. */
  readonly signal?: AbortSignal
  /** To stderr unless set, nowhere if `false`. */
  readonly logger?: Logger | false
  /** ms since 1970. */
  readonly clock?: () => number
}

export interface RunningMonitor {
  /** Of its HTTP, ending in `/`; `undefined` if it does not listen. */
  readonly url: string | undefined
  /** Where accusations are kept. */
  readonly accusationsFolder: string
  report(): MonitorReport
  peers(): readonly PeerStatus[]
  /** Looks at every log now and compares heads; resolves when what was found is on disk. */
  pollNow(): Promise<void>
  /** Ends it. Repeatable. */
  close(): Promise<void>
}

/**
 * Runs a monitor until the signal ends it, or, with `once`, until each log was looked at.
 *
 * @throws MonitorError `MONITOR_FOLDER_IN_USE`, `MONITOR_BAD_STATE`; what Node says of an address that cannot be
 * listened at, and of a folder that cannot be written
 */
export async function runMonitor(config: MonitorConfig, options: RunOptions = {}): Promise<MonitorReport> {
  const { once = false, signal } = options
  const monitor = await openMonitor(config, options, !once)
  try {
    if (once) await monitor.pollNow()
    else if (signal !== undefined) await Promise.race([aborted(signal), monitor.failed])
    else await monitor.failed
    return monitor.report()
  } catch (error) {
    if (signal?.aborted === true) return monitor.report()
    throw error
  } finally {
    await monitor.close()
  }
}

/** Starts a monitor that looks on its own, and can be asked to look at once. @throws as {@link runMonitor} */
export function startMonitor(
  config: MonitorConfig,
  options: Omit<RunOptions, "once"> = {},
): Promise<RunningMonitor> {
  return openMonitor(config, options, true)
}

interface OpenMonitor extends RunningMonitor {
  /** Rejects when the monitor cannot go on: its disk failed. */
  readonly failed: Promise<never>
}

async function openMonitor(
  config: MonitorConfig,
  options: RunOptions,
  goesOn: boolean,
): Promise<OpenMonitor> {
  const { clock = Date.now } = options
  const logger =
    options.logger ||
    pino({ name: "prooflog-monitor", enabled: options.logger !== false }, pino.destination(2))
  await mkdir(join(config.folder, "logs"), { recursive: true, mode: 0o700 })
  const closers: (() => Promise<unknown>)[] = [await lockFolder(config.folder)]
  const stopping = new AbortController()
  // Each request under way listens to it.
  setMaxListeners(0, stopping.signal)
  const closeAll = async () => {
    stopping.abort(new Error("the monitor is stopping"))
    for (const close of closers.splice(0).reverse()) await close()
  }
  try {
    const monitor = await Monitor.open(config, { clock, logger, goesOn, signal: stopping.signal })
    closers.push(() => monitor.settled())
    const url = goesOn ? await monitor.listen(closers) : undefined
    const failed = new Promise<never>((_, reject) => {
      if (goesOn) monitor.begin(reject)
    })
    // Whoever only polls never looks at it.
    failed.catch((error: unknown) => logger.fatal({ err: error }, "the monitor cannot go on"))
    options.signal?.addEventListener("abort", () => stopping.abort(options.signal?.reason), { once: true })
    if (options.signal?.aborted === true) stopping.abort(options.signal.reason)
    let closing: Promise<void> | undefined
    return {
      url,
      accusationsFolder: monitor.accusationsFolder,
      failed,
      report: () => monitor.report(),
      peers: () => monitor.peers(),
      pollNow: () => monitor.pollNow(),
      close: () => {
        closing ??= closeAll()
        return closing
      },
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener("abort", () => resolve(), { once: true })
  })
}
