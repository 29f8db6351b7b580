/**
 * The command `prooflog`: sets the exit code, and nothing else decides it.
 *
 * Exit code 1 is an accusation. Node and commander use it for their own mishaps, so 2 is set
 * before anything can go wrong, and only a verb's verdict replaces it.
 */

import { readFileSync } from "node:fs"
import { escapeText } from "@prooflog/verifier/report"
import { CommanderError } from "commander"
import { CliError, wordsOf } from "./error.js"
import { createProgram } from "./program.js"
import { openTerminal } from "./terminal.js"
import type { Surroundings } from "./verb.js"

process.exitCode = 2

process.on("uncaughtException", (error) => crash(error))
process.on("unhandledRejection", (reason) => crash(reason))

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // A reader that has seen enough (`prooflog … | head`) is no reason to complain.
  if (error.code !== "EPIPE") process.stderr.write(`prooflog: cannot write to stdout: ${wordsOf(error)}\n`)
  process.exit(2)
})

const surroundings: Surroundings = { terminal: openTerminal(), environment: process.env, verdict: undefined }
const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))

try {
  const args = process.argv.slice(2)
  const program = await createProgram(args, surroundings, version)
  await program.parseAsync(args, { from: "user" })
  process.exitCode = surroundings.verdict ?? 2
} catch (error) {
  process.exitCode = isAnsweredHelp(error) ? 0 : 2
  // Commander has said its part already. What others say may quote a server: no word of it moves the cursor.
  if (!(error instanceof CommanderError)) surroundings.terminal.say(`prooflog: ${escapeText(wordsOf(error))}`)
  if (error instanceof CliError)
    for (const line of error.details) surroundings.terminal.say(`  ${escapeText(line)}`)
}

/** Help that was asked for, not the help shown for want of a verb; commander tells them apart by name, but for `help`. */
function isAnsweredHelp(error: unknown): boolean {
  const { code } = error as { code?: unknown }
  if (code === "commander.help") return process.argv.includes("help")
  return code === "commander.helpDisplayed" || code === "commander.version"
}

/** A bug, or a promise nobody held: with its stack, for the one who mends it. */
function crash(error: unknown): never {
  process.stderr.write(`prooflog: ${error instanceof Error ? error.stack : String(error)}\n`)
  process.exit(2)
}
