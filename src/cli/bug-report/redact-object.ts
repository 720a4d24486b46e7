import { isRecord } from '#shared/document'
import type { ApiDocument } from '#shared/kube-client'
import { isFileName, isSecretName, REDACTED } from './redact.ts'

/** What a client keeps of an object to compare with: whole, with every value. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'
const DATA = ['data', 'stringData', 'binaryData']
/** Parts of a container that programs are given secrets in. */
const GIVEN = ['command', 'args']

/**
 * An object as a report may show it: without the data of Secrets and ConfigMaps, without what containers are given by
 * arguments and those of applications by environment, and without who wrote which field.
 *
 * @param isOwn an object of the mesh's own namespace: its environment is settings that are needed to understand it
 */
export function redactObject(document: ApiDocument, isOwn: boolean): ApiDocument {
  const { kind } = document
  const shown = redactValue(document, isOwn) as ApiDocument
  if (kind !== 'Secret' && kind !== 'ConfigMap') return shown
  const emptied = DATA.filter((part) => part in shown).map((part) => [part, namesOnly(shown[part])])
  return { ...shown, ...Object.fromEntries(emptied) }
}

function redactValue(value: unknown, isOwn: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => redactValue(item, isOwn))
  if (!isRecord(value)) return value
  const entries = Object.entries(value).flatMap(([key, item]): [string, unknown][] => {
    if (key === 'managedFields' || key === LAST_APPLIED) return []
    if (key === 'env' && Array.isArray(item)) return [[key, item.map((variable) => withoutValue(variable, isOwn))]]
    if (GIVEN.includes(key) && Array.isArray(item)) return [[key, item.length === 0 ? item : [REDACTED]]]
    return [[key, redactValue(item, isOwn)]]
  })
  return Object.fromEntries(entries)
}

function withoutValue(variable: unknown, isOwn: boolean): unknown {
  if (!isRecord(variable) || !('value' in variable)) return variable
  const isShown = isOwn && (!isSecretName(String(variable.name)) || isFileName(String(variable.value)))
  return isShown ? variable : { ...variable, value: REDACTED }
}

function namesOnly(data: unknown): unknown {
  return isRecord(data) ? Object.fromEntries(Object.keys(data).map((name) => [name, REDACTED])) : REDACTED
}
