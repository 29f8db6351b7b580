/** The file that values are of: its name, and which offset is which line. Pure. */

import type { LineCounter } from "yaml"
import { type FilePlace, SettingsError } from "./error.js"

export class YamlFile {
  readonly #name: string
  readonly #lines: LineCounter

  /** @param lines - may still be counted */
  constructor(name: string, lines: LineCounter) {
    this.#name = name
    this.#lines = lines
  }

  /** @param offset - in UTF-16 units, from 0 */
  placeAt(offset: number): FilePlace {
    const { line, col } = this.#lines.linePos(offset)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }

  refuse(offset: number, problem: string, cause?: unknown): SettingsError {
    return new SettingsError(this.#name, this.placeAt(offset), problem, { cause })
  }
}
