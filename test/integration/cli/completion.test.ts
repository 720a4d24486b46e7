import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { ambit } from '../../support/run-ambit.ts'

const script = (shell: string): Promise<string> => ambit(['completion', shell]).then(({ stdout }) => stdout)

/** What bash offers after a line, whose last word is being typed. */
function offered(source: string, line: string): readonly string[] {
  const words = line.split(' ')
  const ask = [
    source,
    `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})`,
    `COMP_CWORD=${words.length - 1}`,
    '_ambit',
    `printf '%s\\n' "\${COMPREPLY[@]}"`,
  ]
  const { stdout, stderr, status } = spawnSync('bash', ['--norc', '-c', ask.join('\n')], { encoding: 'utf8', cwd: '/' })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout.split('\n').filter((word) => word !== '')
}

describe('completion', () => {
  it('is taken by bash for the word ambit', async () => {
    const source = `${await script('bash')}\ncomplete -p ambit`
    expect(spawnSync('bash', ['--norc', '-c', source], { encoding: 'utf8' })).toMatchObject({
      status: 0,
      stdout: 'complete -F _ambit ambit\n',
      stderr: '',
    })
  })

  it.each<[string, readonly string[]]>([
    ['ambit wa', ['waypoint']],
    ['ambit check --pr', ['--pre']],
    ['ambit waypoint ', ['generate', 'apply', 'status', 'list', 'delete']],
    ['ambit waypoint apply --enroll', ['--enroll-namespace']],
    ['ambit waypoint apply --for w', ['workload']],
    ['ambit status -o ', ['json', 'yaml']],
    ['ambit -v completion f', ['fish']],
    ['ambit ztunnel-config workloads --address', ['--address']],
    ['ambit apply -f /etc/host', ['/etc/hostname', '/etc/hosts']],
  ])('in bash offers after %j: %j', async (line, words) => {
    expect(offered(await script('bash'), line)).toEqual(expect.arrayContaining([...words]))
    if (!line.endsWith(' '))
      expect(offered(await script('bash'), line).every((word) => word.startsWith(line.split(' ').at(-1) ?? ''))).toBe(
        true,
      )
  })

  it('knows every command and flag in zsh and fish, too', async () => {
    expect(await script('zsh')).toMatch(/^#compdef ambit\n.*bashcompinit/)
    const fish = await script('fish')
    for (const word of ['proxy-status', 'completion', '-l enroll-namespace', "-a 'json yaml'"])
      expect(fish).toContain(word)
  })

  it('refuses other shells by name', async () => {
    expect(await ambit(['completion', 'tcsh'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('bash, zsh, fish'),
    })
  })
})
