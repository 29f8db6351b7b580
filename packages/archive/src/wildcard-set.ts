/**
 * Many patterns held against a text at once, character by character.
 *
 * All patterns are one automaton. Its states are sets of places in patterns, made when a text first leads to them:
 *
 *     iam.*  i*r      start ─ i ─► {i·am.*, i·*r} ─ a ─► {ia·m.*, i·*r} ─ x ─► {i·*r} …
 *
 * So a text costs one step for each character, however many patterns there are, and ends early where nothing can
 * change any more. Texts come from anyone: the states that are remembered are bounded, and a text that leads to ever
 * new ones costs at most length of all patterns × length of text.
 *
 * Matches what `matchesWildcard` matches. Pure: no I/O. It remembers states, nothing of a text.
 */

const STAR = 0x2a
const QUESTION_MARK = 0x3f

/** Behind each pattern. No character. */
const END = -1

/** The class of all characters that stand in no pattern. */
const OTHER = 0

/** States remembered before all are forgotten, unless set. */
const MAX_STATES = 4_096

/** A step that nobody needed yet. */
const UNKNOWN = -1

export class WildcardSet<T> {
  /** All patterns, one behind another, each with its end. */
  readonly #codes: readonly number[]
  /** By place in `#codes`: the index of its pattern. */
  readonly #owners: readonly number[]
  /** The place of each pattern's first character. */
  readonly #starts: readonly number[]
  readonly #found: (patterns: readonly number[]) => T
  readonly #maxStates: number

  /** Classes of characters: those below 128, and the others that stand in a pattern. */
  readonly #ascii = new Uint16Array(128)
  readonly #others = new Map<number, number>()
  /** By class: the one character that it holds; of {@link OTHER}, none. */
  readonly #characters: number[] = [Number.NaN]

  // By state, of which 0 is the start: places in patterns, the answer if the text ends here, and for each class of
  // character twice the next state, plus 1 if every further character stays there.
  #places: (readonly number[])[] = []
  #answers: T[] = []
  #steps = new Int32Array(0)
  #known = new Map<string, number>()

  /**
   * @param patterns - well-formed
   * @param found - makes the answer from the indices of the patterns that match. Called once for each state that is
   * made
   * @param maxStates - at least 1
   */
  constructor(
    patterns: readonly string[],
    found: (patterns: readonly number[]) => T,
    maxStates: number = MAX_STATES,
  ) {
    const codes: number[] = []
    const owners: number[] = []
    const starts: number[] = []
    patterns.forEach((pattern, owner) => {
      starts.push(codes.length)
      for (const character of pattern) codes.push(character.codePointAt(0) as number)
      codes.push(END)
      while (owners.length < codes.length) owners.push(owner)
    })
    this.#codes = codes
    this.#owners = owners
    this.#starts = starts
    this.#found = found
    this.#maxStates = maxStates
    for (const code of codes) this.#giveClass(code)
    this.#forget()
  }

  /** Returns the answer for the patterns that match the whole of a text. */
  match(text: string): T {
    const width = this.#characters.length
    const ascii = this.#ascii
    let steps = this.#steps
    let state = 0
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      let characterClass: number
      if (code < 128) characterClass = ascii[code] as number
      else {
        const codePoint = text.codePointAt(i) as number
        if (codePoint > 0xffff) i++
        characterClass = this.#others.get(codePoint) ?? OTHER
      }
      let step = steps[state * width + characterClass] as number
      if (step === UNKNOWN) {
        step = this.#makeStep(state, characterClass)
        steps = this.#steps
      }
      state = step >> 1
      if ((step & 1) === 1) break
    }
    return this.#answers[state] as T
  }

  #giveClass(code: number): void {
    if (code === STAR || code === QUESTION_MARK || code === END) return
    const known = code < 128 ? this.#ascii[code] : this.#others.get(code)
    if (known !== undefined && known !== OTHER) return
    const characterClass = this.#characters.push(code) - 1
    if (code < 128) this.#ascii[code] = characterClass
    else this.#others.set(code, characterClass)
  }

  #makeStep(state: number, characterClass: number): number {
    const character = this.#characters[characterClass]
    const reached: number[] = []
    for (const place of this.#places[state] as readonly number[]) {
      const code = this.#codes[place]
      if (code === STAR) reached.push(place)
      else if (code === QUESTION_MARK || code === character) reached.push(place + 1)
    }
    const places = this.#passStars(reached)
    let next = this.#known.get(places.join())
    const forgets = next === undefined && this.#places.length >= this.#maxStates
    if (forgets) this.#forget()
    next ??= this.#remember(places)
    const step = 2 * next + (places.every((place) => this.#staysAt(place)) ? 1 : 0)
    // A state that is forgotten has no steps to remember: its number is another one's now.
    if (!forgets) this.#steps[state * this.#characters.length + characterClass] = step
    return step
  }

  /** Forgets all states but the start. */
  #forget(): void {
    this.#places = []
    this.#answers = []
    this.#steps = new Int32Array(0)
    this.#known = new Map()
    this.#remember(this.#passStars(this.#starts))
  }

  #remember(places: readonly number[]): number {
    const ended = places.filter((place) => this.#codes[place] === END)
    const state = this.#places.push(places) - 1
    this.#answers.push(this.#found(ended.map((place) => this.#owners[place] as number)))
    this.#known.set(places.join(), state)
    const width = this.#characters.length
    if (this.#steps.length < (state + 1) * width) {
      const grown = new Int32Array(2 * (state + 1) * width).fill(UNKNOWN)
      grown.set(this.#steps)
      this.#steps = grown
    }
    return state
  }

  /** Adds the places behind stars: a star may match nothing. Ascending. */
  #passStars(reached: readonly number[]): readonly number[] {
    const places = new Set<number>()
    for (let place of reached) {
      places.add(place)
      while (this.#codes[place] === STAR) places.add(++place)
    }
    return [...places].sort((a, b) => a - b)
  }

  /** Whether a place is a star, or the end behind one. Where all are, every character leads to the same ones again. */
  #staysAt(place: number): boolean {
    return this.#codes[this.#codes[place] === END ? place - 1 : place] === STAR
  }
}
