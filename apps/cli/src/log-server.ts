/**
 * A log's server, asked over HTTP.
 *
 * What it refuses is told in its own words (problem+json, RFC 9457); what may pass by
 * waiting is tried again: 429 and 503 after Retry-After, a lost network after a pause that grows.
 */

import { setTimeout as sleep } from "node:timers/promises"
import { CliError, wordsOf } from "./error.js"

export const DEFAULT_URL = "http://127.0.0.1:8080"

export interface LogServerOptions {
  /** The log's URL prefix. */
  readonly url: string
  readonly key?: string | undefined
  /** How long a request is tried again before it is given up; 0: one try. */
  readonly patienceMs?: number
  /** Told each time there is something to wait for. */
  readonly onWait?: (why: string) => void
}

export interface Ask {
  readonly method?: "GET" | "POST" | "DELETE"
  readonly body?: string | Uint8Array<ArrayBuffer>
  readonly type?: string
}

const FIRST_PAUSE_MS = 250
const MAX_PAUSE_MS = 10_000
const TIMEOUT_MS = 120_000

export class LogServer {
  readonly #options: LogServerOptions
  readonly #prefix: string

  /** @throws {@link CliError} `CLI_USAGE` if the URL is none of http or https */
  constructor(options: LogServerOptions) {
    this.#options = options
    this.#prefix = prefixOf(options.url)
  }

  get url(): string {
    return this.#prefix
  }

  /** @param path - below the prefix, such as `v1/log` */
  async json(path: string, ask: Ask = {}): Promise<unknown> {
    const response = await this.ask(path, ask)
    const text = await response.text()
    try {
      return text === "" ? undefined : JSON.parse(text)
    } catch (cause) {
      throw new CliError("CLI_UNEXPECTED_ANSWER", `${this.#prefix}${path} did not answer with JSON`, {
        cause,
      })
    }
  }

  async text(path: string, ask: Ask = {}): Promise<string> {
    return await (await this.ask(path, ask)).text()
  }

  /**
   * Asks until there is an answer of 2xx.
   *
   * @throws {@link CliError} `CLI_UNREACHABLE` if nobody answers for as long as there is patience,
   * `CLI_REFUSED` if the answer is another status
   */
  async ask(path: string, ask: Ask = {}): Promise<Response> {
    const started = performance.now()
    const patience = this.#options.patienceMs ?? 0
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(MAX_PAUSE_MS, pause * 2)) {
      const attempt = await this.#once(path, ask)
      if (attempt.response?.ok) return attempt.response
      const isOver = performance.now() - started >= patience
      if (!attempt.mayPass || isOver) throw await this.#failure(path, attempt)
      const waitMs = attempt.retryAfterMs ?? pause * (0.75 + Math.random() / 2)
      this.#options.onWait?.(`${attempt.why}; trying again in ${(waitMs / 1000).toFixed(1)} s`)
      await attempt.response?.body?.cancel()
      await sleep(waitMs)
    }
  }

  async #once(path: string, { method = "GET", body, type }: Ask): Promise<Attempt> {
    const headers: Record<string, string> = { accept: "application/json" }
    if (this.#options.key !== undefined) headers.authorization = `Bearer ${this.#options.key}`
    if (type !== undefined) headers["content-type"] = type
    try {
      const response = await fetch(this.#prefix + path, {
        method,
        headers,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body === undefined ? {} : { body }),
      })
      const mayPass = response.status === 429 || response.status === 503
      const retryAfterMs = mayPass ? retryAfter(response) : undefined
      return { response, mayPass, why: `the server is busy (${response.status})`, retryAfterMs }
    } catch (cause) {
      return { mayPass: true, why: `${this.#prefix} does not answer (${reasonOf(cause)})`, cause }
    }
  }

  async #failure(path: string, { response, why, cause }: Attempt): Promise<CliError> {
    if (response === undefined) return new CliError("CLI_UNREACHABLE", why, { cause })
    const said = problemText(await response.text().catch(() => ""))
    return new CliError("CLI_REFUSED", `${this.#prefix}${path} answered ${response.status}${said}`)
  }
}

interface Attempt {
  readonly response?: Response
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
  return /^\d{1,4}$/.test(header) ? Math.max(50, Number(header) * 1000) : 1000
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
