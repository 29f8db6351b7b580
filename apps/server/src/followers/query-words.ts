/** What of an error of the query store may leave its process: DuckDB's own words may quote rows. Pure. */

import { QueryError } from "@prooflog/query/error"

/** Returns it without its cause, of which only the kind is told, such as "Out of Memory". */
export function withoutWords({
  code,
  message,
  line,
  column,
  hint,
  parameter,
  cause,
}: QueryError): QueryError {
  const [, kind] = (cause instanceof Error && /"exception_type":"([\w ]{1,40})"/.exec(cause.message)) || []
  const details = { line, column, hint, parameter }
  const given = Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined))
  return new QueryError(code, kind === undefined ? message : `${message} (${kind})`, given)
}
