/** A backup and a restore that are killed at some of their steps: every fourth, and each of the last, where most is decided. */

import { killBackups } from "./backup-kills.js"

killBackups((steps) => stepsUpTo(steps).filter((step) => step % 4 === 1 || step > steps - 6))

function stepsUpTo(steps: number): number[] {
  return Array.from({ length: steps }, (_, i) => i + 1)
}
