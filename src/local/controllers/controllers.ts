import type { Closer } from '#shared/lifecycle'
import type { ResourceRegistry } from '../apiserver/index.ts'
import { disruptionBudgets } from './budgets/disruption-budgets.ts'
import { type Controller, type Environment, runController } from './core/controller.ts'
import { daemonSets } from './daemon/daemon-sets.ts'
import { deployments } from './deployment/deployments.ts'
import { jobs } from './job/jobs.ts'
import { autoscalers, claims } from './kept/kept-kinds.ts'
import { accountTokens, type MintToken } from './namespaces/account-tokens.ts'
import { namespaceAccounts } from './namespaces/accounts.ts'
import { collectGarbage } from './namespaces/garbage-collector.ts'
import { endNamespaces } from './namespaces/namespace-end.ts'
import { lostPods } from './scheduling/lost-pods.ts'
import { scheduler } from './scheduling/scheduler.ts'
import { endpointSlices, endpoints } from './services/endpoint-slices.ts'
import type { ServiceAddresses } from './services/service-addresses.ts'
import { serviceRepair } from './services/service-repair.ts'
import { statefulSets } from './stateful/stateful-sets.ts'
import { replicaSets } from './workloads/replica-sets.ts'

export interface ControllerSettings extends Environment {
  readonly registry: ResourceRegistry
  /** Of the API's own authority; handed to every namespace. */
  readonly caCertificatePem: string
  readonly mintToken: MintToken
  /** Its hook must be among the server's, or services get no addresses. */
  readonly addresses: ServiceAddresses
}

/**
 * Starts all controllers. Nodes must have been registered before: pods of nodes that do not exist are deleted.
 *
 * @returns ends them; resolves when none is at work any more
 */
export function startControllers(settings: ControllerSettings): Closer {
  const { access, registry, caCertificatePem, mintToken, addresses } = settings
  const following = addresses.follow(access)
  const controllers: readonly Controller[] = [
    namespaceAccounts(settings, caCertificatePem),
    accountTokens(settings, caCertificatePem, mintToken),
    deployments(settings),
    replicaSets(settings),
    statefulSets(settings),
    daemonSets(settings),
    jobs(settings),
    disruptionBudgets(settings),
    autoscalers(settings),
    claims(settings),
    endpointSlices(settings),
    endpoints(settings),
    serviceRepair(settings, addresses),
    scheduler(settings),
    lostPods(settings),
  ]
  const running: readonly Closer[] = [
    ...controllers.map((controller) => runController(controller, settings)),
    endNamespaces(settings, registry),
    collectGarbage(settings, registry),
  ]
  return {
    async close() {
      following.stop()
      await Promise.all(running.map((each) => each.close()))
    },
  }
}
