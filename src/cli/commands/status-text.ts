import type { MeshStatus } from '#shared/control'
import { table } from '../print/index.ts'
import { notesText, podTable } from './pod-table.ts'

/** A status, and where the mesh's Kubernetes API is. */
export interface ShownStatus extends MeshStatus {
  readonly api: { readonly server: string; readonly kubeconfig: string }
}

/** The status as text for a terminal of 80 columns; `-o yaml` has what does not fit. */
export function statusText(status: ShownStatus): string {
  const { programs, services, problems, api } = status
  const programRows = programs.map((program) => [
    program.name,
    program.node ?? '-',
    program.state,
    program.pid === undefined ? '-' : String(program.pid),
    String(program.restarts),
  ])
  const programNotes = programs.map(
    ({ name, node, ready, reason }) =>
      [node === undefined ? name : `${name} on ${node}`, [ready ? '' : reason]] as const,
  )
  const serviceRows = services.map((service) => [
    `${service.namespace}/${service.name}`,
    service.addresses[0] ?? 'None',
    service.ports.join(','),
    `${service.readyEndpoints}/${service.endpoints}`,
  ])
  const problemLines = problems.map(({ where, line, path, problem }) =>
    [line === undefined ? where : `${where}:${line}`, path, problem].filter((part) => part !== '').join(': '),
  )
  return [
    `The mesh is ${status.state}, up since ${status.startedAt}\nState: ${status.stateDir}\n` +
      `Kubernetes API: ${api.server || 'not yet'}\nKubeconfig: ${api.kubeconfig}\n`,
    table(['PROGRAM', 'NODE', 'STATE', 'PID', 'RESTARTS'], programRows) + notesText(programNotes),
    podTable(status.pods),
    table(['SERVICE', 'ADDRESS', 'PORTS', 'ENDPOINTS'], serviceRows),
    ...(problemLines.length > 0
      ? [`Problems (the last good state stays):\n${problemLines.map((line) => `  ${line}\n`).join('')}`]
      : []),
  ].join('\n')
}
