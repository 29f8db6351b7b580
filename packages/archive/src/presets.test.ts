import { readFileSync } from "node:fs"
import { describe, expect, it } from "vitest"
import { parseDays } from "./durations.js"
import { PRESET_NAMES, PRESETS } from "./presets.js"
import { parseScheduleFile } from "./schedule-file.js"
import { SCHEDULE_TEMPLATE } from "./schedule-template.js"

const PAGE = readFileSync(new URL("../../../docs/retention.md", import.meta.url), "utf8")

/** Cells of the rows of the table with this head. */
function rows(head: string): string[][] {
  const [, after = ""] = PAGE.split(`| ${head} |\n`)
  const [, ...lines] = (after.split("\n\n")[0] ?? "").split("\n")
  return lines.map((line) => line.slice(2, -2).split(" | "))
}

describe("presets", () => {
  it("are the times that their sources name", () => {
    expect(PRESETS.pci).toMatchObject({ hotDays: parseDays("3mo"), keepDays: parseDays("12mo") })
    expect(PRESETS.hipaa).toMatchObject({ hotDays: 0, keepDays: parseDays("6y") })
    expect(PRESETS.soc2).toMatchObject({ hotDays: 0, keepDays: parseDays("15mo") })
  })

  it("are of these names", () => {
    expect(PRESET_NAMES).toEqual(["pci", "hipaa", "soc2"])
  })
})

describe("docs/retention.md", () => {
  it("shows the presets as they are", () => {
    const expected = Object.entries(PRESETS).map(([name, { hotDays, keepDays, source }]) => [
      `\`${name}\``,
      String(hotDays),
      String(keepDays),
      source,
    ])
    expect(rows("preset | at hand, days | kept, days | from")).toEqual(expected)
  })

  it("shows the file that a new log gets, and its days", () => {
    expect(/```yaml\n(.*?)```/s.exec(PAGE)?.[1]).toBe(SCHEDULE_TEMPLATE)
    const expected = [...parseScheduleFile(SCHEDULE_TEMPLATE).classes].map(([name, times]) => [
      `\`${name}\``,
      ...[times.hotDays, times.keepDays, times.destroyDays].map(String),
    ])
    expect(rows("class | at hand until | kept until | destroyed on")).toEqual(expected)
  })
})
