/**
 * Forgetting, after an erasure: which alerts, silences and notifications say something of a person, or stand on a record
 * that is destroyed.
 *
 * A text says something of a person if it has their name with no letter or digit on either side. What is found too much
 * is lost; what is found too little would be kept of someone who must be forgotten. Pure.
 */

import type { Alert } from "./alert.js"
import type { Notification } from "./notification.js"
import type { Silence } from "./silences.js"

export class Forgetting {
  readonly #names: readonly string[]
  readonly #leaves: ReadonlySet<number>

  /**
   * @param persons - as events name them
   * @param leaves - whose records are destroyed
   */
  constructor(persons: Iterable<string>, leaves: Iterable<number>) {
    this.#names = [...persons].filter((person) => person !== "")
    this.#leaves = new Set(leaves)
  }

  names(text: string): boolean {
    return this.#names.some((name) => hasWord(text, name))
  }

  isAbout({ labels, details, leaves, acknowledged }: Alert): boolean {
    return (
      leaves.some((leaf) => this.#leaves.has(leaf)) ||
      this.isNamedIn(labels) ||
      this.isNamedIn(details) ||
      this.names(acknowledged?.note ?? "")
    )
  }

  isNamedIn(texts: Readonly<Record<string, string>>): boolean {
    return Object.entries(texts).some(([name, value]) => this.names(name) || this.names(value))
  }

  isNamedBy({ matchers, why }: Silence): boolean {
    return this.names(why) || matchers.some(({ value }) => this.names(value))
  }

  /**
   * Returns what is left of a notification: the same if nothing is to be forgotten; `undefined` if nothing is left to be
   * told. That something is over is told without a word of what it was: else a page stays open that nobody can close.
   */
  without(notification: Notification): Notification | undefined {
    const { alerts, groupLabels, leftOut, status } = notification
    const left = alerts.filter((alert) => !this.isAbout(alert))
    const forgotten = alerts.length - left.length
    const isGroupNamed = this.isNamedIn(groupLabels)
    if (forgotten === 0 && !isGroupNamed) return notification
    if (left.length === 0 && status !== "resolved") return undefined
    // Of a group without alerts nobody knows whose labels they were.
    const labels = isGroupNamed || left.length === 0 ? {} : groupLabels
    return { ...notification, alerts: left, groupLabels: labels, leftOut: leftOut + forgotten }
  }
}

function hasWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at !== -1; at = text.indexOf(word, at + 1)) {
    const before = text.slice(Math.max(0, at - 2), at)
    const after = text.slice(at + word.length, at + word.length + 2)
    if (!/[\p{L}\p{N}]$/u.test(before) && !/^[\p{L}\p{N}]/u.test(after)) return true
  }
  return false
}
