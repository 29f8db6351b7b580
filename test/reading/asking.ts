/** Questions to a running log, and waiting until its reader has seen everything. */

export interface Asked {
  readonly status: number
  readonly body: Record<string, unknown>
}

/** A log's URL, and a key that may read. */
export interface Askable {
  readonly url: string
  readonly key: string
}

export async function get({ url, key }: Askable, path: string): Promise<Asked> {
  const response = await fetch(url + path, { headers: { authorization: `Bearer ${key}` } })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

export async function sql({ url, key }: Askable, text: string, more: object = {}): Promise<Asked> {
  const response = await fetch(`${url}v1/query`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ sql: text, ...more }),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

/** The rows of an answer that must be one. */
export async function rows(log: Askable, text: string): Promise<unknown[][]> {
  const { status, body } = await sql(log, text)
  if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`)
  return body.rows as unknown[][]
}

/** Resolves when the reader has seen as many leaves as this. */
export async function followed(log: Askable, treeSize: number, timeoutMs = 30_000): Promise<void> {
  const until = performance.now() + timeoutMs
  let seen: unknown
  while (performance.now() < until) {
    const { body } = await get(log, "v1/reading")
    seen = body
    if ((body.through as number) >= treeSize) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(
    `the reader has not seen ${treeSize} leaves within ${timeoutMs} ms: ${JSON.stringify(seen)}`,
  )
}
