/**
 * What the main of each child begins with: it never outlives its parent, however that ended, and dies of its own
 * faults with a word.
 *
 * A child ends itself by a signal. `exit` would wait for whatever runs in threads: for half a minute, measured, where
 * a question makes a text of three gigabytes.
 */

import type { Say } from "./say.js"

/** Ends this process, whatever runs in it. */
export function endNow(signal: NodeJS.Signals = "SIGKILL"): void {
  process.kill(process.pid, signal)
}

/** @param say - tells the parent, and calls `sent` when it is told */
export function liveAsChild(say: (...args: [...Parameters<Say>, sent: () => void]) => void): void {
  // A stop from a terminal reaches the whole group; it is the server that says when its children end.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {})
  process.once("disconnect", () => endNow())
  process.once("uncaughtException", (error) => {
    say("error", "bug: an error that nobody has caught", { name: error.name, at: placesOf(error) }, () =>
      endNow(),
    )
  })
}

/** Where an error was made. Not its message, which may quote what it is about. */
function placesOf({ stack = "" }: Error): string[] {
  return stack.split("\n").filter((line) => /^ {4}at /.test(line))
}
