/**
 * `prooflog erase`: has the records of a person, or of filters, destroyed: shown, confirmed, queued, announced, gone.
 */

import { createInterface } from "node:readline/promises"
import { setTimeout as sleep } from "node:timers/promises"
import { escapeText } from "@prooflog/verifier/report"
import { type Command, Option } from "commander"
import { CliError } from "../error.js"
import { writeNamedFile } from "../file.js"
import { filterOf } from "../filter-argument.js"
import { LogServer, logAddress, URL_FLAG } from "../log-server.js"
import { startProgress } from "../progress.js"
import { counted, type Terminal } from "../terminal.js"
import type { Surroundings } from "../verb.js"

type Json = Readonly<Record<string, unknown>>

interface WhereFlags {
  readonly json?: true
  readonly url?: string
}

interface EraseFlags extends WhereFlags {
  readonly user?: string
  readonly reason?: string
  readonly kind?: "person" | "order"
  readonly dryRun?: true
  readonly now?: true
  readonly yes?: true
}

const POLL_MS = 250

/** In their order, as the server says them. */
const STATES = ["queued", "noticed", "withdrawn", "gone"]

export function addErase(program: Command, surroundings: Surroundings): void {
  const { terminal, environment } = surroundings
  const erase = program
    .command("erase")
    .description("have records destroyed before their time, announced in public first; needs an admin's key")
    .argument(
      "[filter...]",
      "COLUMN=VALUE …, as those of prooflog tail, with from= and to=; instead of --user",
    )
    .option("--user <id>", "every record of a user: their events, those done for them, who asked for them")
    .option("--reason <text>", "why; it is kept, so it must not name the person")
    .addOption(
      new Option(
        "--kind <kind>",
        "what the public notice says (default: person with --user, order with filters)",
      ).choices(["person", "order"]),
    )
    .option("--dry-run", "only show what it would destroy, and what holds forbid")
    .option("--now", "announce and destroy it now, and do not wait for the daily run")
    .option("--yes", "do not ask")
    .option("--json", "print as JSON")
    .option(...URL_FLAG)
    .addHelpText("after", EXAMPLES)
    .action(async (filters: readonly string[], flags: EraseFlags) => {
      const scope = scopeIn(filters, flags)
      const server = new LogServer(logAddress(environment, flags.url, "admin"))
      await eraseAll(server, scope, flags, terminal)
      surroundings.verdict = 0
    })
  const add = (name: string, description: string) =>
    erase
      .command(name)
      .description(description)
      .option("--json", "print as JSON")
      .option(...URL_FLAG)
  // Commander gives a flag that the verb has too to the verb.
  const where = (): WhereFlags => erase.optsWithGlobals()

  add("list", "list every case").action(async (own: WhereFlags) => {
    const { json, url } = { ...where(), ...own }
    const { cases } = await new LogServer(logAddress(environment, url, "admin")).json("v1/erasures")
    if (!Array.isArray(cases)) throw unexpected()
    if (json) terminal.print(JSON.stringify({ cases }))
    else for (const each of cases as Json[]) terminal.print(describe(each))
    surroundings.verdict = 0
  })

  add("show", "show how far a case is")
    .argument("<id>", "case_ and 16 hex digits")
    .action(async (id: string, own: WhereFlags) => {
      const { json, url } = { ...where(), ...own }
      const one = await new LogServer(logAddress(environment, url, "admin")).json(pathOf(id))
      terminal.print(json ? JSON.stringify(one) : describe(one))
      surroundings.verdict = 0
    })

  add("certificate", "write what shows offline that a case was announced: prooflog verify checks it")
    .argument("<id>", "case_ and 16 hex digits")
    .option("-o, --out <file>", "where to write it (default: stdout)")
    .option("--part <n>", "of a case with more than 4,096 records: which one, from 1 on", "1")
    .action(async (id: string, own: WhereFlags & { readonly out?: string; readonly part: string }) => {
      const { url } = { ...where(), ...own }
      const server = new LogServer(logAddress(environment, url, "admin"))
      const text = await server.text(`${pathOf(id)}/certificate?part=${encodeURIComponent(own.part)}`)
      if (own.out === undefined) terminal.print(text.trimEnd())
      else await writeNamedFile(own.out, "the certificate", text)
      surroundings.verdict = 0
    })
}

const EXAMPLES = `
Examples:
  prooflog erase --user U12345 --dry-run
  prooflog erase --user U12345 --reason "request 17 of 2026"
  prooflog erase certificate case_0123456789abcdef -o erased.json
  prooflog verify erased.json --policy policy

A case waits for the daily run, so that its public notice is not one person's alone; --now does not wait. What a hold
forbids becomes a case of its own, and goes on once the hold is lifted.`

function scopeIn(filters: readonly string[], { user, kind }: EraseFlags): Json {
  if ((user === undefined) === (filters.length === 0))
    throw new CliError("CLI_USAGE", "erase takes --user, or filters, and not both")
  const scope = user === undefined ? { filter: String(filterOf(filters)) } : { user_id: user }
  return { ...scope, ...(kind !== undefined && { kind }) }
}

async function eraseAll(
  server: LogServer,
  scope: Json,
  flags: EraseFlags,
  terminal: Terminal,
): Promise<void> {
  const { reason, dryRun, now, yes, json } = flags
  if (!dryRun && reason === undefined)
    throw new CliError("CLI_USAGE", "--reason is missing: why are they erased?")
  const why = reason === undefined ? {} : { why: reason }
  const found = await server.post("v1/erasures?dry_run=true", { ...scope, ...why })
  if (dryRun) {
    if (json) terminal.print(JSON.stringify(found))
    else for (const line of linesOf(found)) terminal.print(line)
    return
  }
  for (const line of linesOf(found)) terminal.say(line)
  if (!yes) await confirm(found, terminal)
  const { id } = await server.post("v1/erasures", { ...scope, ...why })
  if (typeof id !== "string") throw unexpected()
  if (now) await server.post("v1/erasures/run", {})
  const one = now ? await finished(server, id, terminal) : await server.json(pathOf(id))
  terminal.print(json ? JSON.stringify(one) : describe(one))
  if (!now) terminal.say("the daily run announces and destroys it; --now would not have waited for that")
}

/** @throws {@link CliError} `CLI_USAGE` if nobody is there to be asked, or whoever is says no */
async function confirm(found: Json, { isLive }: Terminal): Promise<void> {
  if (Number(found.records) === 0 && heldOf(found) === 0) return
  if (!isLive || !process.stdin.isTTY)
    throw new CliError("CLI_USAGE", "nobody can be asked here: add --yes to go on")
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const said = await asking.question("Destroyed records do not come back. Erase them? [y/N] ")
    if (!/^y(es)?$/i.test(said.trim())) throw new CliError("CLI_USAGE", "nothing was asked of the log")
  } finally {
    asking.close()
  }
}

/** Waits until a case is gone, or nothing more can be done for it now. */
async function finished(server: LogServer, id: string, terminal: Terminal): Promise<Json> {
  const progress = startProgress(terminal, "erase", "steps")
  try {
    for (;;) {
      // In this order: what it says of the run is not older than the case.
      const { running, error } = await server.json("v1/erasures")
      const one = await server.json(pathOf(id))
      const done = STATES.indexOf(String(one.state))
      progress.update(Math.max(0, done) / (STATES.length - 1), Math.max(0, done))
      if (done === STATES.length - 1 || one.state === "expired") return one
      if (running === false) {
        if (error === undefined) return one
        const { message, code } = error as Json
        throw new CliError(
          "CLI_REFUSED",
          `${id} is ${one.state}, and goes on with the next run: ${message} (${code})`,
        )
      }
      await sleep(POLL_MS)
    }
  } finally {
    progress.stop()
  }
}

function heldOf({ held }: Json): number {
  return Number((held as Json | undefined)?.records ?? 0)
}

function linesOf(found: Json): readonly string[] {
  const { records, classes = {}, first, last } = found
  const byClass = Object.entries(classes as Json).map(([name, count]) => `${count} ${name}`)
  const held = heldOf(found)
  const holds = Object.keys(((found.held as Json | undefined)?.holds ?? {}) as Json)
  return [
    `${counted(Number(records), "record")} to destroy${byClass.length === 0 ? "" : `: ${byClass.join(", ")}`}`,
    ...(first === undefined ? [] : [`received ${first} to ${last}`]),
    ...(held === 0 ? [] : [`${counted(held, "record")} kept by ${holds.join(", ")}`]),
  ].map(escapeText)
}

/** One line, whatever the server said. */
function describe({ id, state, records, why, asked, notice_leaf, held_back }: Json): string {
  const parts = [
    `${id}  ${state}`,
    records === undefined ? undefined : counted(Number(records), "record"),
    `asked ${(asked as Json | undefined)?.at}`,
    notice_leaf === undefined ? undefined : `notice leaf ${notice_leaf}`,
    held_back === undefined
      ? undefined
      : `${(held_back as Json).records} held by ${(held_back as Json).holds}`,
    `(${why})`,
  ]
  return escapeText(parts.filter((part) => part !== undefined).join("  "))
}

function pathOf(id: string): string {
  return `v1/erasures/${encodeURIComponent(id)}`
}

function unexpected(): CliError {
  return new CliError("CLI_UNEXPECTED_ANSWER", "v1/erasures did not answer as a log does")
}
