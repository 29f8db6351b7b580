/**
 * What anyone may read of a log, by its URL or from a copy in a folder: its heads, its tiles, its entries. No key is asked
 * for.
 */

import { statSync } from "node:fs"
import type { LogSource } from "@prooflog/verifier/source"
import { folderSource } from "@prooflog/verifier/source-folder"
import { httpSource } from "@prooflog/verifier/source-http"
import { CliError } from "./error.js"

/**
 * Returns the log at a URL, or in a folder; everything it answers is suspect.
 *
 * @throws {@link CliError} `CLI_USAGE` if the URL is none of http or https, and no folder
 */
export function sourceAt(url: string): LogSource {
  if (statSync(url, { throwIfNoEntry: false })?.isDirectory()) return folderSource(url)
  try {
    return httpSource(url)
  } catch (cause) {
    throw new CliError("CLI_USAGE", `not the URL of a log, nor a folder: ${JSON.stringify(url)}`, { cause })
  }
}
