import type { Schema } from '../../schema/types.ts'
import {
  autoscalerTexts,
  budgetTexts,
  configMapTexts,
  endpointSliceTexts,
  eventTexts,
  ingressTexts,
  leaseTexts,
  namespaceTexts,
  networkPolicyTexts,
  nodeTexts,
  roleBindingTexts,
  roleTexts,
  serviceAccountTexts,
  serviceTexts,
} from './other-texts.ts'
import { podTexts } from './pod-texts.ts'
import type { Texts } from './texts.ts'
import {
  cronJobTexts,
  daemonSetTexts,
  deploymentTexts,
  jobTexts,
  replicaSetTexts,
  statefulSetTexts,
} from './workload-texts.ts'

/** By kind; all are of groups that Kubernetes itself has. */
export const textsByKind: Readonly<Record<string, Texts>> = {
  Pod: podTexts,
  Service: serviceTexts,
  Namespace: namespaceTexts,
  Node: nodeTexts,
  ConfigMap: configMapTexts,
  Secret: configMapTexts,
  ServiceAccount: serviceAccountTexts,
  Event: eventTexts,
  Deployment: deploymentTexts,
  ReplicaSet: replicaSetTexts,
  StatefulSet: statefulSetTexts,
  DaemonSet: daemonSetTexts,
  Job: jobTexts,
  CronJob: cronJobTexts,
  EndpointSlice: endpointSliceTexts,
  Lease: leaseTexts,
  Role: roleTexts,
  ClusterRole: roleTexts,
  RoleBinding: roleBindingTexts,
  ClusterRoleBinding: roleBindingTexts,
  PodDisruptionBudget: budgetTexts,
  HorizontalPodAutoscaler: autoscalerTexts,
  NetworkPolicy: networkPolicyTexts,
  Ingress: ingressTexts,
}

/** A built-in kind's schema with what `kubectl explain` says of its fields; a text that is there already stays. */
export function withTexts(kind: string, schema: Schema): Schema {
  const texts = Object.hasOwn(textsByKind, kind) ? textsByKind[kind] : undefined
  return texts === undefined ? schema : describe(schema, '', texts)
}

function describe(schema: Schema, path: string, texts: Texts): Schema {
  const text = schema.description ?? (path === '' ? undefined : texts[path])
  const { properties, items, additionalProperties } = schema
  return {
    ...schema,
    ...(text === undefined ? {} : { description: text }),
    ...(properties === undefined ? {} : { properties: describeAll(properties, path, texts) }),
    ...(items === undefined ? {} : { items: describeInner(items, path, texts) }),
    ...(typeof additionalProperties === 'object'
      ? { additionalProperties: describeInner(additionalProperties, path, texts) }
      : {}),
  }
}

function describeAll(
  properties: Readonly<Record<string, Schema>>,
  path: string,
  texts: Texts,
): Readonly<Record<string, Schema>> {
  return Object.fromEntries(
    Object.entries(properties).map(([name, each]) => [
      name,
      describe(each, path === '' ? name : `${path}.${name}`, texts),
    ]),
  )
}

/** Items have the path of their list, and no text of their own. */
function describeInner(schema: Schema, path: string, texts: Texts): Schema {
  const { properties } = schema
  return properties === undefined ? schema : { ...schema, properties: describeAll(properties, path, texts) }
}
