import { defineConfig } from "vitest/config"

/** `npm run test:slow`: hours of crashes and fuzzing, the same claims at a larger size. */
export default defineConfig({
  test: {
    include: ["{packages,apps}/*/src/**/*.slow.ts", "test/**/*.slow.ts"],
    testTimeout: 6 * 3_600_000,
    hookTimeout: 600_000,
    pool: "forks",
    fileParallelism: false,
  },
})
