/**
 * `prooflog serve`: runs the server of a log, made now if the folder is empty.
 */

import { existsSync } from "node:fs"
import { createServer } from "node:net"
import { join, relative } from "node:path"
import type { RunningServer } from "@prooflog/server"
import { openFolder } from "@prooflog/server/folder"
import { type Command, InvalidArgumentError } from "commander"
import { CliError, reasonOf, wordsOf } from "../error.js"
import type { Paint, Terminal } from "../terminal.js"
import type { Surroundings } from "../verb.js"

interface Address {
  readonly host: string
  readonly port: number
}

interface ServeFlags {
  readonly listen?: Address
  readonly adoptHead?: true
}

export function addServe(program: Command, surroundings: Surroundings): void {
  program
    .command("serve")
    .description("run the server of a log; an empty or missing folder becomes a new one")
    .argument("<dir>", "the folder of the log")
    .option(
      "--listen <host:port>",
      "where to listen (default: 127.0.0.1:8080); port 0 takes any free one",
      parseAddress,
    )
    .option(
      "--adopt-head",
      "after a restore: believe the stored log although no signed head lies beside its key; witnesses are asked first, and one that knows more wins",
    )
    .action(async (dir: string, flags: ServeFlags) => {
      await serve(dir, flags, surroundings.terminal)
      surroundings.verdict = 0
    })
}

/** Resolves when a signal has stopped the server and everything it accepted is durable. */
async function serve(dir: string, flags: ServeFlags, terminal: Terminal): Promise<void> {
  const { listen: address, adoptHead = false } = flags
  // The server makes its first keys before it listens, and shows them once: they must not be lost to a taken port.
  await requireFree(address ?? (await configuredAddress(dir)) ?? DEFAULT_ADDRESS)
  // Loads nearly everything there is, which whoever only asks for help does without.
  const { startServer } = await import("@prooflog/server")
  const server = await startServer({ dir, adoptHead, ...address }).catch((error) => {
    if (codeOf(error) === "LEDGER_NO_SIGNED_HEAD" && !adoptHead)
      throw new CliError("CLI_FILE", wordsOf(error), { cause: error, details: HOW_TO_ADOPT })
    if (codeOf(error) === "SERVER_FOLDER_NOT_EMPTY" && existsSync(join(dir, "restore.incomplete")))
      throw new CliError("CLI_FILE", `${dir} is not restored yet: run the same prooflog restore again`, {
        cause: error,
      })
    if (codeOf(error) === "LEDGER_LOCKED")
      throw new CliError("CLI_FILE", `another process serves ${dir} already (LEDGER_LOCKED)`, {
        cause: error,
      })
    throw addressError(error)
  })
  for (const line of welcome(server, terminal.paint)) terminal.print(line)
  await stopped()
  terminal.say("stopping: finishing what was accepted")
  await server.close()
}

const HOW_TO_ADOPT = [
  "The file with the signed head lies beside the signer key, and no backup holds it.",
  "If it is lost, and this is the whole log, start once with --adopt-head; a log that others saw more of would be a fork.",
]

const DEFAULT_ADDRESS: Address = { host: "127.0.0.1", port: 8080 }

/** What `prooflog.json` says, if it can be read; whatever is wrong with the folder, the server says it better. */
async function configuredAddress(dir: string): Promise<Address | undefined> {
  try {
    const { listen } = (await openFolder(dir)).serving
    return listen === undefined ? undefined : parseAddress(listen)
  } catch {
    return undefined
  }
}

function welcome(server: RunningServer, paint: Paint): readonly string[] {
  const { url, folder, firstKeys, publishing } = server
  const lines = [
    `Prooflog serves ${paint("bold", folder.origin)} at ${paint("bold", url)}`,
    `  verifier key  ${folder.verifierKey}`,
    `  policy        ${shown(folder.policyPath)}   (what an auditor needs; pin it from elsewhere)`,
    `  docs          ${url}docs`,
    `  published     ${publishing}`,
    ...scheduleLines(server),
  ]
  const writer = keyOf(firstKeys, "writer")
  if (writer === undefined) return lines
  return [
    ...lines,
    "",
    paint("yellow", "Shown once, and stored only as hashes:"),
    `  admin key     ${keyOf(firstKeys, "admin")}`,
    `  writer key    ${writer}`,
    "",
    "Log an event, and check the proof of it:",
    `  curl -s '${url}v1/events?wait=receipt' -H 'Authorization: Bearer ${writer}' -H 'Content-Type: application/json' \\`,
    `    -d '${JSON.stringify(SAMPLE)}' | tee answer.json`,
    `  npx prooflog verify answer.json --policy ${quoted(shown(folder.policyPath))}`,
  ]
}

/** Which schedule is in force, and what this start changed of it. */
function scheduleLines({ schedule, folder }: RunningServer): readonly string[] {
  const { leafIndex, hasFile, changes } = schedule
  const path = shown(folder.schedulePath)
  if (!hasFile) {
    return [
      `  schedule      that of leaf ${leafIndex}, without rules; to begin with: prooflog retention template > ${quoted(path)}`,
    ]
  }
  if (changes.length === 0) return [`  schedule      ${path}, in force since leaf ${leafIndex}`]
  return [
    `  schedule      ${path}, changed, and in force from leaf ${leafIndex}:`,
    ...changes.map((change) => `                  ${change}`),
  ]
}

const SAMPLE = {
  timestamp: "2023-10-21T15:32:00Z",
  user_id: "U12345",
  resource_accessed: "/secure-data",
  result: "success",
  ip_address: "192.168.1.10",
}

function keyOf(keys: RunningServer["firstKeys"], role: "admin" | "writer"): string | undefined {
  return keys?.find(({ apiKey }) => apiKey.roles.includes(role))?.key
}

/** The shorter of the two ways to name a path. */
function shown(path: string): string {
  const below = relative(process.cwd(), path)
  return below.length < path.length ? below : path
}

/** For pasting into a shell. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`
}

function stopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve())
  })
}

/** Port 0 is always free. */
async function requireFree({ host, port }: Address): Promise<void> {
  const probe = createServer()
  await new Promise<void>((resolve, reject) => {
    probe.once("error", (error) => reject(addressError(error)))
    probe.listen(port, host, () => probe.close(() => resolve()))
  })
}

/** Turns what a socket says of its address into a sentence; anything else stays what it is. */
function addressError(error: unknown): unknown {
  const { syscall, hostname, address, port } = error as NodeJS.ErrnoException & {
    readonly hostname?: string
    readonly address?: string
    readonly port?: number
  }
  if (syscall !== "listen" && syscall !== "getaddrinfo") return error
  if (codeOf(error) !== "EADDRINUSE") {
    const place = hostname ?? `${address}:${port}`
    return new CliError("CLI_USAGE", `cannot listen on ${place}: ${reasonOf(error)}`, { cause: error })
  }
  return new CliError(
    "CLI_ADDRESS_IN_USE",
    `${address}:${port} is taken by another process; give another one with --listen HOST:PORT`,
  )
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code
}

/** `127.0.0.1:8080`, `[::1]:8080`, `:8080` for the default host */
function parseAddress(text: string): Address {
  const [, bracketed, plain = "127.0.0.1", port = ""] =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]]+))?:(\d{1,5})$/.exec(text) ?? []
  if (port === "" || Number(port) > 65_535)
    throw new InvalidArgumentError("expected HOST:PORT, such as 127.0.0.1:8080")
  return { host: bracketed ?? plain, port: Number(port) }
}
