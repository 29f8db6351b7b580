#!/usr/bin/env node
// 2 before anything else, and for everything nobody caught: Node's own exit code for a crash is 1, which here
// would say "not verified".
process.exitCode = 2
process.on("uncaughtException", (error) => {
  console.error("could not tell:", error)
  process.exit(2)
})

const { main } = await import("../dist/prooflog-verify.js")
process.exitCode = await main(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
})
