/**
 * Which of DuckDB's functions a question may call.
 *
 * A function that only looks at its arguments is allowed; one that looks at settings, the catalog, the
 * process, files, or other SQL is not, nor one that waits or takes bytes for an inner state. New versions bring
 * new functions: a test holds the list of all that there are, so that each is looked at once.
 *
 * Pure.
 */

/** The only functions that may stand where a table does. */
export const TABLE_FUNCTIONS: ReadonlySet<string> = new Set(["unnest", "range", "generate_series"])

const FORBIDDEN = new Set([
  // Settings, variables, the session.
  "current_catalog",
  "current_connection_id",
  "current_database",
  "current_query",
  "current_query_id",
  "current_schema",
  "current_schemas",
  "current_setting",
  "current_transaction_id",
  "get_block_size",
  "getenv",
  "getvariable",
  "in_search_path",
  "setseed",
  "txid_current",
  // The catalog, and what it says of rows.
  "col_description",
  "currval",
  "format_pg_type",
  "format_type",
  "map_to_pg_oid",
  "nextval",
  "obj_description",
  "shobj_description",
  "stats",
  // SQL in a text.
  "json_deserialize_sql",
  "json_execute_serialized_sql",
  "json_serialize_plan",
  "json_serialize_sql",
  "query",
  "query_table",
  // Files and logs.
  "glob",
  "parse_duckdb_log_message",
  "write_log",
  // Time spent on nothing.
  "sleep_ms",
  // Bytes taken for what DuckDB itself wrote.
  "combine",
  "finalize",
  "variant_bytes_to_variant",
  "variant_to_parquet_variant",
])

/** Families of functions, and those of them that are harmless. */
const FORBIDDEN_FAMILIES =
  /^(__internal|duckdb_|pragma_|pg_|inet_|read_|parquet_|sniff_|which_secret|test_)|^has_.*_privilege$/
const HARMLESS = new Set(["pg_size_pretty", "pg_typeof"])

/** Whether questions may not call the function of this name, in lower case. */
export function isForbiddenFunction(name: string): boolean {
  return FORBIDDEN.has(name) || (FORBIDDEN_FAMILIES.test(name) && !HARMLESS.has(name))
}

/** Functions whose value may change though their arguments and the rows do not. */
export const VOLATILE_FUNCTIONS: ReadonlySet<string> = new Set([
  "age",
  "ago",
  "current_date",
  "current_localtime",
  "current_localtimestamp",
  "gen_random_uuid",
  "get_current_time",
  "get_current_timestamp",
  "now",
  "random",
  "reservoir_quantile",
  "today",
  "transaction_timestamp",
  "uuid",
  "uuidv4",
  "uuidv7",
])

/** Names that are calls of the above where no column is meant. */
export const VOLATILE_NAMES: ReadonlySet<string> = new Set([
  "current_date",
  "current_time",
  "current_timestamp",
  "localtime",
  "localtimestamp",
])

/** Aggregates whose value depends on the order of rows, unless they are told one. */
export const ORDER_DEPENDENT: ReadonlySet<string> = new Set([
  "any_value",
  "approx_quantile",
  "approx_top_k",
  "arbitrary",
  "arg_max",
  "arg_min",
  "argmax",
  "argmin",
  "array_agg",
  "first",
  "group_concat",
  "json_group_array",
  "json_group_object",
  "last",
  "list",
  "listagg",
  "max_by",
  "min_by",
  "mode",
  "string_agg",
])

/** Functions that make several rows of one. */
export const ROW_MAKERS: ReadonlySet<string> = new Set([
  "unnest",
  "generate_subscripts",
  "regexp_split_to_table",
])

/** Functions that make much of the last digit of a fraction. */
export const ROUNDERS = /^(?:round|floor|ceil|trunc|even|sign)/

/** Aggregates of whole numbers that come as fractions; those of fractions do in any case. */
export const FRACTION_MAKERS =
  /^(?:stddev|var|covar|corr|regr|skew|kurt|entropy|product|geo|sem|mad|favg|fsum|kahan|sumkahan|quantile)/
