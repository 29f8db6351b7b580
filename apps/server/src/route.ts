/**
 * A route: what is answered at a path, to whom, and what the OpenAPI document says of it.
 *
 * Routes are data. Express is given each of them once (`app.ts`), and so is the document (`openapi.ts`), so the
 * two cannot drift.
 */

import type { Answer } from "./answer.js"
import type { Call } from "./gate.js"
import type { Role } from "./keys.js"

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE"
  /** Below the log's prefix, with parameters in braces: `v1/receipts/{leaf_index}`. */
  readonly path: string
  /** Whether the last parameter takes slashes too, as `tile/{path}` does. */
  readonly takesSlashes?: boolean
  /** Who may: everyone (then also every web page, by CORS), or the holders of one of these roles. */
  readonly access: "public" | readonly Role[]
  readonly summary: string
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: object
  /** What a good answer is, by status. Refusals are the same everywhere and described once. */
  readonly answers: Readonly<Record<number, AnswerForm>>
  /** @param parameter - the text at the path's parameter; `""` if it has none. Suspect */
  readonly handle: (call: Call, parameter: string) => Answer | Promise<Answer>
}

export interface Parameter {
  readonly name: string
  readonly in: "path" | "query"
  readonly required?: boolean
  readonly description: string
  readonly schema: object
}

export interface AnswerForm {
  readonly description: string
  readonly mediaType: string
  readonly schema?: object
}

/** A leaf index or tree size, as OpenAPI says it. */
export const INDEX_SCHEMA = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER }
