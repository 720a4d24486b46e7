import { selectorText } from '../objects/scale.ts'
import { parseLabelSelector } from '../selectors/index.ts'
import type { AdmissionRequest, ApiObject } from '../types.ts'
import type { Webhook, WebhookRule } from './types.ts'

/**
 * Whether a webhook wants to be asked, and in which version: with `Equivalent`, a rule for another version of the same
 * resource means this request too, and the webhook gets the object in the version that it knows.
 *
 * @param namespace the request's, undefined for what has none
 */
export function versionFor(
  webhook: Webhook,
  request: AdmissionRequest,
  namespace: ApiObject | undefined,
): string | undefined {
  const { definition, context } = request
  const version = (webhook.rules ?? [])
    .filter((rule) => concerns(rule, request))
    .map(({ apiVersions }) => {
      if (includes(apiVersions, context.version)) return context.version
      if (webhook.matchPolicy === 'Exact') return undefined
      return definition.versions.find(({ name, isServed }) => isServed && includes(apiVersions, name))?.name
    })
    .find((each) => each !== undefined)
  return version !== undefined && isSelected(webhook, request, namespace) ? version : undefined
}

function concerns({ operations, apiGroups, resources, scope = '*' }: WebhookRule, request: AdmissionRequest): boolean {
  const { definition, context, operation } = request
  return (
    includes(operations, operation) &&
    includes(apiGroups, definition.group) &&
    (scope === '*' || (scope === 'Namespaced') === definition.isNamespaced) &&
    resources.some((pattern) => fits(pattern, definition.plural, context.subresource))
  )
}

// A resource, perhaps with a subresource behind a slash; a star stands for any. Without a slash: no subresource.
function fits(pattern: string, plural: string, subresource: string): boolean {
  const [resource, sub = ''] = pattern.split('/')
  return (resource === '*' || resource === plural) && (sub === subresource || (sub === '*' && pattern.includes('/')))
}

/** A request about a Namespace counts as one inside of it; others without a namespace are always selected. */
function isSelected(webhook: Webhook, request: AdmissionRequest, namespace: ApiObject | undefined): boolean {
  const { definition, object, old } = request
  const isNamespace = definition.group === '' && definition.plural === 'namespaces'
  const around = isNamespace ? object : namespace
  const byNamespace = parseLabelSelector(selectorText(webhook.namespaceSelector ?? {}))
  if ((definition.isNamespaced || isNamespace) && !byNamespace(around?.metadata.labels)) return false
  const byObject = parseLabelSelector(selectorText(webhook.objectSelector ?? {}))
  return byObject(object.metadata.labels) || (old !== undefined && byObject(old.metadata.labels))
}

function includes(list: readonly string[], value: string): boolean {
  return list.includes('*') || list.includes(value)
}
