import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '#shared/errors'
import { findProgram, foldersOf, type Program, packageOf, programs, withSystemFolders } from '#shared/machine'
import { namespaceFlags } from '../client/index.ts'
import { type CheckLine, expected, ok, warning } from './report.ts'

/** What was found out about a machine. */
export interface MachineFacts {
  readonly platform: string
  readonly nodeVersion: string
  /** Programs that are not there. */
  readonly missingTools: readonly Program[]
  /** Why namespaces cannot be made; empty when they can. */
  readonly namespaceProblem: string
  /** Of the kernel; undefined: it does not say. */
  readonly hasNfTables: boolean | undefined
  readonly hasIpv6: boolean
  readonly hasOverlay: boolean | undefined
  readonly hasKubectl: boolean
}

const SECTION = 'machine'
const MIN_NODE = 24

export function machineLines(facts: MachineFacts): readonly CheckLine[] {
  const { platform, nodeVersion, missingTools, namespaceProblem, hasNfTables, hasIpv6, hasOverlay, hasKubectl } = facts
  const packages = [...new Set(missingTools.map((tool) => packageOf[tool]))].join(', ')
  const major = Number(nodeVersion.split('.')[0])
  return [
    expected(
      SECTION,
      platform === 'linux',
      'Linux',
      `the platform is ${platform}`,
      'A mesh on one machine needs Linux.',
    ),
    expected(
      SECTION,
      major >= MIN_NODE,
      `Node ${nodeVersion}`,
      `Node ${nodeVersion} is too old`,
      `Run it with Node ${MIN_NODE} or newer.`,
    ),
    expected(
      SECTION,
      missingTools.length === 0,
      'programs that a mesh runs are installed',
      `not found: ${missingTools.join(', ')}`,
      `Install the package(s) ${packages}.`,
    ),
    expected(
      SECTION,
      namespaceProblem === '',
      'this user may make namespaces',
      'this user may not make namespaces',
      namespaceProblem,
    ),
    feature('nf_tables', hasNfTables, 'Traffic of pods is redirected by it; load it with "modprobe nf_tables".'),
    hasIpv6
      ? ok(SECTION, 'the kernel has IPv6')
      : warning(SECTION, 'the kernel has no IPv6', 'The mesh will be IPv4 only.'),
    feature('overlay', hasOverlay, 'Pods then cannot have a root file system of their own to write to.'),
    hasKubectl
      ? ok(SECTION, 'kubectl is installed')
      : warning(SECTION, 'kubectl is not installed', '"ambit kubectl" has the most used commands built in.'),
  ]
}

function feature(name: string, isThere: boolean | undefined, hint: string): CheckLine {
  if (isThere === true) return ok(SECTION, `the kernel has ${name}`)
  const text = isThere === false ? `the kernel does not have ${name}` : `the kernel does not say whether it has ${name}`
  return warning(SECTION, text, hint)
}

/** @param path where the user's programs are */
export function machineFacts(path: string): MachineFacts {
  const folders = withSystemFolders(path)
  const missingTools = programs.filter((name) => findProgram(name, folders) === undefined)
  return {
    platform: process.platform,
    nodeVersion: process.versions.node,
    missingTools,
    namespaceProblem: missingTools.includes('unshare') ? 'The program unshare is missing.' : namespaceProblem(folders),
    hasNfTables: hasModule('nf_tables') ?? hasSymbol('nft_do_chain'),
    hasIpv6: existsSync('/proc/sys/net/ipv6'),
    hasOverlay: /\boverlay$/m.test(readOr('/proc/filesystems')) || hasModule('overlay'),
    hasKubectl: findProgram('kubectl', foldersOf(path)) !== undefined,
  }
}

function namespaceProblem(folders: readonly string[]): string {
  try {
    namespaceFlags({ PATH: folders.join(':') })
    return ''
  } catch (error) {
    if (error instanceof MeshError) return error.message
    throw error
  }
}

/** Loaded, built in, or there to be loaded; undefined when the kernel keeps no list of its modules here. */
function hasModule(name: string): boolean | undefined {
  if (existsSync(`/sys/module/${name}`)) return true
  const folder = join('/lib/modules', readOr('/proc/sys/kernel/osrelease').trim())
  const lists = ['modules.builtin', 'modules.dep'].map((list) => readOr(join(folder, list)))
  if (lists.every((list) => list === '')) return undefined
  return lists.some((list) => new RegExp(`/${name}\\.ko`, 'm').test(list))
}

/** Whether the running kernel has a function; true or unknown, as a kernel may keep no list of these either. */
function hasSymbol(name: string): true | undefined {
  return new RegExp(` ${name}\\s`).test(readOr('/proc/kallsyms')) ? true : undefined
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
