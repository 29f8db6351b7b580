/**
 * Rows on their way to DuckDB, laid out as its vectors are.
 *
 *     text of ≤ 12 bytes    [ length │ bytes, then zeros         ]     16 bytes a row
 *     longer                [ length │ first 4 │ address         ] ──┐
 *     heap                  … all longer texts of the chunk … ◄──────┘
 *     number                [ int32, int64 or double ]                 validity: one bit a row
 *
 * Through the client's setters each text of each row crosses into native code on its own, which takes half of all
 * the time of the projection. Here a column is copied over as a whole. The heap goes over as one text of a column
 * whose places are written afterwards: DuckDB owns its memory for as long as it owns the chunk.
 *
 * The layout is that of `duckdb_string_t` and of flat vectors, as DuckDB's C interface publishes it, on
 * little-endian machines of 64 bits, which are all that DuckDB is built for.
 *
 * Owns the chunk it makes until it is asked for. Trusts its caller with the types of columns.
 */

import { DuckDBDataChunk, type DuckDBType, listValue, SQLNULL } from "@duckdb/node-api"
import duckdb from "@duckdb/node-bindings"

/** Rows in a chunk: DuckDB's vector size. */
export const CHUNK_ROWS = 2048

/** How the values of a column are laid out. A BLOB goes like a text; a list holds texts. */
export type Layout = "text" | "int32" | "int64" | "double" | "boolean" | "list"

const BYTES_A_ROW: Readonly<Record<Layout, number>> = {
  text: 16,
  int32: 4,
  int64: 8,
  double: 8,
  boolean: 1,
  list: 0,
}

/** Longest text that stands in its row. */
const INLINE_BYTES = 12

/** From here on native copying is faster than a loop. */
const LONG_COPY_BYTES = 96

const FIRST_HEAP_BYTES = 1 << 18
const TWO_32 = 2 ** 32

export class RowChunk {
  /** For each column: whether any chunk taken so far had a value in it. */
  readonly filled: boolean[]
  readonly #types: readonly DuckDBType[]
  readonly #columns: readonly Column[]
  #heap = new Uint8Array(FIRST_HEAP_BYTES)
  #heapEnd = 0
  #rows = 0

  /** @param columns - what DuckDB calls the type of each, and how its values are laid out */
  constructor(columns: readonly { readonly type: DuckDBType; readonly layout: Layout }[]) {
    this.#types = columns.map(({ type }) => type)
    this.#columns = columns.map(({ layout }) => new Column(layout))
    this.filled = columns.map(() => false)
  }

  get rows(): number {
    return this.#rows
  }

  /** Begins a row, all of it NULL. At most {@link CHUNK_ROWS} before {@link take}. */
  addRow(): void {
    this.#rows++
  }

  /** @param bytes - has the text, UTF-8, at `[start, end)` */
  setText(column: number, bytes: Uint8Array, start: number, end: number): void {
    const { words } = this.#column(column)
    const length = end - start
    const at = (this.#rows - 1) * 4
    words[at] = length
    if (length <= INLINE_BYTES) {
      words[at + 1] = wordAt(bytes, start, end)
      words[at + 2] = wordAt(bytes, start + 4, end)
      words[at + 3] = wordAt(bytes, start + 8, end)
      return
    }
    words[at + 1] = wordAt(bytes, start, end)
    words[at + 2] = this.#heapEnd
    this.#keep(bytes, start, length)
  }

  setInt32(column: number, value: number): void {
    const { words } = this.#column(column)
    words[this.#rows - 1] = value
  }

  /** @param value - a safe integer */
  setInt64(column: number, value: number): void {
    const { words } = this.#column(column)
    const at = (this.#rows - 1) * 2
    words[at] = value
    words[at + 1] = Math.floor(value / TWO_32)
  }

  setDouble(column: number, value: number): void {
    const { doubles } = this.#column(column)
    doubles[this.#rows - 1] = value
  }

  setBoolean(column: number, value: boolean): void {
    const { bytes } = this.#column(column)
    bytes[this.#rows - 1] = value ? 1 : 0
  }

  setList(column: number, texts: readonly string[]): void {
    this.#column(column).lists.set(this.#rows - 1, texts)
  }

  /**
   * Returns the rows as a chunk, and begins anew.
   *
   * Columns without a value go as columns of the type of NULL, which cost nothing.
   */
  take(): DuckDBDataChunk {
    const rows = this.#rows
    const types = this.#types.map((type, i) => ((this.#columns[i] as Column).isEmpty ? SQLNULL : type))
    const chunk = DuckDBDataChunk.create(types, rows)
    this.#place(chunk)
    for (const [i, column] of this.#columns.entries()) {
      if (column.isEmpty) continue
      this.filled[i] = true
      column.moveTo(chunk, i, rows)
    }
    this.#heapEnd = 0
    this.#rows = 0
    return chunk
  }

  /** The column, in which the row has a value now. */
  #column(index: number): Column {
    const column = this.#columns[index] as Column
    column.setValid(this.#rows - 1)
    return column
  }

  /** Gives the heap to the chunk, and the longer texts their addresses in it. */
  #place(chunk: DuckDBDataChunk): void {
    if (this.#heapEnd === 0) return
    // Behind all texts: a BLOB, if there is one, may hold any bytes.
    const holder = this.#columns.findLastIndex((column) => column.layout === "text" && !column.isEmpty)
    const vector = duckdb.data_chunk_get_vector(chunk.chunk, holder)
    duckdb.vector_assign_string_element_len(vector, 0, this.#heap.subarray(0, this.#heapEnd))
    const { buffer, byteOffset } = duckdb.vector_get_data(vector, 16)
    const [, , low = 0, high = 0] = new Uint32Array(buffer, byteOffset, 4)
    for (const column of this.#columns) if (column.layout === "text") column.place(this.#rows, low, high)
  }

  #keep(bytes: Uint8Array, start: number, length: number): void {
    const to = this.#heapEnd
    this.#heapEnd = to + length
    if (this.#heapEnd > this.#heap.length) {
      const larger = new Uint8Array(Math.max(2 * this.#heap.length, this.#heapEnd))
      larger.set(this.#heap.subarray(0, to))
      this.#heap = larger
    }
    const heap = this.#heap
    if (length < LONG_COPY_BYTES) for (let i = 0; i < length; i++) heap[to + i] = bytes[start + i] as number
    else heap.set(bytes.subarray(start, start + length), to)
  }
}

/** One column of the rows that wait. Views of the same bytes, as wide as its values. */
class Column {
  readonly layout: Layout
  readonly bytes: Uint8Array
  readonly words: Uint32Array
  readonly doubles: Float64Array
  /** Lists are rare: they go by the client's own way. */
  readonly lists = new Map<number, readonly string[]>()
  readonly #valid = new Uint32Array(CHUNK_ROWS / 32)
  isEmpty = true

  constructor(layout: Layout) {
    this.layout = layout
    const bytes = new ArrayBuffer(CHUNK_ROWS * BYTES_A_ROW[layout])
    this.bytes = new Uint8Array(bytes)
    this.words = new Uint32Array(bytes, 0, bytes.byteLength >> 2)
    this.doubles = new Float64Array(bytes, 0, bytes.byteLength >> 3)
  }

  setValid(row: number): void {
    this.isEmpty = false
    this.#valid[row >> 5] = (this.#valid[row >> 5] as number) | (1 << (row & 31))
  }

  /** Makes addresses of offsets, given the address of the heap. */
  place(rows: number, low: number, high: number): void {
    const { words } = this
    for (let row = 0; row < rows; row++) {
      if (!this.#isValid(row) || (words[row * 4] as number) <= INLINE_BYTES) continue
      const address = low + (words[row * 4 + 2] as number)
      words[row * 4 + 2] = address
      words[row * 4 + 3] = high + (address >= TWO_32 ? 1 : 0)
    }
  }

  /** Copies the values over, and forgets them. */
  moveTo(chunk: DuckDBDataChunk, index: number, rows: number): void {
    if (this.layout === "list") {
      const vector = chunk.getColumnVector(index)
      for (let row = 0; row < rows; row++) {
        const texts = this.lists.get(row)
        vector.setItem(row, texts === undefined ? null : listValue(texts))
      }
      vector.flush()
      this.lists.clear()
    } else {
      const vector = duckdb.data_chunk_get_vector(chunk.chunk, index)
      duckdb.copy_data_to_vector(
        vector,
        0,
        this.bytes.buffer as ArrayBuffer,
        0,
        rows * BYTES_A_ROW[this.layout],
      )
      duckdb.vector_ensure_validity_writable(vector)
      const valid = this.#valid.buffer as ArrayBuffer
      duckdb.copy_data_to_vector_validity(vector, 0, valid, 0, Math.ceil(rows / 64) * 8)
    }
    // What is NULL in the next rows is not to have an address of these.
    this.bytes.fill(0)
    this.#valid.fill(0)
    this.isEmpty = true
  }

  #isValid(row: number): boolean {
    return (((this.#valid[row >> 5] as number) >> (row & 31)) & 1) === 1
  }
}

/** Up to four bytes of a text as they stand in memory; zeros after its end. */
function wordAt(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 <= end) {
    return (
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    )
  }
  let word = 0
  for (let i = at; i < end; i++) word |= (bytes[i] as number) << ((i - at) * 8)
  return word
}
