import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'

// A dump in which every key of hbone-and-ztunnel h.4 stands; test/unit/ztunnel/admin holds our dump against it, whole.
const DUMP = resolve(import.meta.dirname, '../../golden/ztunnel/config-dump/out.json')

const binary = process.env.AMBIT_ISTIOCTL
const isThere = binary !== undefined && existsSync(binary)
if (!isThere) console.warn('istioctl tests are SKIPPED: set AMBIT_ISTIOCTL to the path of an istioctl')

const run = promisify(execFile)

/** What it prints; whatever it complains about is an error. */
async function istioctl(command: string, format: 'short' | 'json' | 'yaml'): Promise<string> {
  const home = { ...process.env, KUBECONFIG: '/dev/null' }
  const args = ['ztunnel-config', command, '--file', DUMP, '-o', format]
  const { stdout, stderr } = await run(binary ?? '', args, { env: home, timeout: 30_000 })
  expect(stderr).toBe('')
  return stdout
}

type Read = string | number | boolean | null | readonly Read[] | { readonly [key: string]: Read }

/** Where what istioctl read differs from what stands in the dump; keys that either does not know do not count. */
function differences(dumped: Read | undefined, read: Read, at: string): readonly string[] {
  if (isRecord(dumped) && isRecord(read)) {
    return Object.entries(read).flatMap(([key, value]) =>
      key in dumped ? differences(dumped[key], value, `${at}.${key}`) : isBlank(value) ? [] : [`${at}.${key} is new`],
    )
  }
  const isSame = JSON.stringify(dumped) === JSON.stringify(read) || (dumped === null && isBlank(read))
  return isSame ? [] : [`${at}: ${JSON.stringify(dumped)} was read as ${JSON.stringify(read)}`]
}

function isRecord(value: Read | undefined): value is Readonly<Record<string, Read>> {
  return typeof value === 'object' && value !== null
}

function isBlank(value: Read): boolean {
  return value === null || value === '' || (typeof value === 'object' && Object.values(value).every(isBlank))
}

describe.runIf(isThere)('istioctl ztunnel-config reads our dump', () => {
  const dump = JSON.parse(isThere ? readFileSync(DUMP, 'utf8') : '{}')

  it.each([
    ['workload', /^shop +web-1 +10\.0\.2\.1,fd00::2:1 +node-a +\S+ +HBONE *$/m],
    ['service', /^shop +web +10\.9\.0\.1,fd99::1 +\S+ +1\/1 *$/m],
    ['policy', /^istio-system +strict +Deny +Global *$/m],
    ['certificate', /^spiffe:\/\/cluster\.local\/ns\/shop\/sa\/late +NA +Initializing +false/m],
    ['certificate', /^spiffe:\/\/cluster\.local\/ns\/shop\/sa\/web +Root +Available +false +1 +2023-11-15T22:13:20Z/m],
    [
      'connections',
      /^web-1\.shop +Inbound +web-1\.shop:8080 +10\.0\.1\.1:40000 +web\.shop\.svc\.cluster\.local +HBONE/m,
    ],
    ['connections', /^web-1\.shop +Outbound +\[fd00::2:1\]:33000 +\[fd00::3:1\]:15008 +\[fd99::1\]:80 +HBONE/m],
    ['all', /^NAMESPACE +POLICY NAME/m],
  ])('%s, as a table with %s', async (command, row) => {
    expect(await istioctl(command, 'short')).toMatch(row)
  })

  it.each([
    ['workload', 'workloads'],
    ['service', 'services'],
    ['policy', 'policies'],
    ['certificate', 'certificates'],
  ])('%s, each value as it was written', async (command, key) => {
    const read = JSON.parse(await istioctl(command, 'json'))
    expect(read.length).toBe(dump[key].length)
    // It joins network and range of a CIDR VIP in one text.
    const found = differences(dump[key], read, key).filter((line) => !line.includes('.cidrVips.'))
    expect(found).toEqual([])
  })

  it('connections, each value as it was written', async () => {
    const read = JSON.parse(await istioctl('connections', 'json')) as Record<string, Read>[]
    const byName = new Map(read.map((state) => [(state.info as { name: string }).name, state]))
    for (const state of Object.values(dump.workloadState) as { info: { name: string } }[]) {
      expect(differences(state as unknown as Read, byName.get(state.info.name) ?? null, state.info.name)).toEqual([])
    }
  })

  it('all, as the same document', async () => {
    const read = JSON.parse(await istioctl('all', 'json'))
    for (const key of ['workloads', 'services', 'policies', 'certificates']) {
      expect(differences(dump[key], read[key], key).filter((line) => !line.includes('.cidrVips.'))).toEqual([])
    }
  })

  it.each(['workload', 'service', 'policy', 'certificate', 'connections', 'all'])('%s as YAML', async (command) => {
    expect(await istioctl(command, 'yaml')).toContain('\n')
  })
})
