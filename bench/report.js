/**
 * How every benchmark here prints: the machine, the versions, n and the spread.
 *
 * A figure without its spread is an anecdote; two figures are compared only within one run.
 */

import { execFileSync } from "node:child_process"
import { cpus, totalmem } from "node:os"

/** Prints the question, the machine and the versions. */
export function header(question) {
  const [cpu] = cpus()
  console.log(`# ${question}`)
  console.log(`machine   ${cpus().length} × ${cpu?.model.trim()}, ${gib(totalmem())} GiB`)
  console.log(
    `versions  node ${process.versions.node}, v8 ${process.versions.v8}, openssl ${process.versions.openssl}, commit ${commit()}`,
  )
}

/**
 * Prints one figure: the median of n runs, and the range.
 *
 * @param {string} name
 * @param {readonly number[]} values - one per run
 * @param {string} unit
 */
export function figure(name, values, unit) {
  const sorted = [...values].sort((a, b) => a - b)
  const [min, max] = [sorted[0], sorted[sorted.length - 1]]
  console.log(
    `${name.padEnd(44)} ${show(median(sorted))} ${unit}   (n=${values.length}, ${show(min)} … ${show(max)})`,
  )
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/** The value below which the share `p` (0 … 1) of all values lies. */
export function percentile(values, p) {
  const sorted = Float64Array.from(values).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))]
}

function show(value) {
  if (value >= 1000) return Math.round(value).toLocaleString("en-US")
  return value >= 10 ? value.toFixed(1) : value.toFixed(3)
}

function gib(bytes) {
  return Math.round(bytes / 2 ** 30)
}

function commit() {
  try {
    return execFileSync("git", ["rev-parse", "--short", "HEAD"], {
      encoding: "utf8",
      cwd: import.meta.dirname,
    }).trim()
  } catch {
    return "unknown"
  }
}
