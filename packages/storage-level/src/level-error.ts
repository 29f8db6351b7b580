/**
 * LevelDB's errors in the ledger's words.
 */

import { LedgerError, type LedgerErrorCode } from "@prooflog/ledger/error"

/** Returns what LevelDB threw as a LedgerError, with it as `cause`; a LedgerError as it is. */
export function ledgerError(error: unknown, what: string): LedgerError {
  if (error instanceof LedgerError) return error
  return new LedgerError(codeOf(error), `${what}: ${messages(error)}`, { cause: error })
}

function codeOf(error: unknown): LedgerErrorCode {
  const { code, cause } = error as { code?: string; cause?: unknown }
  if (code === "LEVEL_LOCKED") return "LEDGER_LOCKED"
  if (code === "LEVEL_CORRUPTION") return "LEDGER_CORRUPT"
  if (/no space left on device|ENOSPC|quota exceeded|EDQUOT/i.test(String((error as Error).message)))
    return "LEDGER_DISK_FULL"
  return cause === undefined ? "LEDGER_STORAGE_FAILED" : codeOf(cause)
}

function messages(error: unknown): string {
  const { message, cause } = error as Error
  return cause instanceof Error ? `${message}: ${messages(cause)}` : message
}
