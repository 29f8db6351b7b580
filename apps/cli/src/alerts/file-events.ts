/**
 * Events of a file, as rules are tried on them: those that a log would take, in the order of their time.
 *
 * Effects: reads the file.
 */

import { type NormalEvent, normalizeEvent } from "@prooflog/event/event"
import { checkEvent } from "@prooflog/event/validate"
import type { ImportSource, Place, Problem } from "../import-source.js"
import { inTimeOrder } from "./in-time-order.js"
import { type TriedEvent, timeOf } from "./trial.js"

export class FileEvents {
  readonly #source: ImportSource
  /** Of the key that would send them. */
  readonly #keySource: string
  readonly #onReject: (place: Place, problem: Problem) => void
  /** Of each event, by its number. */
  readonly #places: Place[] = []

  constructor(source: ImportSource, keySource: string, onReject: (place: Place, problem: Problem) => void) {
    this.#source = source
    this.#keySource = keySource
    this.#onReject = onReject
  }

  /** Events that were read so far. */
  get count(): number {
    return this.#places.length
  }

  /** @throws RangeError if no key has such a source; {@link CliError} as `openImport` */
  read(): AsyncGenerator<readonly TriedEvent[], void, undefined> {
    return inTimeOrder(this.#checked())
  }

  placeOf(number: number): Place {
    return this.#places[number] ?? {}
  }

  async *#checked(): AsyncGenerator<readonly TriedEvent[], void, undefined> {
    for await (const items of this.#source.items) {
      const events: TriedEvent[] = []
      for (const item of items) {
        if ("problem" in item) {
          this.#onReject(item.place, item.problem)
          continue
        }
        const [problem] = checkEvent(item.event, Date.now())
        if (problem !== undefined) {
          this.#onReject(item.place, problem)
          continue
        }
        const number = this.#places.push(item.place) - 1
        const event: NormalEvent = normalizeEvent(item.event, {
          source: this.#keySource,
          source_key_id: "test",
          event_id: `test:${number}`,
        })
        events.push({ number, event, timeMs: timeOf(event) })
      }
      yield events
    }
  }
}

/** `access.log`, line 3 → `access.log:3`. @param path - of what was asked for, be it a folder */
export function placeText(path: string, { file, line, record }: Place): string {
  const where = file ?? path
  if (line !== undefined) return `${where}:${line}`
  return record === undefined ? where : `${where} record ${record}`
}
