// Runs before `npm start` and `npm test`, on any Node >= 20 and without a single dependency: installs from the
// lockfile when it changed, builds when a source changed, and does nothing otherwise.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const installStamp = join(root, 'node_modules', '.ambit-install')
const pinned = join(root, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node')
const buildStamp = join(root, 'dist', '.ambit-build')

if (process.platform !== 'linux') fail(`Ambit needs Linux (network namespaces); this is ${process.platform}.`)
if (Number(process.versions.node.split('.')[0]) < 20)
  fail(`Ambit's set-up needs Node >= 20; this is ${process.version}.`)
if (!['x64', 'arm64'].includes(process.arch)) fail(`Ambit runs on x64 and arm64; this is ${process.arch}.`)

const lock = fingerprint(['package.json', 'package-lock.json'])
if (read(installStamp) !== lock) {
  say('installing dependencies from package-lock.json')
  run(['npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error', '--include=optional'])
  // The Node that everything runs on is an optional dependency, which npm skips without a word where it does not fit.
  const { status, error } = spawnSync(pinned, ['--version'], { stdio: 'ignore' })
  if (status !== 0)
    fail(
      `the pinned Node does not run here (${error?.message ?? `status ${status}`}); it needs Linux with glibc >= 2.28.`,
    )
  writeFileSync(installStamp, lock)
}

const sources = fingerprint(['package-lock.json', 'scripts', 'src'])
if (read(buildStamp) !== sources) {
  const startedMs = Date.now()
  run([pinned, join(root, 'scripts', 'build.mjs')])
  writeFileSync(buildStamp, sources)
  say(`built dist/ in ${Date.now() - startedMs} ms`)
}

/** Hash over names and contents of the given files and folders. */
function fingerprint(paths) {
  const hash = createHash('sha256')
  const visit = (path) => {
    const full = join(root, path)
    if (!existsSync(full)) return
    let entries
    try {
      entries = readdirSync(full, { withFileTypes: true })
    } catch {
      hash.update(`${path}\0`).update(readFileSync(full))
      return
    }
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) visit(join(path, entry.name))
  }
  for (const path of paths) visit(path)
  return hash.digest('hex')
}

function read(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function run([command, ...args]) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  if (status !== 0)
    fail(`"${[command, ...args].join(' ')}" failed: ${error?.message ?? signal ?? `exit status ${status}`}`)
}

function say(text) {
  process.stderr.write(`[set-up] ${text}\n`)
}

function fail(text) {
  say(text)
  process.exit(1)
}
