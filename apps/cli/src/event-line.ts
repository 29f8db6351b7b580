/**
 * An event as one line: when, who, what, how it went, from where.
 *
 *     2023-10-21T15:32:00.000000Z  U12345  document.read  /secure-data  denied  192.168.1.10
 *
 * Pure.
 */

import { escapeText } from "@prooflog/verifier/report"
import type { Paint } from "./terminal.js"

const COLOURS = { success: "green", failure: "yellow", denied: "red", error: "red" } as const

/** @param event - a flat event, suspect */
export function eventLine(event: Readonly<Record<string, unknown>>, paint: Paint): string {
  const text = (name: string) => {
    const value = event[name]
    return value === undefined || value === null
      ? "-"
      : escapeText(typeof value === "string" ? value : JSON.stringify(value))
  }
  const result = text("result")
  const colour = COLOURS[result as keyof typeof COLOURS] ?? "dim"
  return [
    paint("dim", text("timestamp")),
    text("user_id"),
    paint("bold", text("action")),
    text("resource_accessed"),
    paint(colour, result),
    text("ip_address"),
  ].join("  ")
}
