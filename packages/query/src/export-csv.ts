/**
 * Rows as CSV that a spreadsheet may open.
 *
 *     leaf_index,user_id,tags,mfa
 *     17,U12345,"[""vip"",""eu""]",true
 *     18,'=HYPERLINK(...),,              an apostrophe before what would be a formula
 *
 * NULL is nothing, the empty text is `""`. Lists and objects are JSON text. A text that begins with
 * `=`, `+`, `-`, `@`, a tab or a line end would be run by spreadsheets: it gets an apostrophe. Numbers
 * stay numbers, `-5` also where it is written as text since it is too large for a double; whether a text is one, its
 * digits say, not its column. What some spreadsheets part cells by, as `;`, is in quotes.
 *
 * Spec: RFC 4180, with a header.
 * Pure.
 */

import { type Options, stringify } from "csv-stringify/sync"
import { type Encoder, NO_BYTES, type Row } from "./export-encoder.js"
import type { OutputColumn } from "./store.js"

const NUMERIC = /^(?:U?(?:TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|FLOAT|DECIMAL.*)$/

const NEGATIVE = /^-\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i

/** Returns the encoder of CSV. */
export function csvEncoder(columns: readonly OutputColumn[]): Encoder {
  const options = optionsFor(columns)
  const encoder = new TextEncoder()
  return {
    begin: () => encoder.encode(headText(columns, options)),
    encode: (rows) => encoder.encode(stringify(rows as Row[], options)),
    end: () => NO_BYTES,
  }
}

/** Returns an answer that is at hand as CSV, with its header. */
export function csvText(columns: readonly OutputColumn[], rows: readonly Row[]): string {
  const options = optionsFor(columns)
  return headText(columns, options) + stringify(rows as Row[], options)
}

function headText(columns: readonly OutputColumn[], options: Options): string {
  return stringify([], { ...options, header: true, columns: columns.map(headerOf) })
}

function optionsFor(columns: readonly OutputColumn[]): Options {
  const numeric = columns.map(({ type }) => NUMERIC.test(type))
  const json = columns.map(({ type }) => type === "JSON")
  return {
    record_delimiter: "\r\n",
    escape_formulas: true,
    // On its own it would look only for both line ends together, and a lone one would forge a row.
    quoted_match: [/^$/, /[\r\n;\t]/],
    cast: {
      boolean: String,
      object: (value) => JSON.stringify(value),
      string: (value, { index, header }) => {
        if (header) return defused(value)
        if (json[index]) return JSON.stringify(value)
        if (numeric[index] && NEGATIVE.test(value)) return { value, escape_formulas: false }
        return defused(value)
      },
    },
  }
}

/** A line feed at the start is one more that spreadsheets pass over to find a formula. */
function defused(text: string): string {
  return text.startsWith("\n") ? `'${text}` : text
}

function headerOf({ name }: OutputColumn, at: number): { key: string; header: string } {
  return { key: String(at), header: name }
}
