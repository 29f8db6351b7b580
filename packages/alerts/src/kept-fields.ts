/**
 * Reads a kept row, field by field, in the order in which it was written.
 *
 *     '[17,1700000000000,[3,9]]'  ─►  whole() 17   whole() 1700000000000   wholes() [3, 9]   end()
 *
 * Pure. What was kept is suspect: disks rot, and versions change.
 */

/** @throws RangeError, in all its methods, if the row has another form */
export class KeptFields {
  readonly #fields: readonly unknown[]
  #next = 0

  constructor(text: string) {
    this.#fields = listIn(text)
  }

  /** Reads an integer ≥ 0 that is exact. */
  whole(): number {
    return wholeOf(this.#take())
  }

  /** Reads a finite number. */
  number(): number {
    return numberOf(this.#take())
  }

  text(): string {
    const value = this.#take()
    if (typeof value !== "string") throw notKept()
    return value
  }

  /** Reads a list of integers ≥ 0. */
  wholes(): number[] {
    return this.#list().map(wholeOf)
  }

  /** Reads a list of integers ≥ 0 that was written as distances from one: see {@link distancesFrom}. */
  wholesFrom(origin: number): number[] {
    return this.#list().map((distance) => wholeOf(origin - numberOf(distance)))
  }

  /** Reads a list of finite numbers. */
  numbers(): number[] {
    return this.#list().map(numberOf)
  }

  texts(): string[] {
    return this.#list().map((each) => {
      if (typeof each !== "string") throw notKept()
      return each
    })
  }

  /** Reads a list of lists of integers ≥ 0. */
  lists(): number[][] {
    return this.#list().map((each) => {
      if (!Array.isArray(each)) throw notKept()
      return each.map(wholeOf)
    })
  }

  /** Refuses a row that has more. */
  end(): void {
    if (this.#next !== this.#fields.length) throw notKept()
  }

  #list(): readonly unknown[] {
    const value = this.#take()
    if (!Array.isArray(value)) throw notKept()
    return value
  }

  #take(): unknown {
    const value = this.#fields[this.#next]
    this.#next++
    return value
  }
}

/** Returns numbers as distances from one that is near: they are shorter, and much quicker to write. */
export function distancesFrom(origin: number, numbers: readonly number[]): readonly number[] {
  const distances = new Array<number>(numbers.length)
  for (let at = 0; at < numbers.length; at++) distances[at] = origin - (numbers[at] as number)
  return distances
}

/** Returns the error for what is no row. What it held is not repeated: it names persons. */
export function notKept(): RangeError {
  return new RangeError("a kept row of an alert rule has another form")
}

/** JSON has no other numbers than finite ones. */
function numberOf(value: unknown): number {
  if (typeof value !== "number") throw notKept()
  return value
}

function wholeOf(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw notKept()
  return value
}

function listIn(text: string): readonly unknown[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw notKept()
  }
  if (!Array.isArray(value)) throw notKept()
  return value
}
