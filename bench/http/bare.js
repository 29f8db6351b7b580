/** The yardstick: node's http server that reads the body, parses it, and answers as many bytes as Prooflog does. */

import { createServer } from "node:http"

const ANSWER =
  '{"event_id":"01a2070a-7159-758c-8b63-46c9ce2f1bd2","leaf_index":1000000,"received_at":"2026-11-23T06:14:14.620Z"}'

const server = createServer((req, res) => {
  const chunks = []
  req.on("data", (chunk) => chunks.push(chunk))
  req.on("end", () => {
    const body = Buffer.concat(chunks).toString()
    if (body !== "")
      JSON.parse(
        body.startsWith("{") && !body.includes("\n") ? body : `[${body.trim().replaceAll("\n", ",")}]`,
      )
    res.writeHead(201, ["Content-Type", "application/json", "Content-Length", String(ANSWER.length)])
    res.end(ANSWER)
  })
})
server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }))
process.on("message", (message) => {
  if (message === "usage") {
    const { user, system } = process.cpuUsage()
    process.send({ cpuSeconds: (user + system) / 1e6, rss: process.memoryUsage.rss() })
  }
  if (message === "stop") {
    server.close()
    server.closeAllConnections()
    process.disconnect()
  }
})
