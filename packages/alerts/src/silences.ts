/**
 * Silences: alerts that nobody is to be told of for a while.
 *
 * A silence mutes what its matchers all match, from its start until just before its end. It stays known for
 * {@link KEPT_MS} after that. Pure.
 */

import type { Alert } from "./alert.js"
import { AlertsError } from "./error.js"
import { type Matcher, matchAll, matchedLabels, parseMatcher } from "./matchers.js"

export interface Silence {
  /** Unlike that of any other. */
  readonly id: string
  /** At least one. */
  readonly matchers: readonly Matcher[]
  /** ms since 1970. */
  readonly startsMs: number
  readonly endsMs: number
  /** Id of an API key. */
  readonly by: string
  /** Suspect. */
  readonly why: string
}

/** Most silences, over or not. */
export const MAX_SILENCES = 1_000

/** How long one that is over stays known. */
export const KEPT_MS = 5 * 86_400_000

export function isInForce(
  { startsMs, endsMs }: Pick<Silence, "startsMs" | "endsMs">,
  nowMs: number,
): boolean {
  return startsMs <= nowMs && nowMs < endsMs
}

/** Knows the silences, and says which of them mute an alert. */
export class Silences {
  readonly #silences = new Map<string, Silence>()
  readonly #changed: (id: string) => void

  /** @param changed - is told of each that is added, ended or gone, by its id */
  constructor(changed: (id: string) => void) {
    this.#changed = changed
  }

  get size(): number {
    return this.#silences.size
  }

  all(): Iterable<Silence> {
    return this.#silences.values()
  }

  get(id: string): Silence | undefined {
    return this.#silences.get(id)
  }

  /** Puts a kept one back. */
  restore(silence: Silence): void {
    this.#silences.set(silence.id, silence)
  }

  /**
   * Adds a silence, or puts it in the place of the one with the same id.
   *
   * @returns whether there was room
   */
  add(silence: Silence): boolean {
    if (!this.#silences.has(silence.id) && this.#silences.size >= MAX_SILENCES) return false
    this.#silences.set(silence.id, silence)
    this.#changed(silence.id)
    return true
  }

  /** @returns as it is now; `undefined` if there is none of this id that is not over */
  end(id: string, nowMs: number): Silence | undefined {
    const silence = this.#silences.get(id)
    if (silence === undefined || silence.endsMs <= nowMs) return undefined
    const ended = { ...silence, startsMs: Math.min(silence.startsMs, nowMs), endsMs: nowMs }
    this.add(ended)
    return ended
  }

  removeIf(isToGo: (silence: Silence) => boolean): void {
    for (const silence of [...this.#silences.values()]) {
      if (!isToGo(silence)) continue
      this.#silences.delete(silence.id)
      this.#changed(silence.id)
    }
  }

  /** Returns those that mute an alert. */
  muting(alert: Pick<Alert, "labels" | "rule" | "severity">, nowMs: number): readonly Silence[] {
    if (this.#silences.size === 0) return []
    const labels = matchedLabels(alert)
    return [...this.#silences.values()].filter(
      (silence) => isInForce(silence, nowMs) && matchAll(silence.matchers, labels),
    )
  }
}

/** Returns what is kept of a silence. */
export function formatSilence({ matchers, ...rest }: Silence): string {
  return JSON.stringify({ ...rest, matchers: matchers.map(({ text }) => text) })
}

/** @throws {@link AlertsError} `ALERTS_BAD_STATE`; SyntaxError if it is no JSON */
export function parseSilence(text: string): Silence {
  const kept = JSON.parse(text) as Omit<Silence, "matchers"> & { readonly matchers: readonly string[] }
  if (typeof kept?.id !== "string" || !Array.isArray(kept.matchers) || kept.matchers.length === 0) {
    throw new AlertsError("ALERTS_BAD_STATE", "a kept silence is none")
  }
  try {
    return { ...kept, matchers: kept.matchers.map(parseMatcher) }
  } catch (cause) {
    if (!(cause instanceof AlertsError)) throw cause
    throw new AlertsError("ALERTS_BAD_STATE", "a kept silence has a matcher that is none", { cause })
  }
}
