/**
 * Presets: the least that a rule book asks of every class.
 *
 * A preset is a floor. It lengthens a class whose archive time the file leaves open, it shortens nothing, and a
 * file that says less is refused. Where the figures come from, and what they do not cover: docs/retention.md.
 * Pure.
 */

export interface Preset {
  /** Least days at hand, before records move to the archive. */
  readonly hotDays: number
  /** Least days kept, hot and archived together. */
  readonly keepDays: number
  /** Whose words these are. */
  readonly source: string
}

export const PRESETS = {
  /** 12 months, of which the last 3 at hand. */
  pci: { hotDays: 92, keepDays: 366, source: "PCI DSS 4.0.1, requirement 10.5.1" },
  /** 6 years. */
  hipaa: { hotDays: 0, keepDays: 2192, source: "45 CFR 164.316(b)(2)(i)" },
  /** 15 months: a period of 12 that is examined, and 3 for examining it. The criteria name no time. */
  soc2: {
    hotDays: 0,
    keepDays: 457,
    source: "AICPA TSP section 100, CC4.1 and CC7.2, for a period of 12 months",
  },
} as const satisfies Readonly<Record<string, Preset>>

export type PresetName = keyof typeof PRESETS

/** In the order of {@link PRESETS}. */
export const PRESET_NAMES = Object.keys(PRESETS) as readonly PresetName[]
