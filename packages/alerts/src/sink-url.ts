/** Where notifications may be sent: over TLS, or to this very machine. Pure. */

/** Most characters of a URL. */
const MAX_LENGTH = 2_000

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

/**
 * Returns what is wrong with the URL of a sink, for people, or `undefined` if nothing is.
 *
 * @param text - perhaps a secret: it is not repeated
 */
export function sinkUrlProblem(text: string): string | undefined {
  if (text.length > MAX_LENGTH) return `expected at most ${MAX_LENGTH} characters`
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== "https:" && url?.protocol !== "http:") return "expected an https URL"
  if (url.username !== "" || url.password !== "")
    return "credentials in a URL are shown to whoever sees it: take them out"
  if (url.hash !== "") return 'expected no "#"'
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    return "expected https: only this machine itself is told without TLS"
  }
  return undefined
}

/** Whether a host, as URLs write it, is this machine itself. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}
