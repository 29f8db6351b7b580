/**
 * Vectors that others wrote. They lie beside the repository and are never committed. Test-only.
 *
 * Where `CI=true` they must be there; elsewhere their tests are skipped, and say so.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs"

const FOLDER = new URL("../../../../shared/vectors/", import.meta.url)

export const vectorsPresent = existsSync(FOLDER)

if (!vectorsPresent) {
  const what = `no vectors at ${FOLDER.pathname}`
  if (process.env.CI === "true") throw new Error(what)
  console.log(`skipped: ${what}`)
}

export function readVector(path: string): string {
  return readFileSync(new URL(path, FOLDER), "utf8")
}

export function readVectorBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(path, FOLDER)))
}

/** Paths of all files below a folder of vectors. */
export function listVectors(folder: string): string[] {
  return readdirSync(new URL(`${folder}/`, FOLDER), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`)
    .map((path) => path.slice(FOLDER.pathname.length))
    .sort()
}

export function hexBytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, "hex"))
}
