import { defineConfig } from 'vitest/config'

const resolve = { conditions: ['source'] }
const ssr = { resolve: { conditions: ['source'], externalConditions: ['source'] } }

/** Real namespaces and processes share two cores, so their files run one after the other. */
const project = (name: string, folders: readonly string[], options: object = {}): object => ({
  resolve,
  ssr,
  test: { name, include: folders.map((folder) => `test/${folder}/**/*.test.ts`), ...options },
})

const config: ReturnType<typeof defineConfig> = defineConfig({
  test: {
    projects: [
      project('layout', ['layout']),
      project('unit', ['unit', 'fuzz']),
      project('integration', ['integration'], { testTimeout: 20_000 }),
      project('conformance', ['conformance'], { testTimeout: 20_000 }),
      project('e2e', ['e2e'], {
        fileParallelism: false,
        testTimeout: 60_000,
        hookTimeout: 60_000,
        sequence: { groupOrder: 1 },
      }),
      // Fuzzing is part of both: bounded by runs in the one, by AMBIT_FUZZ_MINUTES in the other.
      project('long', ['long', 'fuzz'], {
        fileParallelism: false,
        testTimeout: 1_800_000,
        hookTimeout: 60_000,
        sequence: { groupOrder: 2 },
      }),
    ],
  },
})

export default config
