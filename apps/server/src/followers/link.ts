/**
 * Questions and answers between a parent and its child, over Node's IPC.
 *
 *     ask ──{ask: 7, name, value}──►  handler(value, signal)
 *         ──{cancel: 7}────────────►     └─ signal
 *         ◄─{answer: 7, value}─────        or {answer: 7, error}: an error as plain data
 *     tell ─{tell: name, value}────►  handler(value)              nobody waits
 *
 * Both sides are the same. What one side can be asked is an interface of functions of one argument; the other side
 * calls them by name. Values are what structured clone carries. There is no back pressure here: whoever has much to
 * give is asked for it page by page.
 */

import type { ChildProcess } from "node:child_process"
import { type FarError, farError, nearError } from "./far-error.js"

/** What one side can be asked, by name. */
export type Calls<C> = { readonly [N in keyof C]: (value: never) => unknown }

export type Handlers<C extends Calls<C>> = {
  readonly [N in keyof C]: (
    value: Parameters<C[N]>[0],
    signal: AbortSignal,
  ) => ReturnType<C[N]> | Promise<ReturnType<C[N]>>
}

export interface Link<C extends Calls<C>> {
  /**
   * Asks the other side.
   *
   * @param signal - lets the other side know that the answer is no longer wanted; the answer, whatever it is, is
   * waited for all the same
   * @throws what the handler threw, as {@link nearError} makes it again; {@link Gone} if the other side went away
   */
  ask<N extends keyof C & string>(
    name: N,
    value: Parameters<C[N]>[0],
    signal?: AbortSignal,
  ): Promise<ReturnType<C[N]>>
  /** Tells the other side, if it is still there. `sent` is called when nothing of it is left in this process. */
  tell<N extends keyof C & string>(name: N, value: Parameters<C[N]>[0], sent?: () => void): void
}

/** The other side went away before it answered. */
export class Gone extends Error {
  override readonly name = "Gone"
}

/** A pipe to the other side. */
export interface Channel {
  /** @throws if the message cannot be cloned */
  send(message: unknown, sent: (error: Error | null) => void): void
  onMessage(listener: (message: unknown) => void): void
  onEnd(listener: () => void): void
}

interface Answered {
  readonly answer: number
  readonly value?: unknown
  readonly error?: FarError
}

type Message =
  | { readonly ask: number; readonly name: string; readonly value: unknown }
  | { readonly cancel: number }
  | Answered
  | { readonly tell: string; readonly value: unknown }

interface Pending {
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/** A handler as it is called: its types were checked where it was written. */
type Handler = (value: unknown, signal: AbortSignal) => unknown

/**
 * @param handlers - what this side answers
 * @param onFault - is told what a handler threw that was told something, or was not ours to be asked
 */
export function openLink<Ours extends Calls<Ours>, Theirs extends Calls<Theirs>>(
  channel: Channel,
  handlers: Handlers<Ours>,
  onFault: (error: unknown) => void,
): Link<Theirs> {
  const pending = new Map<number, Pending>()
  /** What the other side asked and was not answered yet. */
  const asked = new Map<number, AbortController>()
  let lastId = 0
  let ended = false

  function handlerOf(name: string): Handler {
    if (Object.hasOwn(handlers, name)) return handlers[name as keyof typeof handlers] as unknown as Handler
    throw new Error(`bug: nobody answers ${JSON.stringify(name)} here`)
  }

  async function answer(id: number, name: string, value: unknown): Promise<void> {
    const controller = new AbortController()
    asked.set(id, controller)
    let message: Message
    try {
      message = { answer: id, value: await handlerOf(name)(value, controller.signal) }
    } catch (error) {
      message = { answer: id, error: farError(error) }
    }
    asked.delete(id)
    try {
      send(message)
    } catch (error) {
      // What cannot be cloned; its error can.
      send({ answer: id, error: farError(error) })
    }
  }

  function settle({ answer: id, value, error }: Answered): void {
    const waiting = pending.get(id)
    pending.delete(id)
    if (error === undefined) waiting?.resolve(value as never)
    else waiting?.reject(nearError(error))
  }

  async function hear(name: string, value: unknown): Promise<void> {
    try {
      await handlerOf(name)(value, new AbortController().signal)
    } catch (error) {
      onFault(error)
    }
  }

  function send(message: Message, sent: (error: Error | null) => void = () => {}): void {
    // A pipe that breaks says so twice: to this callback, and by its end, which fails everything that waits.
    if (!ended) channel.send(message, sent)
  }

  channel.onMessage((received) => {
    const message = received as Message
    if ("answer" in message) settle(message)
    else if ("ask" in message) void answer(message.ask, message.name, message.value)
    else if ("cancel" in message) asked.get(message.cancel)?.abort()
    else void hear(message.tell, message.value)
  })
  channel.onEnd(() => {
    ended = true
    for (const { reject } of pending.values()) reject(new Gone("the other process went away"))
    pending.clear()
    for (const controller of asked.values()) controller.abort()
  })

  return {
    ask(name, value, signal) {
      return new Promise((resolve, reject) => {
        if (ended) throw new Gone("the other process is gone")
        const id = ++lastId
        send({ ask: id, name, value })
        const cancel = () => send({ cancel: id })
        const settled =
          <T>(settle: (value: T) => void) =>
          (value: T) => {
            signal?.removeEventListener("abort", cancel)
            settle(value)
          }
        pending.set(id, { resolve: settled(resolve), reject: settled(reject) })
        if (signal?.aborted) cancel()
        else signal?.addEventListener("abort", cancel)
      })
    },
    tell(name, value, sent = () => {}) {
      if (ended) sent()
      else send({ tell: name, value }, sent)
    },
  }
}

/** The pipe between a process and the child it forked, from either end. */
export function channelTo(other: ChildProcess | NodeJS.Process): Channel {
  return {
    send: (message, sent) => void other.send?.(message as object, undefined, {}, sent),
    onMessage: (listener) => void other.on("message", listener),
    onEnd: (listener) => void other.once("disconnect", listener),
  }
}
