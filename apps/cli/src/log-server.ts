/**
 * A log's server, asked over HTTP.
 *
 * What it refuses is told in its own words (problem+json, RFC 9457); what may pass by
 * waiting is tried again: 429, 502, 503 and 504 after Retry-After, a lost network after a pause that grows.
 */

import { setTimeout as sleep } from "node:timers/promises"
import { CliError, wordsOf } from "./error.js"

const DEFAULT_URL = "http://127.0.0.1:8080"

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
 * @param wanted - whose key it must be, for the message
 * @throws {@link CliError} `CLI_USAGE` if there is no key
 */
export function logAddress(
  environment: Readonly<Record<string, string | undefined>>,
  url: string | undefined,
  wanted: string,
): LogAddress {
  const key = environment.PROOFLOG_KEY
  if (!key) throw new CliError("CLI_USAGE", `set PROOFLOG_KEY to ${wanted}`)
  return { url: url ?? (environment.PROOFLOG_URL || DEFAULT_URL), key }
}

export interface LogServerOptions extends LogAddress {
  /** How long a request is tried again before it is given up; 0: one try. */
  readonly patienceMs?: number
  /** Told each time there is something to wait for. */
  readonly onWait?: (why: string) => void
}

export interface Ask {
  readonly method?: "GET" | "POST" | "DELETE"
  readonly body?: string
  readonly type?: string
}

const FIRST_PAUSE_MS = 250
const MAX_PAUSE_MS = 10_000
/** A server that asks for more is asked again all the same. */
const MAX_RETRY_AFTER_MS = 60_000
const TIMEOUT_MS = 120_000

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
   * @throws {@link CliError} as {@link LogServer.text}, and `CLI_UNEXPECTED_ANSWER` if the answer is none
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

  /**
   * Asks until there is an answer of 2xx, and returns its body.
   *
   * @throws {@link CliError} `CLI_UNREACHABLE` if nobody answers for as long as there is patience,
   * `CLI_REFUSED` if the answer is another status
   */
  async text(path: string, ask: Ask = {}): Promise<string> {
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

  async #once(path: string, { method = "GET", body, type }: Ask): Promise<Attempt> {
    const headers: Record<string, string> = {
      accept: "application/json",
      authorization: `Bearer ${this.#options.key}`,
    }
    if (type !== undefined) headers["content-type"] = type
    try {
      const response = await fetch(this.#prefix + path, {
        method,
        headers,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body === undefined ? {} : { body }),
      })
      const { ok, status } = response
      // An answer that breaks off is no answer, so its body is part of the attempt.
      const answer = { ok, status, body: await response.text() }
      const mayPass = MAY_PASS.has(status)
      const retryAfterMs = mayPass ? retryAfter(response) : undefined
      return { answer, mayPass, why: `the server is busy (${status})`, retryAfterMs }
    } catch (cause) {
      return { mayPass: true, why: `${this.#prefix} does not answer (${reasonOf(cause)})`, cause }
    }
  }

  #failure(path: string, { answer, why, cause }: Attempt): CliError {
    if (answer === undefined) return new CliError("CLI_UNREACHABLE", why, { cause })
    const said = problemText(answer.body)
    return new CliError("CLI_REFUSED", `${this.#name(path)} answered ${answer.status}${said}`)
  }

  /** For messages: a query may have a thousand leaves in it. */
  #name(path: string): string {
    return this.#prefix + path.replace(/\?.*/, "")
  }
}

/** Too many requests; and what a server that starts again, or a proxy before it, answers meanwhile. */
const MAY_PASS: ReadonlySet<number> = new Set([429, 502, 503, 504])

interface Attempt {
  /** Nothing if there was none, or not the whole of it. */
  readonly answer?: { readonly ok: boolean; readonly status: number; readonly body: string }
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

/** problem+json → ": the key is unknown (SERVER_UNKNOWN_KEY)" */
function problemText(body: string): string {
  try {
    const { title, detail, code } = JSON.parse(body) as Record<string, unknown>
    const words = typeof detail === "string" ? detail : title
    return `${typeof words === "string" ? `: ${words}` : ""}${typeof code === "string" ? ` (${code})` : ""}`
  } catch {
    return ""
  }
}
