/**
 * The errors of S3 servers, and of the way to them, in the words of this room.
 *
 * A server's code decides; where it gives none, as to a `HEAD`, its HTTP status does.
 */

import { ObjectsError, type ObjectsErrorCode } from "./error.js"

/** Does something with a bucket, and tells its errors in our words. */
export async function told<T>(key: string | undefined, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    throw toObjectsError(key, error)
  }
}

/** @param error - what the SDK, or a socket under it, threw */
export function toObjectsError(key: string | undefined, error: unknown): ObjectsError {
  if (error instanceof ObjectsError) return error
  const { name = "", message = "", code = "", $metadata } = error as Partial<SdkError>
  const status = $metadata?.httpStatusCode
  // A HEAD has no body, so that the SDK has no words for its error.
  const words = [name, message].filter((word) => word !== "" && word !== "UnknownError").join(": ")
  const problem = words || `the store answered ${status}`
  return new ObjectsError(
    BY_NAME[name] ??
      BY_NAME[code] ??
      (status === undefined ? undefined : codeOfStatus(status)) ??
      "OBJECTS_FAILED",
    problem,
    { ...(key === undefined ? {} : { key }), cause: error },
  )
}

/** Whether a server said that it does not know this operation, or this header of it. */
export function isNotImplemented(error: unknown): boolean {
  const status =
    error instanceof ObjectsError ? (error.cause as Partial<SdkError>)?.$metadata?.httpStatusCode : 0
  return status === 501 || status === 405
}

interface SdkError extends Error {
  /** Of the system, where no answer came. */
  readonly code: string
  readonly $metadata: { readonly httpStatusCode?: number }
}

function codeOfStatus(status: number): ObjectsErrorCode | undefined {
  if (status === 401 || status === 403) return "OBJECTS_ACCESS_DENIED"
  if (status === 404) return "OBJECTS_NOT_FOUND"
  if (status === 301 || status === 307) return "OBJECTS_NO_BUCKET"
  if (status === 507) return "OBJECTS_NO_ROOM"
  // 200: an answer that broke off, or was none of S3.
  return status === 408 || status === 429 || status >= 500 || status === 200
    ? "OBJECTS_UNAVAILABLE"
    : undefined
}

const BY_NAME: Readonly<Record<string, ObjectsErrorCode>> = {
  CredentialsProviderError: "OBJECTS_BAD_CREDENTIALS",
  ExpiredToken: "OBJECTS_BAD_CREDENTIALS",
  InvalidAccessKeyId: "OBJECTS_BAD_CREDENTIALS",
  InvalidToken: "OBJECTS_BAD_CREDENTIALS",
  // The machine's clock is wrong, so that no signature of it holds.
  RequestTimeTooSkewed: "OBJECTS_BAD_CREDENTIALS",
  SignatureDoesNotMatch: "OBJECTS_BAD_CREDENTIALS",
  TokenRefreshRequired: "OBJECTS_BAD_CREDENTIALS",

  AccessDenied: "OBJECTS_ACCESS_DENIED",
  AllAccessDisabled: "OBJECTS_ACCESS_DENIED",

  AuthorizationHeaderMalformed: "OBJECTS_NO_BUCKET",
  IllegalLocationConstraintException: "OBJECTS_NO_BUCKET",
  InvalidBucketName: "OBJECTS_NO_BUCKET",
  NoSuchBucket: "OBJECTS_NO_BUCKET",
  PermanentRedirect: "OBJECTS_NO_BUCKET",

  NoSuchKey: "OBJECTS_NOT_FOUND",
  NotFound: "OBJECTS_NOT_FOUND",

  PreconditionFailed: "OBJECTS_EXISTS",

  BadDigest: "OBJECTS_DAMAGED",
  InvalidDigest: "OBJECTS_DAMAGED",
  XAmzContentChecksumMismatch: "OBJECTS_DAMAGED",
  XAmzContentSHA256Mismatch: "OBJECTS_DAMAGED",

  InvalidObjectState: "OBJECTS_COLD",

  QuotaExceeded: "OBJECTS_NO_ROOM",
  XMinioStorageFull: "OBJECTS_NO_ROOM",

  // Another is putting the same key, or destroyed what was being put.
  ConditionalRequestConflict: "OBJECTS_UNAVAILABLE",
  NoSuchUpload: "OBJECTS_UNAVAILABLE",
  OperationAborted: "OBJECTS_UNAVAILABLE",
  RequestTimeout: "OBJECTS_UNAVAILABLE",
  TimeoutError: "OBJECTS_UNAVAILABLE",
  ECONNABORTED: "OBJECTS_UNAVAILABLE",
  ECONNREFUSED: "OBJECTS_UNAVAILABLE",
  ECONNRESET: "OBJECTS_UNAVAILABLE",
  EAI_AGAIN: "OBJECTS_UNAVAILABLE",
  EHOSTUNREACH: "OBJECTS_UNAVAILABLE",
  ENETUNREACH: "OBJECTS_UNAVAILABLE",
  ENOTFOUND: "OBJECTS_UNAVAILABLE",
  EPIPE: "OBJECTS_UNAVAILABLE",
  ETIMEDOUT: "OBJECTS_UNAVAILABLE",
}
