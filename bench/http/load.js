/**
 * The load: keep-alive sockets, each with one request under way, no pipelining.
 *
 * A child process, so that its time is not the server's; with the server it shares the machine's cores. Requests
 * are bytes made beforehand; of an answer only the head is read, and as many bytes as it says are skipped.
 */

import { connect } from "node:net"

process.once("message", async (plan) => {
  process.send(await run(plan), () => process.disconnect())
})

/**
 * @param {{ port: number, connections: number, seconds: number, requests: string[] }} plan - whole requests in
 * latin1; each connection begins at another one and takes them in turn
 */
async function run({ port, connections, seconds, requests }) {
  const bytes = requests.map((request) => Buffer.from(request, "latin1"))
  const tally = { latencies: [], statuses: {}, until: Number.POSITIVE_INFINITY, counting: false, next: 0 }
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)))
  const done = sockets.map((socket) => drive(socket, bytes, tally))
  // What happens while code is still being compiled is not measured.
  await sleep(Math.min(2, seconds / 2) * 1_000)
  tally.counting = true
  const start = process.hrtime.bigint()
  await sleep(seconds * 1_000)
  tally.counting = false
  const elapsed = Number(process.hrtime.bigint() - start) / 1e9
  tally.until = 0
  await Promise.all(done)
  const cpu = process.cpuUsage()
  return {
    elapsed,
    latencies: tally.latencies,
    statuses: tally.statuses,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
  }
}

/** Answers are read into one buffer for each socket: a stream would cost more than the request it measures. */
function open(port) {
  return new Promise((resolve, reject) => {
    const reader = { onData: () => {} }
    const onread = {
      buffer: Buffer.allocUnsafe(64 * 1024),
      callback(length, buffer) {
        reader.onData(buffer, length)
        return true
      },
    }
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, onread }, () =>
      resolve({ socket, reader }),
    )
    socket.once("error", reject)
  })
}

/** Sends one request after another until it is told to end. */
function drive({ socket, reader }, requests, tally) {
  return new Promise((resolve, reject) => {
    let sentAt = 0
    let missing = -1
    let head = ""
    let status = ""
    const send = () => {
      sentAt = performance.now()
      socket.write(requests[tally.next++ % requests.length])
    }
    const answered = () => {
      if (tally.counting) {
        tally.latencies.push(performance.now() - sentAt)
        tally.statuses[status] = (tally.statuses[status] ?? 0) + 1
      }
      if (tally.until > 0) return send()
      socket.end()
      resolve()
    }
    reader.onData = (buffer, length) => {
      if (missing >= 0) missing -= length
      else {
        head += buffer.latin1Slice(0, length)
        const end = head.indexOf("\r\n\r\n")
        if (end < 0) return
        status = head.slice(9, 12)
        missing = end + 4 + contentLength(head) - head.length
        head = ""
      }
      if (missing > 0) return
      missing = -1
      answered()
    }
    socket.once("error", reject)
    socket.once("close", resolve)
    send()
  })
}

function contentLength(head) {
  const at = head.indexOf("Content-Length: ")
  if (at < 0) throw new Error("an answer without Content-Length")
  return Number.parseInt(head.slice(at + 16, at + 30), 10)
}

function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
