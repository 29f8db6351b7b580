/**
 * A log's server, asked over HTTP.
 *
 * What it refuses is told in its own words (problem+json, RFC 9457); what may pass by
 * waiting is tried again: 429, 502, 503 and 504 after Retry-After, a lost network after a pause that grows.
 */

import { setTimeout as sleep } from "node:timers/promises"
import { CliError, type Problem, wordsOf } from "./error.js"

const DEFAULT_URL = "http://127.0.0.1:8080"

/** As commander takes it. */
export const URL_FLAG = [
  "--url <url>",
  `the log's URL (default: PROOFLOG_URL, or ${DEFAULT_URL} if that is not set)`,
] as const

/** Which log is asked, and as whom. */
export interface LogAddress {
  /** The log's URL prefix. */
  readonly url: string
  /** An API key. */
  readonly key: string
}

/**
 * Returns what flag and environment say; a variable that is empty is not set.
 *
 * @param role - that the key must have, for the message
 * @throws {@link CliError} `CLI_USAGE` if there is no key
 */
export function logAddress(
  environment: Readonly<Record<string, string | undefined>>,
  url: string | undefined,
  role: "admin" | "auditor" | "reader" | "writer",
): LogAddress {
  const key = environment.PROOFLOG_KEY
  if (!key)
    throw new CliError(
      "CLI_USAGE",
      `PROOFLOG_KEY is not set: this needs an API key with the role ${role === "admin" ? role : `${role} or admin`}`,
      {
        details: [`where the log's folder is, one is made by: prooflog key create --dir DIR --role ${role}`],
      },
    )
  return { url: url ?? (environment.PROOFLOG_URL || DEFAULT_URL), key }
}

export interface LogServerOptions extends LogAddress {
  /** How long a request is tried again before it is given up; 0: one try. */
  readonly patienceMs?: number
  /** How long an answer that is read as a whole may take; 2 minutes unless set. */
  readonly timeoutMs?: number
  /** Told each time there is something to wait for. */
  readonly onWait?: (why: string) => void
}

export interface Ask {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE"
  readonly body?: string
  /** Of the body. */
  readonly type?: string
  readonly headers?: Readonly<Record<string, string>>
  /**
   * Tried again only where the server refused it for now, before it began: 429 or 503 with Retry-After. For what must
   * not begin twice.
   */
  readonly onlyIfRefused?: true
}

const FIRST_PAUSE_MS = 250
const MAX_PAUSE_MS = 10_000
/** A server that asks for more is asked again all the same. */
const MAX_RETRY_AFTER_MS = 60_000
const TIMEOUT_MS = 120_000

/** No answer that is read as a whole is longer: of a question, a server gives at most 32 MiB. */
const MAX_BYTES = 64 * 1024 * 1024

/** A server has more to say than is listened to: suspect, or too much was asked for at once. */
export class AnswerTooLong extends CliError {
  constructor(name: string) {
    super("CLI_UNEXPECTED_ANSWER", `${name} answered with more than ${MAX_BYTES / 1024 / 1024} MiB`)
  }
}

export class LogServer {
  readonly #options: LogServerOptions
  readonly #prefix: string

  /** @throws {@link CliError} `CLI_USAGE` if the URL is none of http or https, or the key can be no key */
  constructor(options: LogServerOptions) {
    // It is a secret: the message does not show it, as that of fetch would.
    if (!/^[\x21-\x7e]+$/.test(options.key))
      throw new CliError("CLI_USAGE", "PROOFLOG_KEY is no API key: there are blanks or line ends in it")
    this.#options = options
    this.#prefix = prefixOf(options.url)
  }

  /** Ends in `/`. */
  get url(): string {
    return this.#prefix
  }

  /**
   * Asks for a JSON object.
   *
   * @param path - below the prefix, such as `v1/log`
   * @throws {@link CliError} as {@link LogServer.bytes}, and `CLI_UNEXPECTED_ANSWER` if the answer is none
   */
  async json(path: string, ask: Ask = {}): Promise<Readonly<Record<string, unknown>>> {
    const text = await this.text(path, ask)
    try {
      const value: unknown = JSON.parse(text)
      if (typeof value === "object" && value !== null) return value as Record<string, unknown>
    } catch {
      // Said below: an answer that is JSON but no object is as unexpected.
    }
    throw new CliError("CLI_UNEXPECTED_ANSWER", `${this.#name(path)} did not answer as a log does`)
  }

  /** {@link LogServer.json} with a JSON body. */
  post(path: string, body: unknown): Promise<Readonly<Record<string, unknown>>> {
    return this.json(path, { method: "POST", body: JSON.stringify(body), type: "application/json" })
  }

  /** Asks until there is an answer of 2xx, and returns its body as text. @throws as {@link LogServer.bytes} */
  async text(path: string, ask: Ask = {}): Promise<string> {
    return new TextDecoder().decode(await this.bytes(path, ask))
  }

  /**
   * Asks until there is an answer of 2xx, and returns its body.
   *
   * @throws {@link CliError} `CLI_UNREACHABLE` if nobody answers for as long as there is patience,
   * `CLI_REFUSED` if the answer is another status; {@link AnswerTooLong}
   */
  async bytes(path: string, ask: Ask = {}): Promise<Uint8Array> {
    const started = performance.now()
    const patience = this.#options.patienceMs ?? 0
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(MAX_PAUSE_MS, pause * 2)) {
      const attempt = await this.#once(path, ask)
      if (attempt.answer?.ok) return attempt.answer.body
      const isOver = performance.now() - started >= patience
      if (!attempt.mayPass || isOver) throw this.#failure(path, attempt)
      const waitMs = attempt.retryAfterMs ?? pause * (0.75 + Math.random() / 2)
      this.#options.onWait?.(`${attempt.why}; trying again in ${(waitMs / 1000).toFixed(1)} s`)
      await sleep(waitMs)
    }
  }

  /**
   * Asks once, and returns an answer of 2xx as soon as it begins: for a body that is long, or never ends.
   *
   * @param signal - ends it, the body too
   * @throws {@link CliError} `CLI_UNREACHABLE`, `CLI_REFUSED`; the signal's reason
   */
  async open(path: string, ask: Ask = {}, signal?: AbortSignal): Promise<Response> {
    let response: Response
    try {
      response = await this.#fetch(path, ask, signal)
    } catch (cause) {
      signal?.throwIfAborted()
      throw this.#failure(path, this.#unanswered(cause))
    }
    const { ok, status } = response
    if (ok && response.body !== null) return response
    throw this.#failure(path, {
      answer: { ok, status, body: await this.#bodyOf(response, path) },
      mayPass: false,
      why: "",
    })
  }

  #fetch(path: string, { method = "GET", body, type, headers = {} }: Ask, signal?: AbortSignal) {
    return fetch(this.#prefix + path, {
      method,
      headers: {
        accept: "application/json",
        authorization: `Bearer ${this.#options.key}`,
        ...(type === undefined ? {} : { "content-type": type }),
        ...headers,
      },
      ...(signal === undefined ? {} : { signal }),
      ...(body === undefined ? {} : { body }),
    })
  }

  async #once(path: string, ask: Ask): Promise<Attempt> {
    try {
      const response = await this.#fetch(
        path,
        ask,
        AbortSignal.timeout(this.#options.timeoutMs ?? TIMEOUT_MS),
      )
      const { ok, status } = response
      // An answer that breaks off is no answer, so its body is part of the attempt.
      const answer = { ok, status, body: await this.#bodyOf(response, path) }
      const retryAfterMs = MAY_PASS.has(status) ? retryAfter(response) : undefined
      const mayPass = ask.onlyIfRefused
        ? REFUSES.has(status) && retryAfterMs !== undefined
        : MAY_PASS.has(status)
      return { answer, mayPass, why: `the server is busy (${status})`, retryAfterMs }
    } catch (cause) {
      if (cause instanceof AnswerTooLong) throw cause
      return { ...this.#unanswered(cause), mayPass: ask.onlyIfRefused !== true }
    }
  }

  async #bodyOf({ body }: Response, path: string): Promise<Uint8Array> {
    const chunks: Uint8Array[] = []
    let bytes = 0
    // To leave the loop ends the connection.
    for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
      bytes += chunk.length
      if (bytes > MAX_BYTES) throw new AnswerTooLong(this.#name(path))
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  }

  #unanswered(cause: unknown): Attempt {
    return { mayPass: true, why: `${this.#prefix} does not answer (${reasonOf(cause)})`, cause }
  }

  #failure(path: string, { answer, why, cause }: Attempt): CliError {
    if (answer === undefined) return new CliError("CLI_UNREACHABLE", why, { cause })
    const problem = problemOf(new TextDecoder().decode(answer.body))
    const { detail, code, hint } = problem
    const said = `${detail === undefined ? "" : `: ${detail}`}${code === undefined ? "" : ` (${code})`}`
    return new CliError("CLI_REFUSED", `${this.#name(path)} answered ${answer.status}${said}`, {
      problem,
      details: hint === undefined ? [] : [hint],
    })
  }

  /** For messages: a query may have a thousand leaves in it. */
  #name(path: string): string {
    return this.#prefix + path.replace(/\?.*/, "")
  }
}

/** Too many requests; and what a server that starts again, or a proxy before it, answers meanwhile. */
const MAY_PASS: ReadonlySet<number> = new Set([429, 502, 503, 504])

/** Of these, those that say that nothing was begun. */
const REFUSES: ReadonlySet<number> = new Set([429, 503])

interface Attempt {
  /** Nothing if there was none, or not the whole of it. */
  readonly answer?: { readonly ok: boolean; readonly status: number; readonly body: Uint8Array }
  /** Whether waiting may help. */
  readonly mayPass: boolean
  readonly why: string
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

function prefixOf(url: string): string {
  const isWeb = URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)
  if (!isWeb || /[?#]/.test(url))
    throw new CliError("CLI_USAGE", `not the URL of a log: ${JSON.stringify(url)}`)
  const { href } = new URL(url)
  return href.endsWith("/") ? href : `${href}/`
}

/** Returns milliseconds; the header is seconds here, a date is taken as a second. */
function retryAfter(response: Response): number | undefined {
  const header = response.headers.get("retry-after")
  if (header === null) return undefined
  return /^\d{1,9}$/.test(header) ? Math.min(MAX_RETRY_AFTER_MS, Math.max(50, Number(header) * 1000)) : 1000
}

/** `fetch failed` says nothing; its cause does. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  const code = (cause as { code?: unknown } | undefined)?.code
  if (typeof code === "string") return code
  return cause instanceof Error ? cause.message : wordsOf(error)
}

/** What the body of a refusal says, if it is problem+json; a title stands in for its words. */
function problemOf(body: string): Problem {
  try {
    const said = (JSON.parse(body) ?? {}) as Record<string, unknown>
    return problemIn({ ...said, detail: textIn(said.detail) ?? textIn(said.title) })
  } catch {
    return {}
  }
}

/** Returns those members of a refusal that are what they should be. */
export function problemIn(said: Readonly<Record<string, unknown>>): Problem {
  const detail = textIn(said.detail)
  const code = textIn(said.code)
  const hint = textIn(said.hint)
  const { line, column } = said
  return {
    ...(detail !== undefined && { detail }),
    ...(code !== undefined && { code }),
    ...(hint !== undefined && { hint }),
    ...(isPlace(line) && { line }),
    ...(isPlace(column) && { column }),
  }
}

function textIn(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined
}

function isPlace(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}
