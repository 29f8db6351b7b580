/**
 * What an import reads: events with their place, or places with what is wrong there.
 *
 *     combined    one line, one event             event_id  f:… of the line's place
 *     ndjson      one line, one event             event_id  its own, else f:…
 *     k8s         one line, one event or a list   event_id  auditID:stage
 *     cloudtrail  one file or a folder of them    event_id  eventID
 *     sshd        one line, one event             event_id  f:… of the line's place
 *
 * The same file gives the same ids each time, so the log itself knows what it has already: there is
 * no other memory of an import that could be lost, or be wrong.
 */

import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { cloudTrailRecords, parseCloudTrail } from "@prooflog/event/from/cloudtrail"
import { parseCombined } from "@prooflog/event/from/combined"
import { kubernetesAuditEvents, parseKubernetesAudit } from "@prooflog/event/from/k8s"
import { parseNdjson } from "@prooflog/event/from/ndjson"
import { SshdLines, type SyslogTime } from "@prooflog/event/from/sshd"
import { parseStrictJson } from "@prooflog/event/json"
import type { AccessEvent } from "@prooflog/event/schema"
import { CliError } from "./error.js"
import { fileError } from "./file.js"
import type { Format } from "./import-format.js"
import { type Input, type Line, lineNamer, MAX_LINE_BYTES, openInput, readLines } from "./lines.js"

/** Where in the input something stands: all that a person needs to find it again. */
export interface Place {
  /** Only where the input is a folder. */
  readonly file?: string
  /** Counted from 1. */
  readonly line?: number
  /** In its file's `Records`, counted from 0. */
  readonly record?: number
}

export interface Problem {
  readonly code: string
  readonly message: string
  /** JSON pointer into the event, where there is one. */
  readonly pointer?: string
}

export type Item =
  | { readonly place: Place; readonly event: AccessEvent }
  | { readonly place: Place; readonly problem: Problem }

export interface ImportSource {
  /** Items in the order of the input, as many together as were read together. */
  readonly items: AsyncIterable<readonly Item[]>
  /** How much of the input was read, 0 … 1. */
  share(): number
}

/**
 * @param time - for `sshd`, whose lines have neither year nor zone
 * @throws {@link CliError} `CLI_FILE` if the path cannot be read, `CLI_USAGE` if it is a folder and the format has none,
 * or if there is no time where one is needed
 */
export async function openImport(path: string, format: Format, time?: SyslogTime): Promise<ImportSource> {
  if (format === "cloudtrail") return openCloudTrail(path)
  const parse = format === "sshd" ? sshdFormat(time) : LINE_FORMATS[format]
  const input = await openInput(path)
  return {
    items: linesToItems(input, parse),
    share: () => (input.size === 0 ? 1 : input.bytesRead() / input.size),
  }
}

/** Returns the events of a line. */
type ParseLine = (line: Line, name: () => string) => readonly AccessEvent[]

const LINE_FORMATS: Readonly<Record<Exclude<Format, "cloudtrail" | "sshd">, ParseLine>> = {
  combined: (line, name) => [{ ...parseCombined(logText(line.bytes)), event_id: name() }],
  ndjson: (line, name) => {
    const event = parseNdjson(jsonText(line.bytes, "the line"))
    return [event.event_id === undefined || event.event_id === null ? { ...event, event_id: name() } : event]
  },
  k8s: (line) => {
    return kubernetesAuditEvents(parseForeignJson(jsonText(line.bytes, "the line"))).map(parseKubernetesAudit)
  },
}

/** Lines of one file belong together: the year is that of those before. */
function sshdFormat(time: SyslogTime | undefined): ParseLine {
  if (time === undefined) throw new CliError("CLI_USAGE", "lines of sshd need a year and a zone")
  const lines = new SshdLines(time)
  return (line, name) => [{ ...lines.parse(logText(line.bytes)), event_id: name() }]
}

/**
 * Parses the JSON of another system as JavaScript does: what our own events may not hold (deep nesting,
 * very large integers) is no reason to lose its record, and the mappings make it fit.
 */
function parseForeignJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    // Fails as well, and says at which line and column.
    parseStrictJson(text)
    throw error
  }
}

async function* linesToItems(input: Input, parse: ParseLine): AsyncGenerator<readonly Item[]> {
  let name: ((offset: number) => string) | undefined
  for await (const lines of readLines(input.chunks)) {
    const items: Item[] = []
    for (const line of lines) {
      if (line.bytes.length === 0) continue
      name ??= lineNamer(line.bytes)
      addItems(items, line, parse, name)
    }
    yield items
  }
}

function addItems(items: Item[], line: Line, parse: ParseLine, name: (offset: number) => string): void {
  const place = { line: line.number }
  if (line.tooLong) {
    const message = `the line is longer than ${MAX_LINE_BYTES} bytes`
    items.push({ place, problem: { code: "CLI_LINE_TOO_LONG", message } })
    return
  }
  try {
    for (const event of parse(line, () => name(line.offset))) items.push({ place, event })
  } catch (error) {
    const problem = problemOf(error)
    // The parser was given one line: that it is the first one of these says nothing, and reads as if it were the file's.
    items.push({ place, problem: { ...problem, message: problem.message.replace(/^line 1, /, "") } })
  }
}

/** A refusal of the mapping is the line's; anything else is a bug of ours and ends the import. */
function problemOf(error: unknown): Problem {
  const { code, problem } = error as { code?: unknown; problem?: { pointer?: unknown } }
  if (!(error instanceof Error) || typeof code !== "string" || !/^(EVENT|CLI)_/.test(code)) throw error
  const pointer = problem?.pointer
  return {
    code,
    message: error.message,
    ...(typeof pointer === "string" && pointer !== "" ? { pointer } : {}),
  }
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

function jsonText(bytes: Uint8Array, what: string): string {
  try {
    return strictUtf8.decode(bytes)
  } catch (cause) {
    throw new CliError("CLI_FILE", `${what} is not UTF-8`, { cause })
  }
}

/**
 * Text of a log line. A byte that is not UTF-8 becomes `\xHH`, as Apache and nginx write it themselves:
 * one such byte in a user agent must not keep an access out of the log.
 */
function logText(bytes: Buffer): string {
  try {
    return strictUtf8.decode(bytes)
  } catch {
    return escapeInvalid(bytes)
  }
}

function escapeInvalid(bytes: Buffer): string {
  let text = ""
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at)
    if (length > 0) text += bytes.toString("utf8", at, at + length)
    else text += `\\x${bytes.toString("hex", at, at + 1).toUpperCase()}`
    at += Math.max(1, length)
  }
  return text
}

/** Returns the bytes of the UTF-8 character at `at`, or 0 if there is none. */
function characterLength(bytes: Buffer, at: number): number {
  for (let length = 1; length <= 4 && at + length <= bytes.length; length++) {
    const text = bytes.toString("utf8", at, at + length)
    if (!text.includes("�") || bytes.subarray(at, at + length).equals(REPLACEMENT)) return length
  }
  return 0
}

const REPLACEMENT = Buffer.from("�")

/** A CloudTrail file is one JSON text, so it is read whole. */
async function openCloudTrail(path: string): Promise<ImportSource> {
  const files = await cloudTrailFiles(path)
  let done = 0
  async function* items(): AsyncGenerator<readonly Item[]> {
    for (const file of files) {
      // Of a folder, one damaged file is rejected; a file that was asked for by name is not passed over.
      yield files.length > 1 ? await recordsOrProblem(file) : await recordsOrError(file)
      done += 1
    }
  }
  return { items: items(), share: () => done / files.length }
}

/** Returns the file itself, or all `.json` and `.json.gz` files of a folder and those in it, in the order of their names. */
async function cloudTrailFiles(path: string): Promise<readonly string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path]
    const found = await readdir(path, { recursive: true, withFileTypes: true })
    const files = found.filter((each) => each.isFile() && /\.json(?:\.gz)?$/.test(each.name))
    if (files.length === 0)
      throw new CliError("CLI_FILE", `the folder ${path} holds no .json or .json.gz file`)
    return files.map((each) => join(each.parentPath, each.name)).sort()
  } catch (error) {
    throw fileError(error, "the file", path)
  }
}

async function recordsOrProblem(file: string): Promise<readonly Item[]> {
  try {
    return await recordsOf(file, { file })
  } catch (error) {
    return [{ place: { file }, problem: problemOf(error) }]
  }
}

async function recordsOrError(file: string): Promise<readonly Item[]> {
  try {
    return await recordsOf(file, {})
  } catch (cause) {
    const { code, message } = problemOf(cause)
    if (code === "CLI_FILE") throw cause
    throw new CliError("CLI_FILE", `${file} is no CloudTrail file: ${message}`, { cause })
  }
}

async function recordsOf(path: string, where: Place): Promise<readonly Item[]> {
  return cloudTrailRecords(parseForeignJson(await readAll(path))).map((record, index) => {
    const place = { ...where, record: index }
    try {
      return { place, event: parseCloudTrail(record) }
    } catch (error) {
      return { place, problem: problemOf(error) }
    }
  })
}

/** CloudTrail's own files have a few megabytes; more than this is a bomb, or something else. */
const MAX_JSON_BYTES = 256 * 1024 * 1024

async function readAll(path: string): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of (await openInput(path)).chunks) {
    bytes += chunk.length
    if (bytes > MAX_JSON_BYTES)
      throw new CliError(
        "CLI_FILE",
        `${path} holds more than ${MAX_JSON_BYTES} bytes, too many for one JSON text`,
      )
    chunks.push(chunk)
  }
  return jsonText(Buffer.concat(chunks), path)
}
