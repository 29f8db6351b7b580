/**
 * `prooflog tail`: events as they are logged, one line each.
 */

import { escapeText, formatJson } from "@prooflog/verifier/report"
import { type Command, InvalidArgumentError } from "commander"
import { CliError } from "../error.js"
import { eventLine } from "../event-line.js"
import { eventStream } from "../event-stream.js"
import { filterOf } from "../filter-argument.js"
import { readHeads } from "../log-heads.js"
import { LogServer, logAddress, URL_FLAG } from "../log-server.js"
import type { Surroundings } from "../verb.js"

interface TailFlags {
  readonly after?: string
  readonly json?: true
  readonly url?: string
}

export function addTail(program: Command, surroundings: Surroundings): void {
  program
    .command("tail")
    .description("follow the log: each event as it is logged, until Ctrl-C")
    .argument(
      "[filters...]",
      "COLUMN=VALUE; several columns must all hold, one column several times is any of the values",
    )
    .option("--after <leaf>", "begin after this leaf index, not with what is logged from now on", leafText)
    .option("--json", "print each event as one line of JSON, with all it has")
    .option(...URL_FLAG)
    .addHelpText("after", EXAMPLES)
    .action(async (filters: readonly string[], flags: TailFlags) => {
      await tail(filters, flags, surroundings)
      surroundings.verdict = 0
    })
}

const EXAMPLES = `
Examples:
  prooflog tail
  prooflog tail user_id=U12345 result=denied result=error
  prooflog tail resource_accessed.prefix=/admin --json | jq .user_id

A line is: time, user, action, resource, result, address. COLUMN.prefix= and COLUMN.contains= compare parts of a
text. A connection that is lost is made again, and goes on where it was. Needs a reader's key.`

async function tail(
  filters: readonly string[],
  { after, json, url }: TailFlags,
  { terminal, environment }: Surroundings,
): Promise<void> {
  const query = filterOf(filters)
  const path = query.size === 0 ? "v1/tail" : `v1/tail?${query}`
  const server = new LogServer(logAddress(environment, url, "reader"))
  const { print, say, paint, isLive } = terminal
  const end = new AbortController()
  const stop = () => end.abort()
  process.once("SIGINT", stop).once("SIGTERM", stop)
  try {
    const last = after ?? (await newest(server))
    // A log in which nothing happens looks like a command that hangs.
    if (isLive) say(`events after leaf ${last}, as they are logged; Ctrl-C ends`)
    const messages = eventStream(server, path, {
      signal: end.signal,
      after: last,
      onLoss: (why) => say(escapeText(`lost the connection: ${why}; trying again`)),
      onReturn: () => say("connected again"),
    })
    for await (const { event, data } of messages) {
      // What later servers may say beside events is none of ours.
      if (event !== "access") continue
      const value = eventIn(data, server.url)
      print(json ? formatJson(value).trimEnd() : eventLine(value, paint))
    }
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop)
  }
}

/** The last leaf that everyone may see: named, so that nothing is missed if the connection is lost before the first event. */
async function newest(server: LogServer): Promise<string> {
  const { published } = await readHeads(server)
  if (published > 0) return String(published - 1)
  throw new CliError("CLI_UNEXPECTED_ANSWER", `${server.url}v1/log did not answer as a log does`)
}

function eventIn(data: string, url: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(data)
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>
  } catch {
    // Said below: JSON that is no object is as unexpected.
  }
  throw new CliError("CLI_UNEXPECTED_ANSWER", `${url}v1/tail sent something that is no event`)
}

function leafText(text: string): string {
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) return text
  throw new InvalidArgumentError("a leaf index is an integer, 0 or more")
}
