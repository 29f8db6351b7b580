/**
 * Plain counts of what happened, read by `metrics`: adding one is all that a request pays.
 */
export class Tally {
  /** Events, by what became of them. */
  readonly events = { logged: 0, repeated: 0, unchecked: 0, refused: 0 }
  /** Requests answered, by status. */
  readonly answers = new Map<number, number>()

  countEvent(kind: keyof Tally["events"]): void {
    this.events[kind]++
  }

  countAnswer(status: number): void {
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1)
  }
}
