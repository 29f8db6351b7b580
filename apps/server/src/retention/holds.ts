/**
 * Holds: nothing under one of them is destroyed, by any path.
 *
 *     place     kept, in force from here on ─► notice ─► event ─► answered
 *     release   kept as wanted ─► notice, lifted from here on ─► event ─► answered
 *
 * If we crash on the way, the next start goes on from what was kept: a hold that was kept holds, and one whose end was
 * not announced holds on.
 *
 * Whoever destroys asks `heldAmong` and destroys within {@link Holds.whileTheyStay}: a hold is answered before, and is
 * seen, or is placed after. If one hold cannot be asked, nothing at all is known to be free, and nothing is destroyed.
 */

import { NOTICE_KINDS } from "@prooflog/event/entry"
import { encodeHex } from "@prooflog/tlog/base64"
import { ServerError } from "../error.js"
import { timeText } from "../time-text.js"
import { Turns } from "../turns.js"
import { type Hold, type HoldAct, type HoldScope, isInForce, mentions, withoutWords } from "./hold-file.js"
import type { Announce } from "./notices.js"

export type HoldAction = "log.hold.place" | "log.hold.release"

/** What holds do to the world. */
export interface HoldPorts {
  read(): Promise<readonly Hold[]>
  /** Durable when it resolves. */
  write(holds: readonly Hold[]): Promise<void>
  /** 16 fresh hex digits. */
  newId(): string
  /** Makes the record that a notice commits to: who ordered it, what, why. */
  seal(
    action: HoldAction,
    said: HoldOrder & { readonly id: string },
  ): {
    readonly record: Uint8Array
    readonly commitment: Uint8Array
  }
  /** Leaves there are. */
  treeSize(): number
  readonly announce: Announce
  /** Logs that it was done, once however often it is said. Returns the leaf. */
  say(action: HoldAction, id: string, act: HoldAct): Promise<number>
  /**
   * Those of some leaves that a predicate takes.
   *
   * @throws if that cannot be told of each of them
   */
  taken(scope: HoldScope, leaves: readonly number[]): Promise<readonly number[]>
}

/** An order to hold, or to hold no longer. */
export interface HoldOrder {
  readonly scope?: HoldScope
  readonly why: string
  /** Id of the API key. */
  readonly by: string
  readonly timeMs: number
}

export class Holds {
  readonly #ports: HoldPorts
  readonly #turns = new Turns(1)
  #holds: readonly Hold[]

  private constructor(ports: HoldPorts, holds: readonly Hold[]) {
    this.#ports = ports
    this.#holds = holds
  }

  static async open(ports: HoldPorts): Promise<Holds> {
    return new Holds(ports, await ports.read())
  }

  /** Every hold there ever was, in the order of their placing. */
  get all(): readonly Hold[] {
    return this.#holds
  }

  /** @throws {@link ServerError} `SERVER_NOT_FOUND` */
  get(id: string): Hold {
    const hold = this.#holds.find((each) => each.id === id)
    if (hold === undefined) throw new ServerError("SERVER_NOT_FOUND", "no such hold")
    return hold
  }

  /** Resolves when it is announced and logged; it is in force before that. */
  place(order: HoldOrder & { readonly scope: HoldScope }): Promise<Hold> {
    return this.#turns.take(async () => {
      const id = `hold_${this.#ports.newId()}`
      const { scope, why } = order
      const placed = this.#act("log.hold.place", id, order)
      await this.#keep([...this.#holds, { id, scope, why, placed }])
      return this.#finish(this.get(id))
    })
  }

  /** Lifts a hold; one that is lifted already stays as it is. @throws {@link ServerError} `SERVER_NOT_FOUND` */
  release(id: string, order: HoldOrder): Promise<Hold> {
    return this.#turns.take(async () => {
      const hold = this.get(id)
      if (hold.released !== undefined) return this.#finish(hold)
      const released = { ...this.#act("log.hold.release", id, order), why: order.why }
      await this.#replace({ ...hold, released })
      return this.#finish(this.get(id))
    })
  }

  /** Goes on with what a crash, or a full disk, has left half done. */
  settle(): Promise<void> {
    return this.#turns.take(async () => {
      for (const hold of this.#holds) await this.#finish(hold)
    })
  }

  /**
   * Returns, of some leaves, those that are held, and by which holds.
   *
   * @throws {@link ServerError} `SERVER_HOLD_UNDECIDED` if any hold cannot be asked
   */
  async heldAmong(leaves: readonly number[]): Promise<ReadonlyMap<number, readonly string[]>> {
    const held = new Map<number, string[]>()
    if (leaves.length === 0) return held
    for (const hold of this.#holds) {
      if (!isInForce(hold)) continue
      for (const leaf of await this.#taken(hold, leaves)) {
        held.set(leaf, [...(held.get(leaf) ?? []), hold.id])
      }
    }
    return held
  }

  /** Does something while no hold is placed and none lifted. Must not place or lift one itself. */
  whileTheyStay<T>(task: () => Promise<T>): Promise<T> {
    return this.#turns.take(task)
  }

  /** Drops what lifted holds say: those that quote one of `texts`, and those with one of `ids`. */
  forget(texts: readonly string[], ids: readonly string[]): Promise<void> {
    return this.#turns.take(async () => {
      const forgets = (hold: Hold) =>
        !isInForce(hold) && hold.scope !== undefined && (ids.includes(hold.id) || mentions(hold, texts))
      if (!this.#holds.some(forgets)) return
      await this.#keep(this.#holds.map((hold) => (forgets(hold) ? withoutWords(hold) : hold)))
    })
  }

  async #taken({ id, scope }: Hold, leaves: readonly number[]): Promise<readonly number[]> {
    try {
      if (scope === undefined) throw new Error("bug: a hold in force does not say what it holds")
      return await this.#ports.taken(scope, leaves)
    } catch (cause) {
      const message = `${id} cannot be asked what it holds: nothing is destroyed`
      throw new ServerError("SERVER_HOLD_UNDECIDED", message, { cause })
    }
  }

  #act(action: HoldAction, id: string, order: HoldOrder): HoldAct {
    const { record, commitment } = this.#ports.seal(action, { ...order, id })
    const kind = action === "log.hold.place" ? NOTICE_KINDS.holdPlaced : NOTICE_KINDS.holdLifted
    return {
      at: timeText(order.timeMs),
      by: order.by,
      record: Buffer.from(record).toString("base64"),
      notice: { kind, count: 0, root: encodeHex(commitment), from: this.#ports.treeSize() },
    }
  }

  /** Announces and logs what of a hold is not yet. */
  async #finish(hold: Hold): Promise<Hold> {
    let now = hold
    const acts = [
      ["placed", "log.hold.place"],
      ["released", "log.hold.release"],
    ] as const
    for (const [name, action] of acts) {
      const act = now[name]
      if (act !== undefined && act.notice.leaf === undefined) {
        const leaf = await this.#ports.announce(act.notice)
        now = { ...now, [name]: { ...act, notice: { ...act.notice, leaf } } }
        await this.#replace(now)
      }
      const announced = now[name]
      if (announced !== undefined && announced.event === undefined) {
        const event = await this.#ports.say(action, now.id, announced)
        now = { ...now, [name]: { ...announced, event } }
        await this.#replace(now)
      }
    }
    return now
  }

  #replace(hold: Hold): Promise<void> {
    return this.#keep(this.#holds.map((each) => (each.id === hold.id ? hold : each)))
  }

  /** A hold that may not have been kept holds all the same: so it is known here before it is written. */
  async #keep(holds: readonly Hold[]): Promise<void> {
    const before = this.#holds
    this.#holds = holds
    try {
      await this.#ports.write(holds)
    } catch (error) {
      // Of a lifting that was not kept, or a wording, the one before is true.
      if (holds.length === before.length) this.#holds = before
      throw error
    }
  }
}
