/**
 * `prooflog retention`: the schedule in force, which class an event gets, and whether another schedule may follow.
 *
 *     0   shown, or done      2   a schedule that is none, may not follow, or could not be asked for
 *
 * A schedule that is refused is no lie: exit code 1 is not for it.
 */

import { text } from "node:stream/consumers"
import { ArchiveError } from "@prooflog/archive/error"
import type { ScheduleFile } from "@prooflog/archive/schedule-file"
import { escapeText } from "@prooflog/verifier/report"
import type { Command } from "commander"
import { CliError } from "../error.js"
import { readNamedFile } from "../file.js"
import { LogServer, logAddress, URL_FLAG } from "../log-server.js"
import { type ShownSchedule, scheduleIn } from "../schedule-answer.js"
import { classRows, scheduleTable } from "../schedule-table.js"
import type { Surroundings } from "../verb.js"

interface Flags {
  readonly url?: string
  readonly json?: true
}

interface TestFlags extends Flags {
  readonly schedule?: string
  readonly source: string
}

/** Of a schedule file, and of an event. */
const MAX_BYTES = 4 * 1024 * 1024

export function addRetention(program: Command, surroundings: Surroundings): void {
  const retention = program
    .command("retention")
    .description("how long records are kept: show, test, check and change the schedule")
  const add = (name: string, description: string) =>
    retention.command(name).description(description).option("--json", "print as JSON")
  const { print } = surroundings.terminal

  add("show", "show the schedule in force, and its dates for an event received now; a reader's key")
    .option(...URL_FLAG)
    .action(async (flags: Flags) => {
      show(await askSchedule(flags, surroundings, "reader"), flags, surroundings)
      surroundings.verdict = 0
    })

  add("test", "say which rule takes an event; an auditor's key, or none with --schedule")
    .argument("<event>", "a JSON file with one event as it would be sent; - reads stdin")
    .option("--schedule <file>", "by the rules of this file, asking nobody")
    .option("--source <name>", "the source of the key that would send it", "api")
    .option(...URL_FLAG)
    .action(async (event: string, flags: TestFlags) => {
      await test(event, flags, surroundings)
      surroundings.verdict = 0
    })

  add("check", "say whether a schedule file is one, and with a reader's key what it would change")
    .argument("<file>", "a schedule.yaml")
    .option(...URL_FLAG)
    .action(async (path: string, flags: Flags) => {
      try {
        await check(path, flags, surroundings)
      } catch (error) {
        if (flags.json && error instanceof ArchiveError) {
          const { code, message, line, column } = error
          print(JSON.stringify({ valid: false, code, message, line, column }))
        }
        throw error
      }
      surroundings.verdict = 0
    })

  add("apply", "put a schedule file in force; an admin's key")
    .argument("<file>", "a schedule.yaml")
    .option(...URL_FLAG)
    .action(async (path: string, flags: Flags) => {
      await apply(path, flags, surroundings)
      surroundings.verdict = 0
    })

  retention
    .command("template")
    .description("print the commented schedule.yaml that a new log gets")
    .action(async () => {
      const { SCHEDULE_TEMPLATE } = await import("@prooflog/archive/schedule-template")
      print(SCHEDULE_TEMPLATE.trimEnd())
      surroundings.verdict = 0
    })
}

function show(shown: ShownSchedule, { json }: Flags, { terminal }: Surroundings): void {
  const { schedule, leafIndex, presets } = shown
  const nowMs = Date.now()
  if (json) {
    const classes = classRows(shown, nowMs)
    const rules = Buffer.from(schedule.rules).toString("hex")
    terminal.print(
      JSON.stringify({ leaf_index: leafIndex, classes, default: schedule.default, rules, presets }),
    )
    return
  }
  for (const line of scheduleTable(shown, nowMs)) terminal.print(line)
  terminal.say(`promised by leaf ${leafIndex}; presets: ${escapeText(presets.join(", ")) || "none"}`)
  if (shown.hotDays.size === 0)
    terminal.say("the log has no schedule.yaml: no rules, and nothing says how long records are at hand")
}

async function test(path: string, flags: TestFlags, surroundings: Surroundings): Promise<void> {
  const { schedule, source, json } = flags
  const file = schedule === undefined ? await askFile(flags, surroundings) : await readScheduleFile(schedule)
  // What checks events is heavy.
  const { eventFor } = await import("../event-to-test.js")
  const event = eventFor(await readEvent(path), source)
  const { classOf } = await import("@prooflog/archive/class-rules")
  const { class: className, rule } = classOf(file)(event)
  const { print } = surroundings.terminal
  if (json) {
    const found = rule === undefined ? null : { file: file.name, line: rule.line, number: rule.index + 1 }
    print(JSON.stringify({ class: className, rule: found }))
    return
  }
  print(`class  ${className}`)
  print(
    `rule   ${rule === undefined ? "none takes it" : `${rule.index + 1}, ${escapeText(file.name)}:${rule.line}`}`,
  )
}

async function check(path: string, flags: Flags, surroundings: Surroundings): Promise<void> {
  const file = await readScheduleFile(path)
  const { print, say } = surroundings.terminal
  if (flags.url === undefined && !surroundings.environment.PROOFLOG_KEY) {
    if (flags.json) print(JSON.stringify({ valid: true }))
    else {
      print(
        `${escapeText(path)} is a schedule of ${file.classes.size} classes and ${file.rules.length} rules`,
      )
      say("with PROOFLOG_KEY it is held against what the log has promised")
    }
    return
  }
  const shown = await askSchedule(flags, surroundings, "reader")
  const { checkChange, publicSchedule } = await import("@prooflog/archive/schedule-file")
  checkChange(shown.schedule, file)
  const { describeChange } = await import("@prooflog/server/schedule-change")
  const hotDays = new Map([...file.classes].map(([name, times]) => [name, times.hotDays]))
  const changes = describeChange(shown, { schedule: publicSchedule(file), hotDays })
  if (flags.json) print(JSON.stringify({ valid: true, leaf_index: shown.leafIndex, changes }))
  else sayChanges(changes, `would change nothing of what is in force since leaf ${shown.leafIndex}`, print)
}

async function apply(path: string, flags: Flags, surroundings: Surroundings): Promise<void> {
  // What is wrong with it is said here, by its name.
  const body = await readText(path)
  const { parseScheduleFile } = await import("@prooflog/archive/schedule-file")
  parseScheduleFile(body, path)
  const server = new LogServer(logAddress(surroundings.environment, flags.url, "admin"))
  const answer = await server.json("v1/schedule", { method: "PUT", body, type: "application/yaml" })
  const { leafIndex } = scheduleIn(answer, server.url)
  const { committed, changes } = answer
  if (typeof committed !== "boolean" || !Array.isArray(changes))
    throw new CliError("CLI_UNEXPECTED_ANSWER", `${server.url}v1/schedule did not answer as a log does`)
  const { print, say } = surroundings.terminal
  if (flags.json) print(JSON.stringify({ leaf_index: leafIndex, committed, changes }))
  else {
    sayChanges(changes.map(String), "nothing has changed", print)
    say(`in force ${committed ? "from" : "since"} leaf ${leafIndex}`)
  }
}

function sayChanges(changes: readonly string[], none: string, print: (line: string) => void): void {
  for (const line of changes.length === 0 ? [none] : changes) print(escapeText(line))
}

async function askSchedule(
  { url }: Flags,
  { environment }: Surroundings,
  role: "reader" | "auditor",
): Promise<ShownSchedule> {
  const server = new LogServer(logAddress(environment, url, role))
  return scheduleIn(await server.json("v1/schedule"), server.url)
}

/** @throws {@link CliError} `CLI_REFUSED` if rules are not shown to this key, or there are none */
async function askFile(flags: Flags, surroundings: Surroundings): Promise<ScheduleFile> {
  const { file } = await askSchedule(flags, surroundings, "auditor")
  if (file === undefined) {
    throw new CliError(
      "CLI_REFUSED",
      "the log shows no schedule.yaml: it has none, or the key is no auditor's; give the file with --schedule",
    )
  }
  const { parseScheduleFile } = await import("@prooflog/archive/schedule-file")
  return parseScheduleFile(file)
}

/** @throws ArchiveError that begins with path, line and column; {@link CliError} `CLI_FILE` */
async function readScheduleFile(path: string): Promise<ScheduleFile> {
  const { parseScheduleFile } = await import("@prooflog/archive/schedule-file")
  return parseScheduleFile(await readText(path), path)
}

async function readText(path: string): Promise<string> {
  const bytes = await readNamedFile(path, "the schedule", MAX_BYTES)
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new CliError("CLI_FILE", `the schedule ${path} is not UTF-8`, { cause })
  }
}

async function readEvent(path: string): Promise<string> {
  if (path === "-") return text(process.stdin)
  return new TextDecoder().decode(await readNamedFile(path, "the event", MAX_BYTES))
}
