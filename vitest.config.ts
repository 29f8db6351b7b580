import { defineConfig } from "vitest/config"

/** `npm test`: everything that decides whether a change may land. Cross-package imports use the built `dist`. */
export default defineConfig({
  test: {
    include: ["{packages,apps}/*/src/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: "forks",
    // Most files wait for servers and disks: as many at once as there are cores, and not one fewer.
    maxWorkers: "100%",
  },
})
