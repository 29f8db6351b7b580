/**
 * The schedule file: classes, how long each is kept, and the rules that give events their class.
 *
 *     preset: [pci]
 *     classes:
 *       routine: { hot: 6mo, archive: 2y, destroy_after: 30d }      kept 183 + 731 days, destroyed 30 days later
 *       audit:   { hot: 7y }                                        no archive, destroyed 30 days later
 *     default: routine
 *     rules:
 *       - { class: audit, action: "key.*" }
 *
 * What an event is promised must never follow from a slip: whatever is missing, unknown, given twice, contradictory
 * or without effect is refused, with its line. Left open may be two times only, `archive` and `destroy_after`.
 *
 * Of all this the log shows days, class names and a hash of the rules; hot times and rules are the operator's own.
 *
 * Pure: no I/O, no clock.
 */

import { createHash } from "node:crypto"
import { EventError } from "@prooflog/event/error"
import { checkNextSchedule, isClassName, type Retention, type Schedule } from "@prooflog/event/schedule"
import { type FilePlace, SettingsError } from "@prooflog/settings/error"
import { parseYaml } from "@prooflog/settings/parse-yaml"
import type { YamlValue } from "@prooflog/settings/yaml-value"
import { AUDIT_CLASS, type ClassRule, formatRules } from "./class-rules.js"
import { DAYS_EXAMPLES, parseDays } from "./durations.js"
import { ArchiveError, type ArchiveErrorCode } from "./error.js"
import { PRESET_NAMES, PRESETS, type PresetName } from "./presets.js"
import { readRules } from "./read-rules.js"

/** Most classes in a file: they must all go into one entry. */
export const MAX_CLASSES = 256

/** Days from the end of keeping to destruction, where a class does not say. */
export const DEFAULT_DESTROY_AFTER_DAYS = 30

export interface ScheduleFile {
  /** Of the file, for messages. */
  readonly name: string
  readonly presets: readonly PresetName[]
  /** By name, in the order of the file. Has `audit`. */
  readonly classes: ReadonlyMap<string, ClassTimes>
  readonly classesAt: FilePlace
  /** The class of an event that no rule takes. One of `classes`. */
  readonly default: string
  readonly rules: readonly ClassRule[]
}

/** How long records of one class live, in days from the time of their entry. */
export interface ClassTimes {
  /** Days at hand. 0 … `keepDays`. */
  readonly hotDays: number
  /** Days kept, at hand and in the archive. */
  readonly keepDays: number
  /** Day of destruction, at least `keepDays`. Never, if absent. */
  readonly destroyDays?: number
  /** The preset that lengthened the archive time which the file leaves open. */
  readonly raisedBy?: PresetName
  /** Where the class stands in the file. */
  readonly at: FilePlace
}

/**
 * Reads a schedule file.
 *
 * @param name - what the file is called in messages
 * @throws {@link ArchiveError} `ARCHIVE_BAD_SCHEDULE` or `ARCHIVE_BELOW_PRESET`, with line and column
 */
export function parseScheduleFile(text: string, name = "schedule.yaml"): ScheduleFile {
  try {
    return readSchedule(parseYaml(text, name), name)
  } catch (error) {
    if (error instanceof SettingsError) throw refusal("ARCHIVE_BAD_SCHEDULE", error)
    throw error
  }
}

function refusal(code: ArchiveErrorCode, { message, place, cause }: SettingsError): ArchiveError {
  return new ArchiveError(code, message, { place, cause })
}

function readSchedule(root: YamlValue, name: string): ScheduleFile {
  const members = root.members({ optional: ["preset", "classes", "default", "rules"] })
  const presets = members.preset?.oneOrMore().map(readPreset) ?? []
  if (members.classes === undefined) throw root.refuse("classes is missing")
  const classes = readClasses(members.classes, presets)
  if (members.default === undefined) {
    throw root.refuse("default is missing: the class of an event that no rule takes")
  }
  const fallback = members.default.text()
  if (!classes.has(fallback)) {
    throw members.default.refuse(`${JSON.stringify(fallback)} is none of the classes`)
  }
  return {
    name,
    presets,
    classes,
    classesAt: members.classes.at,
    default: fallback,
    rules: members.rules === undefined ? [] : readRules(members.rules, (each) => classes.has(each)),
  }
}

/** Returns what the log shows of a schedule file: what genesis, or a schedule entry, promises. */
export function publicSchedule(file: ScheduleFile): Schedule {
  const classes = [...file.classes].map(([name, { keepDays, destroyDays }]): [string, Retention] => [
    name,
    destroyDays === undefined ? { keep_days: keepDays } : { keep_days: keepDays, destroy_days: destroyDays },
  ])
  const rules = createHash("sha256").update(formatRules(file.rules)).digest()
  return { classes: Object.fromEntries(classes), default: file.default, rules: new Uint8Array(rules) }
}

/**
 * Checks that a schedule file may follow what a log has promised.
 *
 * @param previous - the last schedule in the log
 * @throws {@link ArchiveError} `ARCHIVE_SHORTENS_PROMISE` with line and column of the class that is gone, kept for
 * fewer days, or destroyed on an earlier day or at all where it was never to be
 */
export function checkChange(previous: Schedule, file: ScheduleFile): void {
  const next = publicSchedule(file)
  for (const [name, promised] of Object.entries(previous.classes)) {
    try {
      checkNextSchedule({ ...previous, classes: { [name]: promised } }, next)
    } catch (cause) {
      if (!(cause instanceof EventError)) throw cause
      const now = file.classes.get(name)
      const why =
        now === undefined
          ? `classes: ${name} is gone, which the log has promised: ${inWords(promised)}; a class is never removed`
          : `classes.${name}: the log has promised more: ${inWords(promised)}; a promise is never shortened`
      const refused = new SettingsError(file.name, now?.at ?? file.classesAt, why, { cause })
      throw refusal("ARCHIVE_SHORTENS_PROMISE", refused)
    }
  }
}

/**
 * Returns the days for which records of a class are at hand.
 *
 * @param className - one of the file, or RangeError
 */
export function hotDays(file: ScheduleFile, className: string): number {
  const times = file.classes.get(className)
  if (times === undefined) throw new RangeError(`className: ${className} is none of the schedule file`)
  return times.hotDays
}

function inWords({ keep_days: keep, destroy_days: destroy }: Retention): string {
  return `kept ${keep} days, ${destroy === undefined ? "never destroyed" : `destroyed on day ${destroy}`}`
}

function readPreset(place: YamlValue): PresetName {
  return place.oneOf(PRESET_NAMES)
}

function readClasses(place: YamlValue, presets: readonly PresetName[]): ReadonlyMap<string, ClassTimes> {
  const classes = new Map<string, ClassTimes>()
  for (const { name, key, value } of place.entries()) {
    if (!isClassName(name)) throw key.refuse("a class is named by 1 to 32 of a-z 0-9 _ -")
    classes.set(name, { ...readTimes(value, presets), at: key.at })
  }
  if (classes.size > MAX_CLASSES) throw place.refuse(`more than ${MAX_CLASSES} classes`)
  if (!classes.has(AUDIT_CLASS)) {
    throw place.refuse(`${AUDIT_CLASS} is missing: the class of events of the log about itself`)
  }
  return classes
}

function readTimes(place: YamlValue, presets: readonly PresetName[]): Omit<ClassTimes, "at"> {
  const members = place.members({ optional: ["hot", "archive", "destroy_after", "destroy"] })
  if (members.hot === undefined) throw place.refuse("hot is missing: how long records are at hand")
  const hot = readDays(members.hot)
  let keep = hot + (members.archive === undefined ? 0 : readDays(members.archive))
  let raisedBy: PresetName | undefined
  for (const preset of presets) {
    const least = PRESETS[preset]
    if (hot < least.hotDays) {
      const why = `at hand ${hot} days, and ${preset} asks ${least.hotDays} (${least.source})`
      throw refusal("ARCHIVE_BELOW_PRESET", members.hot.refuse(why))
    }
    if (keep >= least.keepDays) continue
    if (members.archive !== undefined) {
      const why = `kept ${keep} days, and ${preset} asks ${least.keepDays} (${least.source})`
      throw refusal("ARCHIVE_BELOW_PRESET", members.archive.refuse(why))
    }
    keep = least.keepDays
    raisedBy = preset
  }
  const times = { hotDays: hot, keepDays: keep, ...(raisedBy && { raisedBy }) }
  const after = readDestroyAfter(members)
  return after === undefined ? times : { ...times, destroyDays: keep + after }
}

/** Days from the end of keeping to destruction; `undefined` for never. */
function readDestroyAfter(members: { destroy_after?: YamlValue; destroy?: YamlValue }): number | undefined {
  const { destroy_after: after, destroy } = members
  if (destroy === undefined) return after === undefined ? DEFAULT_DESTROY_AFTER_DAYS : readDays(after)
  if (destroy.written() !== "never") throw destroy.refuse('expected "never"; a time goes into destroy_after')
  if (after !== undefined) throw after.refuse("never destroyed, and destroyed after: only one can be")
  return undefined
}

function readDays(place: YamlValue): number {
  return place.read(parseDays, DAYS_EXAMPLES)
}
