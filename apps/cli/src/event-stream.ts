/**
 * Events as they are logged, over server-sent events, across connections that are lost:
 *
 *     GET v1/tail   Last-Event-ID: 16     id: 17 ⏎ data: {…}     id: 18 ⏎ data: {…}   ╳
 *     GET v1/tail   Last-Event-ID: 18                                                   id: 19 ⏎ data: {…}
 *
 * An id is a leaf index, so nothing is missed and nothing comes twice. A stream without ids goes on with what comes.
 *
 * Effects: the network.
 */

import { setTimeout as sleep } from "node:timers/promises"
import { createParser, type EventSourceMessage } from "eventsource-parser"
import { CliError, wordsOf } from "./error.js"
import type { LogServer } from "./log-server.js"

const FIRST_PAUSE_MS = 250
const MAX_PAUSE_MS = 10_000

/** Longer than the server is ever silent: it says something every 15 s. */
const SILENCE_MS = 45_000

/** Of one message: an event has at most 64 KiB, and JSON may spell each byte in six. */
const MAX_MESSAGE = 1024 * 1024

export interface EventStreamOptions {
  /** Ends it. */
  readonly signal: AbortSignal
  /** The leaf to begin after; what has no ids begins with what comes. */
  readonly after?: string
  /** Told of each connection, before anything came over it. */
  readonly onOpen?: () => void
  /** Told when a connection is lost, and when there is one again. */
  readonly onLoss: (why: string) => void
  readonly onReturn: () => void
}

/**
 * Yields messages until the signal ends it.
 *
 * @param path - with its query
 * @throws {@link CliError} `CLI_UNREACHABLE` if there never was an answer; `CLI_REFUSED` if the server says no, and
 * would say so again
 */
export async function* eventStream(
  server: LogServer,
  path: string,
  { signal, after, onOpen, onLoss, onReturn }: EventStreamOptions,
): AsyncGenerator<EventSourceMessage, void, undefined> {
  let last = after
  let pause = FIRST_PAUSE_MS
  let hasAnswered = false
  for (;;) {
    try {
      for await (const message of connection(server, path, last, signal, () => {
        if (hasAnswered && pause > FIRST_PAUSE_MS) onReturn()
        hasAnswered = true
        onOpen?.()
      })) {
        pause = FIRST_PAUSE_MS
        last = message.id ?? last
        yield message
      }
      onLoss("the server ended the stream")
    } catch (error) {
      if (signal.aborted) return
      if (!hasAnswered || !mayPass(error)) throw error
      onLoss(wordsOf(error))
    }
    try {
      await sleep(pause * (0.75 + Math.random() / 2), undefined, { signal })
    } catch {
      return
    }
    pause = Math.min(MAX_PAUSE_MS, pause * 2)
  }
}

async function* connection(
  server: LogServer,
  path: string,
  last: string | undefined,
  signal: AbortSignal,
  onOpen: () => void,
): AsyncGenerator<EventSourceMessage, void, undefined> {
  const silence = new AbortController()
  const timer = setTimeout(
    () => silence.abort(new CliError("CLI_UNREACHABLE", "the server fell silent")),
    SILENCE_MS,
  )
  try {
    const headers = { accept: "text/event-stream", ...(last !== undefined && { "last-event-id": last }) }
    const response = await server.open(path, { headers }, AbortSignal.any([signal, silence.signal]))
    if (!/^text\/event-stream\b/.test(response.headers.get("content-type") ?? ""))
      throw new CliError(
        "CLI_UNEXPECTED_ANSWER",
        `${server.url}${path.replace(/\?.*/, "")} did not answer with a stream of events`,
      )
    onOpen()
    const messages: EventSourceMessage[] = []
    const parser = createParser({ onEvent: (message) => messages.push(message), maxBufferSize: MAX_MESSAGE })
    const decoder = new TextDecoder()
    for await (const chunk of response.body as ReadableStream<Uint8Array>) {
      timer.refresh()
      parser.feed(decoder.decode(chunk, { stream: true }))
      yield* messages.splice(0)
    }
  } finally {
    clearTimeout(timer)
  }
}

/** What a server that starts again answers meanwhile, and a network that is lost. */
function mayPass(error: unknown): boolean {
  if (!(error instanceof CliError)) return true
  if (error.code === "CLI_UNREACHABLE") return true
  return error.code === "CLI_REFUSED" && /answered (?:429|5\d\d)\b/.test(error.message)
}
