import type { Clock } from '#shared/clock'
import type { RbacAuthorizer, ServiceAccountTokens } from '../auth/index.ts'
import type { Authenticator, ObjectAccess, ResourceDefinition, ResourceRegistry, ServerParts } from '../types.ts'
import { controllerRevision, daemonSet, deployment, replicaSet, statefulSet } from './apps.ts'
import { cronJob, job } from './batch.ts'
import { bootstrap } from './bootstrap.ts'
import { configMap, endpoints, event, lease, namespace, secret } from './core.ts'
import {
  limitRange,
  podTemplateDefinition,
  priorityClass,
  replicationController,
  resourceQuota,
  runtimeClass,
} from './limits.ts'
import { endpointSlice, ingress, ingressClass, networkPolicy } from './networking.ts'
import { node } from './node.ts'
import { podDefinition } from './pod.ts'
import { horizontalPodAutoscaler, podDisruptionBudget } from './policy.ts'
import { rbacDefinitions } from './rbac.ts'
import { reviewDefinitions } from './reviews.ts'
import { service } from './service.ts'
import { serviceAccountDefinition } from './service-account.ts'
import { persistentVolume, persistentVolumeClaim, storageClass } from './storage.ts'
import { mutatingWebhookConfiguration, validatingWebhookConfiguration } from './webhooks.ts'

export interface BuiltinServices {
  readonly registry: ResourceRegistry
  readonly access: ObjectAccess
  readonly parts: Pick<ServerParts, 'createCrdDefinition'>
  readonly tokens: ServiceAccountTokens
  readonly authenticator: Authenticator
  readonly authorizer: RbacAuthorizer
  readonly clock: Clock
}

/** Makes the built-in resources known, then those of the stored CRDs, and the objects that every cluster starts with. */
export async function installBuiltins(services: BuiltinServices): Promise<void> {
  const { registry, access, parts, tokens, authenticator, authorizer, clock } = services
  const crd = parts.createCrdDefinition(registry, clock)
  for (const definition of [...definitions(tokens, authorizer, clock), crd]) registry.put(definition)
  const audiencesOf = async (token: string): Promise<readonly string[]> => {
    const verified = await tokens.verify(token)
    return 'problem' in verified ? [] : verified.audiences
  }
  for (const review of reviewDefinitions(authenticator, authorizer, audiencesOf)) registry.putReview(review)
  const { items } = access.list({ group: crd.group, resource: crd.plural, namespace: '' })
  for (const object of items) crd.written?.({ kind: 'created', object, old: undefined }, access)
  await bootstrap(access)
}

/** In the order of `kubectl api-resources` and `kubectl get all`. */
function definitions(
  tokens: ServiceAccountTokens,
  authorizer: RbacAuthorizer,
  clock: Clock,
): readonly ResourceDefinition[] {
  return [
    podDefinition(clock),
    service,
    namespace,
    node,
    configMap,
    secret,
    serviceAccountDefinition(tokens, clock),
    event,
    endpoints,
    persistentVolumeClaim,
    persistentVolume,
    replicationController,
    resourceQuota,
    limitRange,
    podTemplateDefinition,
    daemonSet,
    deployment,
    replicaSet,
    statefulSet,
    controllerRevision,
    horizontalPodAutoscaler,
    cronJob,
    job,
    lease,
    endpointSlice,
    ingress,
    ingressClass,
    networkPolicy,
    podDisruptionBudget,
    priorityClass,
    storageClass,
    runtimeClass,
    mutatingWebhookConfiguration,
    validatingWebhookConfiguration,
    ...rbacDefinitions(authorizer),
  ]
}
