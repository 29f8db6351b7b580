/**
 * The command `prooflog-monitor`: sets the exit code, and nothing else decides it.
 *
 *     prooflog-monitor init [FILE]          writes a commented config; to stdout without FILE
 *     prooflog-monitor check FILE           reads the config, and says what it means
 *     prooflog-monitor run FILE [--once]    watches; with --once looks at each log once
 *
 * Exit 0: nothing is wrong. 1: something is, said only on purpose. 2: could not tell, and every mishap of our own.
 */

import { writeFile } from "node:fs/promises"
import { parseArgs } from "node:util"
import { escapeText } from "@prooflog/verifier/report"
import { readConfig } from "./config.js"
import { CONFIG_TEMPLATE } from "./config-template.js"
import { MonitorError, systemCode, wordsOf } from "./error.js"
import { runMonitor } from "./main.js"
import { formatConfig, formatReport, reportToJson } from "./report.js"

const USAGE = `Usage:
  prooflog-monitor init [FILE]           write a commented config (to stdout without FILE)
  prooflog-monitor check FILE            read a config and say what it means
  prooflog-monitor run FILE              watch, until it is stopped
  prooflog-monitor run FILE --once       look at each log once
      --json                             print what was found as JSON

Exit code 0: nothing is wrong. 1: something is. 2: could not tell.
`

process.exitCode = 2

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  const isOurs = error instanceof MonitorError || systemCode(error) !== undefined
  const words = isOurs
    ? wordsOf(error)
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error)
  process.stderr.write(`prooflog-monitor: ${words.split("\n").map(escapeText).join("\n")}\n`)
  process.exitCode = 2
}

async function main(args: readonly string[]): Promise<number> {
  const options = {
    once: { type: "boolean" },
    json: { type: "boolean" },
    help: { type: "boolean", short: "h" },
  } as const
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true })
  const [verb, file, ...rest] = positionals
  if (values.help === true || verb === "help") {
    process.stdout.write(USAGE)
    return 0
  }
  if (rest.length > 0) throw usage("more than one file")
  switch (verb) {
    case "init":
      return await init(file)
    case "check":
      return await check(requireFile(file))
    case "run":
      return await run(requireFile(file), values.once === true, values.json === true)
    default:
      throw usage(verb === undefined ? "no verb" : `there is no verb ${JSON.stringify(verb)}`)
  }
}

async function init(file: string | undefined): Promise<number> {
  if (file === undefined) {
    process.stdout.write(CONFIG_TEMPLATE)
    return 0
  }
  try {
    await writeFile(file, CONFIG_TEMPLATE, { flag: "wx" })
  } catch (cause) {
    if (systemCode(cause) !== "EEXIST") throw cause
    throw new MonitorError("MONITOR_USAGE", `${file} is there already, and stays as it is`, { cause })
  }
  process.stderr.write(`Wrote ${file}: change it, then run: prooflog-monitor run ${file}\n`)
  return 0
}

async function check(file: string): Promise<number> {
  process.stdout.write(formatConfig(await readConfig(file)))
  return 0
}

async function run(file: string, once: boolean, json: boolean): Promise<number> {
  const config = await readConfig(file)
  const stopping = new AbortController()
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stopping.abort(new Error(name)))
  const report = await runMonitor(config, { once, signal: stopping.signal })
  process.stdout.write(json ? `${JSON.stringify(reportToJson(report))}\n` : formatReport(report))
  // Stopped on purpose, a monitor that goes on has no verdict to give.
  return once ? report.exitCode : 0
}

function requireFile(file: string | undefined): string {
  if (file !== undefined) return file
  throw usage("no config file")
}

function usage(why: string): MonitorError {
  return new MonitorError("MONITOR_USAGE", `${why}\n${USAGE}`)
}
