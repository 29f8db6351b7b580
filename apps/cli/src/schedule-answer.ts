/**
 * A retention schedule, as a server shows it: suspect until it is read here.
 *
 * Pure.
 */

import { EventError } from "@prooflog/event/error"
import { checkSchedule, type Schedule } from "@prooflog/event/schedule"
import { decodeHex } from "@prooflog/tlog/base64"
import { CliError } from "./error.js"

export interface ShownSchedule {
  readonly schedule: Schedule
  /** Leaf of the entry that put it in force. */
  readonly leafIndex: number
  /** Days at hand, by class; empty where the log has no schedule file. */
  readonly hotDays: ReadonlyMap<string, number>
  /** The preset that lengthened a class. */
  readonly raisedBy: ReadonlyMap<string, string>
  readonly presets: readonly string[]
  /** `schedule.yaml`, if it is shown to whoever asked. */
  readonly file: string | undefined
}

/** @throws {@link CliError} `CLI_UNEXPECTED_ANSWER` */
export function scheduleIn(answer: Readonly<Record<string, unknown>>, url: string): ShownSchedule {
  const { leaf_index: leafIndex, classes, default: fallback, rules, presets = [], file } = answer
  const unexpected = () =>
    new CliError("CLI_UNEXPECTED_ANSWER", `${url}v1/schedule did not answer as a log does`)
  if (!isMap(classes) || !Object.values(classes).every(isMap)) throw unexpected()
  if (!Number.isSafeInteger(leafIndex) || !Array.isArray(presets)) throw unexpected()
  const promised: Record<string, unknown> = {}
  const hotDays = new Map<string, number>()
  const raisedBy = new Map<string, string>()
  for (const [name, times] of Object.entries(classes) as [string, Readonly<Record<string, unknown>>][]) {
    const { hot_days: hot, raised_by: preset, ...retention } = times
    promised[name] = retention
    if (typeof hot === "number") hotDays.set(name, hot)
    if (typeof preset === "string") raisedBy.set(name, preset)
  }
  try {
    return {
      schedule: checkSchedule({
        classes: promised,
        default: fallback,
        rules: decodeHex(typeof rules === "string" ? rules : ""),
      }),
      leafIndex: leafIndex as number,
      hotDays,
      raisedBy,
      presets: presets.map(String),
      file: typeof file === "string" ? file : undefined,
    }
  } catch (cause) {
    if (cause instanceof EventError) throw unexpected()
    throw cause
  }
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
