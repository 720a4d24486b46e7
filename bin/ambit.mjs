#!/usr/bin/env node
// Runs `ambit` on the Node that package-lock.json pins, whatever Node the shell found.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const main = join(root, 'dist', 'cli', 'main.js')
const pinned = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')

if (!existsSync(main) || !existsSync(pinned)) {
  process.stderr.write('ambit is not built yet: run "npm run setup" in its folder first.\n')
  process.exit(1)
}
if (Number(process.versions.node.split('.')[0]) >= 24) {
  await import(main)
} else {
  const child = spawn(pinned, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? 128 + constants.signals[signal]))
}
