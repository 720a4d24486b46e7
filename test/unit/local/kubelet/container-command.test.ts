import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findTools } from '../../../../src/local/host/index.ts'
import { type ContainerProcess, enterContainer, startContainer } from '../../../../src/local/kubelet/index.ts'

const tools = findTools(process.env.PATH ?? '')
const processOf = (more: Partial<ContainerProcess> = {}): ContainerProcess => ({
  argv: ['true'],
  folder: '/',
  env: {},
  user: undefined,
  ...more,
})
/** What would be run, from where the rights have been given up: no test needs a namespace for that. */
const finalStep = (
  run: ContainerProcess,
): { readonly env: Record<string, string>; readonly args: readonly string[] } => {
  const { args, env } = enterContainer(tools, { machinePid: 1 }, run)
  return { args: args.slice(args.indexOf(tools.sh)), env: { ...env } }
}
const environmentSeen = (env: Readonly<Record<string, string>>): Record<string, string> => {
  const printer = 'process.stdout.write(JSON.stringify(process.env))'
  const { args, env: given } = finalStep(processOf({ argv: [process.execPath, '-e', printer], env }))
  const { stdout, stderr } = spawnSync(args[0] ?? '', args.slice(1), { env: given, encoding: 'utf8' })
  expect(stderr).toBe('')
  const { PWD: _, OLDPWD: __, ...seen } = JSON.parse(stdout) as Record<string, string>
  return seen
}

describe('the command of a container', () => {
  it.each(['LD_PRELOAD', 'PATH', 'ENV', 'BASH_ENV', 'IFS', 'LIBMOUNT_FSTAB'])(
    'lets no tool before it see its %s',
    (name) => {
      for (const { env, args } of [
        startContainer(tools, { machinePid: 1 }, '/volumes', {
          ...processOf({ env: { [name]: 'evil' } }),
          mounts: [],
          isRootReadOnly: false,
        }),
        enterContainer(tools, { machinePid: 1 }, processOf({ env: { [name]: 'evil' } })),
      ]) {
        expect(Object.keys(env)).not.toContain(name)
        expect(args.slice(0, args.indexOf('enter'))).not.toContainEqual(expect.stringContaining('evil'))
      }
    },
  )

  it('shows no value to who lists processes', () => {
    const { args } = enterContainer(tools, { machinePid: 1 }, processOf({ env: { PASSWORD: 's3cret' } }))
    expect(args.join(' ')).not.toContain('s3cret')
  })

  it('gives the process its variables as they are, whatever they are called and hold', () => {
    const env = {
      A: 'x "y" $(z) `id` $A\n',
      'with.dot': '1',
      'with-dash': '2',
      IFS: 'a',
      UID: '7',
      AMBIT_I: '9',
      empty: '',
      ä: '3',
    }
    expect(environmentSeen(env)).toEqual(env)
  })

  it('does so for any of them', () => {
    // As Kubernetes takes them; Node itself reads NODE_…, and does not show those that are numbers.
    const names = fc
      .stringMatching(/^[!-<>-~]{1,8}$/)
      .filter((name) => !/^(NODE_|PWD$|OLDPWD$|LD_|_$|-|\d+$)/.test(name))
    // No process can have a zero byte.
    const values = fc.string().map((text) => text.replace(/\0/g, ''))
    fc.assert(
      fc.property(fc.dictionary(names, values, { maxKeys: 5, noNullPrototype: true }), (env) => {
        expect(environmentSeen(env)).toEqual(env)
      }),
      { numRuns: 25 },
    )
  })

  it('passes arguments as they are, and says when its folder cannot be entered', () => {
    const nasty = ['$(id)', '`id`', '; id', "'", '"', '', '-n', 'a=b', 'ä\n']
    const printer = 'process.stdout.write(JSON.stringify(process.argv.slice(1)))'
    const { args, env } = finalStep(processOf({ argv: [process.execPath, '-e', printer, '--', ...nasty] }))
    expect(JSON.parse(spawnSync(args[0] ?? '', args.slice(1), { env, encoding: 'utf8' }).stdout)).toEqual(nasty)
    const lost = finalStep(processOf({ folder: '/no/such/folder' }))
    expect(spawnSync(lost.args[0] ?? '', lost.args.slice(1), { env: lost.env }).status).toBe(125)
  })

  it.each([
    [{ user: { uid: 7, gid: 8, groups: [9, 10] } }, ['--reuid', '7', '--regid', '8', '--groups', '9,10']],
    [{ user: { uid: 7, gid: 8, groups: [] } }, ['--reuid', '7', '--regid', '8', '--clear-groups']],
    [{ rights: { capabilities: ['KILL'], canGain: false } }, ['--bounding-set', '-all,+kill', '--no-new-privs']],
    [{ rights: { capabilities: [], canGain: true } }, ['--bounding-set', '-all']],
  ])('with %j says so to setpriv', (more, flags) => {
    expect(enterContainer(tools, { machinePid: 1 }, processOf(more)).args).toEqual(expect.arrayContaining(flags))
  })

  it('keeps without a word no right over networks, packets and mounts', () => {
    const { args } = enterContainer(tools, { machinePid: 1 }, processOf())
    const kept = args[args.indexOf('--bounding-set') + 1]
    expect(kept).toMatch(/^-all,\+chown,/)
    expect(kept).not.toMatch(/net_admin|net_raw|sys_admin|sys_ptrace/)
  })
})
