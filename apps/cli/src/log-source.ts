/**
 * What anyone may read of a log, by its URL: its heads, its tiles, its entries. No key is asked for.
 */

import type { LogSource } from "@prooflog/verifier/source"
import { httpSource } from "@prooflog/verifier/source-http"
import { CliError } from "./error.js"

/**
 * Returns the log at a URL; everything it answers is suspect.
 *
 * @throws {@link CliError} `CLI_USAGE` if the URL is none of http or https
 */
export function sourceAt(url: string): LogSource {
  try {
    return httpSource(url)
  } catch (cause) {
    throw new CliError("CLI_USAGE", `not the URL of a log: ${JSON.stringify(url)}`, { cause })
  }
}
