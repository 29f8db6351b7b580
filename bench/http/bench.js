/** What the HTTP benchmarks share: children, runs, and how a run is told. */

import { fork } from "node:child_process"
import { once } from "node:events"
import { median, percentile } from "../report.js"

/** Starts `prooflog` or `bare`; with it: what it said when it was ready, its CPU time, its end. */
export async function startChild(name, env = {}) {
  const child = fork(new URL(`./${name}.js`, import.meta.url), {
    env: { ...process.env, ...env },
    execArgv: process.env.SERVER_ARGS?.split(" ") ?? [],
  })
  const [ready] = await once(child, "message")
  return {
    ...ready,
    pid: child.pid,
    async usage() {
      child.send("usage")
      return (await once(child, "message"))[0]
    },
    async stop() {
      child.send("stop")
      await once(child, "exit")
    },
  }
}

/**
 * Runs the load once.
 *
 * @returns answers a second, latencies in ms, statuses, and the server's CPU per answer in µs
 */
export async function run(server, plan) {
  const before = await server.usage()
  const child = fork(new URL("./load.js", import.meta.url), { execArgv: [], serialization: "advanced" })
  child.send({ port: server.port, ...plan })
  const [{ elapsed, latencies, statuses }] = await once(child, "message")
  const after = await server.usage()
  return {
    rate: latencies.length / elapsed,
    p50: percentile(latencies, 0.5),
    p99: percentile(latencies, 0.99),
    statuses,
    cpuMicros: ((after.cpuSeconds - before.cpuSeconds) / latencies.length) * 1e6,
    rss: after.rss,
  }
}

/** Several runs of one plan. */
export async function runs(server, plan, n) {
  const all = []
  for (let i = 0; i < n; i++) all.push(await run(server, plan))
  const strange = all
    .flatMap(({ statuses }) => Object.keys(statuses))
    .filter((status) => !status.startsWith("2"))
  if (strange.length > 0) console.log(`!! statuses ${JSON.stringify(all.map(({ statuses }) => statuses))}`)
  return all
}

export const rates = (all) => all.map(({ rate }) => rate)
export const medianOf = (all, key) => median(all.map((one) => one[key]))

/** A whole POST request in latin1. */
export function post(path, mediaType, body, key) {
  const bytes = Buffer.from(body).latin1Slice()
  return `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${mediaType}\r\nAuthorization: Bearer ${key}\r\nContent-Length: ${bytes.length}\r\n\r\n${bytes}`
}

export function get(path, key) {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${key === undefined ? "" : `Authorization: Bearer ${key}\r\n`}\r\n`
}
