/**
 * How far along a long verb is: a bar where it can be redrawn, else a line every few seconds.
 *
 *     import  [████████████░░░░░░░░░░░░] 51 %  105,000 events  34,200/s  3 s left
 */

import { type Options, SingleBar } from "cli-progress"
import { count, type Terminal } from "./terminal.js"

const REDRAW_MS = 100
const LINE_MS = 3000
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const

export interface Progress {
  /**
   * @param share - of the whole, 0 … 1, never less than before
   * @param done - things done so far, for the rate
   */
  update(share: number, done: number): void
  /** Says in the line itself what is waited for, until the next update. */
  waits(why: string): void
  /** Says a remark above the bar. */
  say(text: string): void
  /** Takes the bar away; what was learned is printed by the verb. */
  stop(): void
}

/**
 * @param what - the verb, a word
 * @param unit - what is counted, in the plural
 */
export function startProgress(terminal: Terminal, what: string, unit: string): Progress {
  const started = performance.now()
  const line = (share: number, done: number) => {
    const elapsed = performance.now() - started
    const left = share > 0.001 ? timeLeft((elapsed / share) * (1 - share)) : "?"
    return `${Math.floor(share * 100)} %  ${count(done)} ${unit}  ${count((done / elapsed) * 1000)}/s  ${left} left`
  }
  return terminal.isLive ? startBar(terminal, what, line) : startLines(terminal, what, line)
}

/** Whole seconds: what is left is never known better. */
function timeLeft(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

type Line = (share: number, done: number) => string

const CLEAR_LINE = "\r\u001b[K"

function startBar(terminal: Terminal, what: string, line: Line): Progress {
  const options: Options = {
    format: `${what}  [{bar}] {line}`,
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    // After a remark the same bar must be drawn again.
    forceRedraw: true,
    fps: 1000 / REDRAW_MS,
    stream: process.stderr,
  }
  const bar = new SingleBar(options)
  bar.start(1000, 0, { line: line(0, 0) })
  // A signal ends the process as it would have, but not before the cursor is back.
  const interrupted = (signal: NodeJS.Signals) => {
    stop()
    process.kill(process.pid, signal)
  }
  const stop = () => {
    bar.stop()
    for (const signal of SIGNALS) process.off(signal, interrupted)
  }
  for (const signal of SIGNALS) process.on(signal, interrupted)
  return {
    update: (share, done) => bar.update(Math.floor(share * 1000), { line: line(share, done) }),
    waits: (why) => bar.update({ line: `waits: ${why}` }),
    say: (text) => terminal.say(`${CLEAR_LINE}${text}`),
    stop,
  }
}

function startLines(terminal: Terminal, what: string, line: Line): Progress {
  let last = performance.now()
  let isWaiting = false
  const isEarly = () => performance.now() - last < LINE_MS
  const say = (text: string) => {
    last = performance.now()
    terminal.say(`${what}: ${text}`)
  }
  return {
    update(share, done) {
      isWaiting = false
      if (!isEarly()) say(line(share, done))
    },
    waits(why) {
      // The first is not kept back: without it nothing seems to happen.
      if (!isWaiting || !isEarly()) say(`waits: ${why}`)
      isWaiting = true
    },
    say: terminal.say,
    stop() {},
  }
}
