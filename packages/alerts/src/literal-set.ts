/**
 * Whether any of many texts stands in another, in one pass over it.
 *
 *     { "he", "she", "hers" }        state ── character ──► state
 *
 *     ushers     u ─ s ─ sh ─ she    "she" is there: found
 *
 * A state is the longest beginning of any of the texts that the text read so far ends with. Each character moves to
 * exactly one state, whatever the texts are.
 *
 * Spec: A. Aho, M. Corasick, "Efficient string matching", 1975.
 * Pure.
 */

/** Code units that have a column of the table by themselves. */
const ASCII = 128

/** Most UTF-16 units of all texts: the table has up to as many rows as columns. */
export const MAX_UNITS = 10_000

/**
 * Returns the test whether a text holds one of these.
 *
 * @param literals - none of them empty; at most {@link MAX_UNITS} units in all
 */
export function literalsTest(literals: readonly string[]): (text: string) => boolean {
  const { columns, width } = columnsOf(literals)
  const ascii = Uint16Array.from({ length: ASCII }, (_, unit) => columns.get(unit) ?? 0)
  const states = statesOf(literals)
  const { table, isFound } = tableOf(states, columns, width)
  const shortest = literals.reduce((least, { length }) => Math.min(least, length), Number.POSITIVE_INFINITY)
  return (text) => {
    if (text.length < shortest) return false
    let row = 0
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at)
      const column = unit < ASCII ? (ascii[unit] as number) : (columns.get(unit) ?? 0)
      row = table[row + column] as number
      if (isFound[row] === 1) return true
    }
    return false
  }
}

interface State {
  readonly next: Map<number, State>
  readonly number: number
  isFound: boolean
  /** The longest other state that it ends with. */
  shorter: State | undefined
}

/** One column for each unit that occurs; column 0 is for all others. */
function columnsOf(literals: readonly string[]) {
  const columns = new Map<number, number>()
  for (const literal of literals) {
    for (let at = 0; at < literal.length; at++) {
      const unit = literal.charCodeAt(at)
      if (!columns.has(unit)) columns.set(unit, columns.size + 1)
    }
  }
  return { columns, width: columns.size + 1 }
}

/** Returns all states, those with fewer characters first. */
function statesOf(literals: readonly string[]): readonly State[] {
  const root: State = { next: new Map(), number: 0, isFound: false, shorter: undefined }
  let count = 1
  for (const literal of literals) {
    let state = root
    for (let at = 0; at < literal.length; at++) {
      const unit = literal.charCodeAt(at)
      const known = state.next.get(unit)
      const next = known ?? { next: new Map(), number: count++, isFound: false, shorter: root }
      if (known === undefined) state.next.set(unit, next)
      state = next
    }
    state.isFound = true
  }
  const states = [root]
  for (let at = 0; at < states.length; at++) {
    const state = states[at] as State
    for (const [unit, next] of state.next) {
      if (state !== root) next.shorter = stepFrom(state.shorter as State, unit, root)
      next.isFound ||= next.shorter?.isFound === true
      states.push(next)
    }
  }
  return states
}

function stepFrom(from: State, unit: number, root: State): State {
  let state: State | undefined = from
  while (state !== undefined) {
    const next = state.next.get(unit)
    if (next !== undefined) return next
    state = state.shorter
  }
  return root
}

/** A row for each state, which holds where the row of the next one begins; and where rows begin that are ends. */
function tableOf(states: readonly State[], columns: ReadonlyMap<number, number>, width: number) {
  const table = new Int32Array(states.length * width)
  const isFound = new Uint8Array(table.length)
  for (const { next, number, isFound: found, shorter } of states) {
    const row = number * width
    isFound[row] = found ? 1 : 0
    // What no longer state goes on with goes on as the shorter one, whose row is complete.
    if (shorter !== undefined) table.copyWithin(row, shorter.number * width, (shorter.number + 1) * width)
    for (const [unit, state] of next) table[row + (columns.get(unit) as number)] = state.number * width
  }
  return { table, isFound }
}
