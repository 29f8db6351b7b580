import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

/** `npm test`: everything that decides whether a change may land. Cross-package imports use the built `dist`. */
export default defineConfig({
  test: {
    include: ["{packages,apps}/*/src/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    // Most files wait for servers and disks: one more at once than there are cores.
    maxWorkers: availableParallelism() + 1,
  },
})
