import { ApiError, badRequest } from '../api-error.ts'
import { isEqualJson } from '../objects/json-equal.ts'
import { fieldOf, isJsonObject, isTooDeep, setField } from './json-object.ts'
import { arrayIndex, formatPointer, type Pointer, parsePointer } from './json-pointer.ts'

type Operation =
  | { readonly op: 'add' | 'replace' | 'test'; readonly path: Pointer; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: Pointer }
  | { readonly op: 'move' | 'copy'; readonly path: Pointer; readonly from: Pointer }

/** As many as Kubernetes takes. */
const MOST_OPERATIONS = 10_000
/** Values that `copy` may make in all: copies of copies would otherwise grow without end. */
const MOST_COPIED_VALUES = 100_000

/**
 * Applies a JSON patch, all of it or nothing.
 *
 * @param document stays as it is
 * @throws ApiError BadRequest when the body is no patch, Invalid when the patch does not fit the document
 * @see RFC 6902
 */
export function jsonPatch(document: unknown, body: unknown): unknown {
  const operations = readOperations(body)
  let root: unknown = structuredClone(document)
  let copiesLeft = MOST_COPIED_VALUES

  for (const operation of operations) {
    const { path } = operation
    switch (operation.op) {
      case 'add':
        root = add(root, path, structuredClone(operation.value))
        break
      case 'remove':
        root = remove(root, path)
        break
      case 'replace':
        valueAt(root, path)
        root = path.length === 0 ? structuredClone(operation.value) : replace(root, path, operation.value)
        break
      case 'move': {
        if (isInside(path, operation.from)) {
          throw inapplicable(`${formatPointer(operation.from)} cannot be moved into itself`)
        }
        const value = valueAt(root, operation.from)
        root = add(remove(root, operation.from), path, value)
        break
      }
      case 'copy': {
        const value = valueAt(root, operation.from)
        copiesLeft -= countValues(value)
        if (copiesLeft < 0) throw inapplicable('the copies of this patch are too large')
        root = add(root, path, structuredClone(value))
        if (isTooDeep(root)) throw inapplicable('the copies of this patch are nested too deeply')
        break
      }
      case 'test':
        if (!isEqualJson(valueAt(root, path), operation.value)) {
          throw inapplicable(`testing value ${formatPointer(path)} failed`)
        }
    }
  }
  return root
}

function readOperations(body: unknown): readonly Operation[] {
  if (!Array.isArray(body)) throw badRequest('a JSON patch is a list of operations')
  if (body.length > MOST_OPERATIONS) {
    throw badRequest(`a JSON patch has at most ${MOST_OPERATIONS} operations, got ${body.length}`)
  }
  return body.map(readOperation)
}

function readOperation(raw: unknown, index: number): Operation {
  if (!isJsonObject(raw)) throw badRequest(`operation ${index} is no object`)
  const op = fieldOf(raw, 'op')
  const path = readPointer(raw, 'path', index)
  switch (op) {
    case 'remove':
      return { op, path }
    case 'add':
    case 'replace':
    case 'test':
      if (!Object.hasOwn(raw, 'value')) throw badRequest(`operation ${index} (${op}) has no "value"`)
      return { op, path, value: raw.value }
    case 'move':
    case 'copy':
      return { op, path, from: readPointer(raw, 'from', index) }
    default:
      throw badRequest(`operation ${index} has an unknown "op": ${JSON.stringify(op)?.slice(0, 64)}`)
  }
}

function readPointer(raw: Readonly<Record<string, unknown>>, name: 'path' | 'from', index: number): Pointer {
  const text = fieldOf(raw, name)
  if (typeof text !== 'string') throw badRequest(`operation ${index} has no "${name}"`)
  return parsePointer(text)
}

/** @throws ApiError Invalid when nothing is there */
function valueAt(root: unknown, path: Pointer): unknown {
  let value = root
  for (const step of path) {
    if (Array.isArray(value)) {
      const index = arrayIndex(step)
      if (index === undefined || index >= value.length) throw missing(path)
      value = value[index]
    } else if (isJsonObject(value) && Object.hasOwn(value, step)) {
      value = value[step]
    } else {
      throw missing(path)
    }
  }
  return value
}

/** RFC 6902 §4.1: into a list it is inserted, into an object it takes the old value's place. */
function add(root: unknown, path: Pointer, value: unknown): unknown {
  const last = path.at(-1)
  if (last === undefined) return value
  const parent = valueAt(root, path.slice(0, -1))
  if (Array.isArray(parent)) {
    const index = last === '-' ? parent.length : arrayIndex(last)
    if (index === undefined || index > parent.length) throw missing(path)
    parent.splice(index, 0, value)
  } else if (isJsonObject(parent)) {
    setField(parent as Record<string, unknown>, last, value)
  } else {
    throw missing(path)
  }
  return root
}

/** The value was found before. */
function replace(root: unknown, path: Pointer, value: unknown): unknown {
  const parent = valueAt(root, path.slice(0, -1))
  const last = path.at(-1) ?? ''
  if (Array.isArray(parent)) parent[Number(last)] = structuredClone(value)
  else setField(parent as Record<string, unknown>, last, structuredClone(value))
  return root
}

function remove(root: unknown, path: Pointer): unknown {
  valueAt(root, path)
  const last = path.at(-1)
  if (last === undefined) return null
  const parent = valueAt(root, path.slice(0, -1))
  if (Array.isArray(parent)) parent.splice(Number(last), 1)
  else delete (parent as Record<string, unknown>)[last]
  return root
}

/** Whether `path` lies below `outer`. */
function isInside(path: Pointer, outer: Pointer): boolean {
  return path.length > outer.length && outer.every((step, index) => step === path[index])
}

function countValues(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1
  let count = 1
  for (const inner of Object.values(value)) count += countValues(inner)
  return count
}

function missing(path: Pointer): ApiError {
  return inapplicable(`path ${formatPointer(path)} is not there`)
}

function inapplicable(problem: string): ApiError {
  return new ApiError('Invalid', problem)
}
