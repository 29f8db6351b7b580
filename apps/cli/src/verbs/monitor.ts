/**
 * `prooflog monitor`: watches logs, compares what it is shown with what others are shown, cosigns.
 *
 *     prooflog monitor init [FILE]      prooflog monitor check FILE      prooflog monitor [run] FILE [--once] [--json]
 *
 *     0   nothing is wrong, or it was stopped      1   --once found something wrong      2   could not tell
 */

import { mkdir } from "node:fs/promises"
import { dirname, join, relative } from "node:path"
import { escapeText, formatJson } from "@prooflog/verifier/report"
import type { Command } from "commander"
import { CliError } from "../error.js"
import { fileError, writeNamedFile } from "../file.js"
import type { Terminal } from "../terminal.js"
import type { Surroundings, Verdict } from "../verb.js"

interface Flags {
  readonly once?: true
  readonly json?: true
}

const CONFIG_NAME = "monitor.yaml"

export function addMonitor(program: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings
  const monitor = program
    .command("monitor")
    .description("watch logs: re-read every entry, compare heads with others, cosign as a witness")
    .addHelpText("after", EXIT_CODES)
  monitor
    .command("run", { isDefault: true })
    .description("watch, until it is stopped; prooflog monitor FILE is the same")
    .argument("<config>", "a file in YAML, as prooflog monitor init writes it")
    .option("--once", "look at each log once, and end")
    .option("--json", "print what was found as JSON")
    .addHelpText("after", EXIT_CODES)
    .action(async (path: string, { once, json }: Flags) => {
      surroundings.verdict = await run(path, once === true, json === true, terminal)
    })
  monitor
    .command("check")
    .description("read a config, and say what it means")
    .argument("<config>", "a file in YAML")
    .action(async (path: string) => {
      await check(path, terminal)
      surroundings.verdict = 0
    })
  monitor
    .command("init")
    .description("write a commented config; a file that is there stays as it is")
    .argument("[file]", "its name", CONFIG_NAME)
    .action(async (path: string) => {
      await init(path, terminal)
      surroundings.verdict = 0
    })
}

const EXIT_CODES = `
Exit codes of --once: 0 nothing is wrong, 1 something IS, 2 could not tell. Without it a monitor runs until it is
stopped, says on stderr what it finds, as lines of JSON, and ends with 0.`

async function init(path: string, terminal: Terminal): Promise<void> {
  const { CONFIG_TEMPLATE } = await import("@prooflog/monitor/config-template")
  await mkdir(dirname(path), { recursive: true }).catch((error: unknown) => {
    throw fileError(error, "the folder", dirname(path))
  })
  await writeNamedFile(path, "the config", CONFIG_TEMPLATE, { flag: "wx" })
  terminal.print(path)
  terminal.say(`change what it says of your log, then run: prooflog monitor ${path}`)
}

async function check(path: string, terminal: Terminal): Promise<void> {
  const [{ readConfig }, { formatConfig }] = await Promise.all([
    import("@prooflog/monitor/config"),
    import("@prooflog/monitor/report"),
  ])
  terminal.print(formatConfig(await readConfig(path)).trimEnd())
}

/** @returns nothing if nobody can tell */
async function run(
  path: string,
  once: boolean,
  asJson: boolean,
  terminal: Terminal,
): Promise<Verdict | undefined> {
  // A server, in a way: whoever only asks for help does without.
  const [{ readConfig }, { runMonitor }, { formatReport, reportToJson }] = await Promise.all([
    import("@prooflog/monitor/config"),
    import("@prooflog/monitor"),
    import("@prooflog/monitor/report"),
  ])
  const config = await readConfig(path)
  const stopping = new AbortController()
  const stop = () => stopping.abort(new Error("the monitor was told to stop"))
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, stop)
  const report = await runMonitor(config, { once, signal: stopping.signal }).finally(() => {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.off(name, stop)
  })
  terminal.print((asJson ? formatJson(reportToJson(report)) : formatReport(report)).trimEnd())
  for (const [, findings] of report.findings) {
    for (const { accusation } of findings) {
      if (accusation === undefined) continue
      const file = relative(".", join(config.folder, "accusations", accusation))
      terminal.say(escapeText(`proof: ${file} (prooflog verify-evidence checks it)`))
    }
  }
  if (!once) return 0
  if (report.exitCode !== 1 && stopping.signal.aborted)
    throw new CliError("CLI_CANNOT_TELL", "stopped before every log was looked at")
  return report.exitCode === 2 ? undefined : report.exitCode
}
