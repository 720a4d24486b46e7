import { type Command, Option } from 'commander'
import type { MeshStatus } from '#shared/control'
import { ControlClient } from '../client/index.ts'
import { table } from '../print/index.ts'
import { stateOf, withState } from './options.ts'
import { podTable } from './pod-table.ts'

export function addStatus(program: Command): void {
  withState(program.command('status'))
    .description('show every program and pod; exit status 0 only when all is ready')
    .addOption(new Option('-o, --output <format>', 'as JSON').choices(['json']))
    .action(async (options: { readonly state: string; readonly output?: 'json' }) => {
      const status = await new ControlClient(stateOf(options)).status()
      process.stdout.write(options.output === 'json' ? `${JSON.stringify(status, null, 2)}\n` : statusText(status))
      if (!status.ready) process.exitCode = 1
    })
}

function statusText(status: MeshStatus): string {
  const programs = status.programs.map((program) => [
    program.name,
    program.node ?? '-',
    program.state,
    program.pid === undefined ? '-' : String(program.pid),
    String(program.restarts),
    program.ready ? '' : program.reason,
  ])
  const services = status.services.map((service) => [
    service.namespace,
    service.name,
    service.addresses.join(',') || 'None',
    service.ports.join(','),
    `${service.readyEndpoints}/${service.endpoints}`,
  ])
  const problems = status.problems.map(({ where, line, path, problem }) =>
    [line === undefined ? where : `${where}:${line}`, path, problem].filter((part) => part !== '').join(': '),
  )
  return [
    `The mesh is ${status.state}; up since ${status.startedAt}, in ${status.stateDir}\n`,
    table(['PROGRAM', 'NODE', 'STATE', 'PID', 'RESTARTS', ''], programs),
    podTable(status.pods),
    table(['NAMESPACE', 'SERVICE', 'ADDRESSES', 'PORTS', 'ENDPOINTS'], services),
    ...(problems.length > 0
      ? [`Problems (the last good state stays):\n${problems.map((line) => `  ${line}\n`).join('')}`]
      : []),
  ].join('\n')
}
