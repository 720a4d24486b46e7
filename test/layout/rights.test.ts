/** What the mesh's programs may do in the API: on a cluster, on one machine, and as it is told to people. */
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CONFIGURATION } from '../../src/istiod-lite/admission/webhook-registration.ts'
import { CRL_CONFIG_MAP, ROOT_CONFIG_MAP } from '../../src/istiod-lite/sources/root-config-maps.ts'
import { type MeshAccount, meshRights, type Rule } from '../../src/local/cluster-api/mesh-rights.ts'
import { DAEMONSET_FOLDER, grantsOf, grantText, readManifests } from '../support/manifests.ts'

const accounts = Object.entries(meshRights) as [MeshAccount, (typeof meshRights)[MeshAccount]][]
const README = resolve(DAEMONSET_FOLDER, '../src/istiod-lite/README.md')
const BEGIN = '<!-- rights: written by UPDATE_GOLDEN=1 npx vitest run --project layout -->\n'
const END = '\n<!-- end of rights -->'

const textsOf = (rules: readonly Rule[]): readonly string[] => grantsOf(rules).map(grantText).sort()

/** Of a manifest that need not be there: whoever has no rights has no role. */
function installed(kind: string, account: string): readonly Rule[] {
  return readManifests().find((each) => each.kind === kind && each.metadata.name === `ambit:${account}`)?.rules ?? []
}

describe('rights in the API', () => {
  it.each(accounts)('of %s are the same on a cluster and on one machine', (account, { everywhere, atHome }) => {
    expect(textsOf(everywhere)).toEqual(textsOf(installed('ClusterRole', account)))
    expect(textsOf(atHome)).toEqual(textsOf(installed('Role', account)))
  })

  it.each(accounts)('of %s are each given once, for kinds that are named', (_, { everywhere, atHome }) => {
    const texts = [...textsOf(everywhere), ...textsOf(atHome)]
    expect(texts.filter((text, index) => texts.indexOf(text) !== index)).toEqual([])
    expect(texts.filter((text) => text.includes('*'))).toEqual([])
  })

  it('to change what others made too are limited to the names that the control plane writes', () => {
    const { everywhere } = meshRights['istiod-lite']
    const named = grantsOf(everywhere).flatMap(({ name, verb }) => (name === undefined ? [] : [`${verb} ${name}`]))
    expect(named.sort()).toEqual(
      [
        `patch ${ROOT_CONFIG_MAP}`,
        ...['patch', 'delete'].map((verb) => `${verb} ${CRL_CONFIG_MAP}`),
        ...['patch', 'delete'].map((verb) => `${verb} ${CONFIGURATION}`),
      ].sort(),
    )
  })

  it('of the control plane are in its README', () => {
    const text = readFileSync(README, 'utf8')
    const [before, after] = [text.split(BEGIN)[0], text.split(END)[1]]
    if (before === undefined || after === undefined)
      throw new Error(`${README} has no place for rights: ${BEGIN}${END}`)
    const wanted = `${before}${BEGIN}${rightsTable()}${END}${after}`
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(README, wanted)
    else expect(text).toBe(wanted)
  })
})

/** One row for each set of verbs. */
function rightsTable(): string {
  const { everywhere, atHome } = meshRights['istiod-lite']
  const rows = [...rowsOf(everywhere, 'everywhere'), ...rowsOf(atHome, 'its own namespace')]
  return ['', '| may | where | on |', '| --- | --- | --- |', ...rows, ''].join('\n')
}

function rowsOf(rules: readonly Rule[], where: string): readonly string[] {
  const byVerbs = new Map<string, string[]>()
  for (const { apiGroups, resources, resourceNames, verbs } of rules) {
    const group = apiGroups[0] === '' ? '' : ` of ${apiGroups[0]}`
    const names = resourceNames === undefined ? '' : ` ${resourceNames.map((name) => `\`${name}\``).join(', ')}`
    const key = verbs.join(', ')
    byVerbs.set(key, [...(byVerbs.get(key) ?? []), `${resources.join(', ')}${group}${names}`])
  }
  return [...byVerbs].map(([verbs, what]) => `| ${verbs} | ${where} | ${what.join('; ')} |`)
}
