/**
 * How other systems write their logs, by the names of `--format`. They stand apart from what reads them, so that a
 * command line is read without a parser.
 *
 * Pure.
 */

export const FORMATS = ["combined", "ndjson", "cloudtrail", "k8s", "sshd"] as const

export type Format = (typeof FORMATS)[number]
