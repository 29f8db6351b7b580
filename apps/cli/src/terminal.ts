/**
 * Where the command's words go: data to stdout, everything else to stderr.
 *
 * Colours only where a terminal shows them; NO_COLOR and FORCE_COLOR are heard.
 */

import type { WriteStream } from "node:tty"
import { styleText } from "node:util"

export interface Terminal {
  /** Writes data, a line each. */
  print(text: string): void
  /** Writes a remark, a line each. */
  say(text: string): void
  /** For data on stdout. */
  readonly paint: Paint
  /** Whether remarks reach a terminal, so that a line may be drawn over. */
  readonly isLive: boolean
}

export type Style = Parameters<typeof styleText>[0]

/** Returns the text in a style, or as it stands where there are no colours. */
export type Paint = (style: Style, text: string) => string

export function openTerminal(): Terminal {
  const { stdout, stderr } = process
  return {
    print: (text) => void stdout.write(`${text}\n`),
    say: (text) => void stderr.write(`${text}\n`),
    paint: hasColours(stdout)
      ? (style, text) => styleText(style, text, { validateStream: false })
      : (_, text) => text,
    isLive: stderr.isTTY === true,
  }
}

function hasColours(stream: WriteStream): boolean {
  if (process.env.FORCE_COLOR !== undefined) return process.env.FORCE_COLOR !== "0"
  return stream.isTTY === true && stream.hasColors()
}

/** 1234567 → "1,234,567", the same everywhere. */
export function count(n: number): string {
  return Math.round(n).toLocaleString("en-US")
}

/** 1 → "1 event", 2 → "2 events" */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`
}

/** 0.4 → "0.4 ms", 830 → "830 ms", 12_400 → "12.4 s", 125_000 → "2 min 5 s" */
export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}
