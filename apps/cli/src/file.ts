/**
 * Files that a person names, and what is said when they are not as hoped.
 */

import { readFile, stat, writeFile } from "node:fs/promises"
import { CliError, reasonOf } from "./error.js"

/**
 * Reads a file whole.
 *
 * @param what - what it should be, for the message: "the policy"
 * @param maxBytes - a larger one is refused before it is read
 * @throws {@link CliError} `CLI_FILE`
 */
export async function readNamedFile(path: string, what: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const { size } = await stat(path)
    if (size > maxBytes)
      throw new CliError("CLI_FILE", `${what} ${path} has ${size} bytes; at most ${maxBytes} are read`)
    return await readFile(path)
  } catch (error) {
    throw fileError(error, what, path)
  }
}

/**
 * Writes a file whole.
 *
 * @param options - as those of `writeFile`
 * @throws {@link CliError} `CLI_FILE`
 */
export async function writeNamedFile(
  path: string,
  what: string,
  text: string,
  options: { readonly mode?: number; readonly flag?: "w" | "wx" } = {},
): Promise<void> {
  try {
    await writeFile(path, text, options)
  } catch (error) {
    throw writeError(error, what, path)
  }
}

/** Turns what the operating system says about a path into a sentence. */
export function fileError(error: unknown, what: string, path: string): CliError {
  if (error instanceof CliError) return error
  return new CliError("CLI_FILE", `cannot use ${what} ${path}: ${reasonOf(error)}`, { cause: error })
}

/** {@link fileError} for a file that was to be written: what is missing then is not the file. */
export function writeError(error: unknown, what: string, path: string): CliError {
  if ((error as NodeJS.ErrnoException).code !== "ENOENT") return fileError(error, what, path)
  return new CliError("CLI_FILE", `cannot use ${what} ${path}: there is no such folder`, { cause: error })
}
